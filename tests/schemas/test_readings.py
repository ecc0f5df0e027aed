from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.readings import Reading, Unit, parse_segment_key, reading_key, segment_key

NPS: dict[str, Any] = {
    "metric": "nps",
    "window": "24h",
    "segment": {"channel": "email"},
    "value": 25.0,
    "unit": "points",
    "n": 200,
    "low": 14.6,
    "high": 35.1,
    "confidence": 0.95,
    "low_sample": False,
    "window_start": "2026-02-28T12:00:00.000Z",
    "window_end": "2026-03-01T12:00:00.000Z",
    "previous": 20.0,
    "change": 5.0,
    "significant": False,
    "provisional": True,
    "incomplete": False,
    "revision": 7,
    "as_of": "2026-03-01T11:58:00.250Z",
}
NULLABLE = ("value", "low", "high", "confidence", "previous", "change", "significant")


def read(**changes: Any) -> Reading:
    return Reading.model_validate_json(json.dumps(NPS | changes))


def test_a_reading_is_written_as_it_was_read() -> None:
    reading = read()
    assert json.loads(reading.to_json()) == NPS
    assert list(json.loads(reading.to_json())) == list(NPS), "in the contract's order"
    assert reading.unit is Unit.POINTS
    assert reading.as_of == datetime(2026, 3, 1, 11, 58, 0, 250_000, tzinfo=UTC)


def test_money_has_a_currency_and_nothing_else_has() -> None:
    clv = read(metric="clv", unit="money", currency="USD", segment={})
    assert json.loads(clv.to_json())["currency"] == "USD"
    assert clv.key == "clv|24h|all|USD"
    assert "currency" not in json.loads(read().to_json())
    assert read().key == "nps|24h|channel=email"


def test_a_count_stays_an_integer() -> None:
    assert b'"value":1204,' in read(value=1204, unit="count").to_json()


def test_readings_can_be_built_from_python() -> None:
    assert Reading.model_validate(read().model_dump()) == read()
    python = read().model_dump() | {"unit": "points", "currency": None}
    assert Reading.model_validate(python) == read()


@pytest.mark.parametrize("field", NULLABLE)
def test_what_was_not_observed_is_null(field: str) -> None:
    assert json.loads(read(**{field: None}).to_json())[field] is None


@pytest.mark.parametrize("field", [name for name in NPS if name not in NULLABLE])
def test_nothing_else_is_null(field: str) -> None:
    with pytest.raises(ValidationError):
        read(**{field: None})


@pytest.mark.parametrize("field", list(NPS))
def test_every_field_is_there(field: str) -> None:
    with pytest.raises(ValidationError):
        Reading.model_validate_json(json.dumps({k: v for k, v in NPS.items() if k != field}))


@pytest.mark.parametrize(
    "changes",
    [
        {"value": float("nan")},
        {"value": float("inf")},
        {"value": "25"},
        {"value": True},
        {"low": float("nan")},
        {"unit": "dollars"},
        {"n": -1},
        {"n": 2.0},
        {"currency": None},
        {"currency": "usd"},
        {"confidence": 1.5},
        {"revision": -1},
        {"significant": 1},
        {"segment": {"Channel": "email"}},
        {"window_start": 0},
        {"window_start": "2026-03-01T12:00:00Z"},
    ],
    ids=str,
)
def test_bad_readings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read(**changes)


@pytest.mark.parametrize(
    ("segment", "key"),
    [
        ({}, "all"),
        ({"channel": "email"}, "channel=email"),
        ({"plan": "pro", "country": "DE"}, "country=DE,plan=pro"),
        ({"page": "/a b|c,d=e%"}, "page=%2Fa%20b%7Cc%2Cd%3De%25"),
        ({"page": "-._~__other__"}, "page=-._~__other__"),
        ({"city": "Z\u00fcrich"}, "city=Z%C3%BCrich"),
        ({"x": "all"}, "x=all"),
    ],
)
def test_known_keys(segment: dict[str, str], key: str) -> None:
    assert segment_key(segment) == key
    assert parse_segment_key(key) == segment
    assert reading_key("nps", "1h", segment, None) == f"nps|1h|{key}"
    assert reading_key("clv", "1h", segment, "EUR") == f"clv|1h|{key}|EUR"


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64),
        max_size=4,
    )
)
def test_keys_can_be_read_back(segment: dict[str, str]) -> None:
    assert parse_segment_key(segment_key(segment)) == segment


@pytest.mark.parametrize(
    "text", ["", "channel", "b=1,a=2", "a=1,a=1", "a=/", "a=%ff", "a=%2f", ","]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not the key|decode"):
        parse_segment_key(text)
