from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import timestamps
from schemas.timestamps import MAX_MS, format_rfc3339, from_ms, parse_rfc3339, to_ms
from tests.schemas.examples import BAD_TIMES


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.9999Z", 999),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:00:00-01:00", 0),
        ("2026-03-01T12:00:00Z", 1_772_366_400_000),
        ("2026-03-01t12:00:00z", 1_772_366_400_000),
        ("2026-03-01T12:00:00.5Z", 1_772_366_400_500),
        ("2026-03-01T12:00:00.05Z", 1_772_366_400_050),
        ("2026-03-01T12:00:00.123456789Z", 1_772_366_400_123),
        ("2026-03-01T17:30:00.123+05:30", 1_772_366_400_123),
        ("2026-03-01T12:00:00-00:00", 1_772_366_400_000),
        ("9998-12-31T23:59:59.999Z", MAX_MS),
    ],
)
def test_known_instants(text: str, ms: int) -> None:
    assert parse_rfc3339(text) == ms
    assert parse_rfc3339(text) == ms, "from what was remembered, too"


@pytest.mark.parametrize("text", [text for text in BAD_TIMES if isinstance(text, str)])
def test_what_is_no_instant_is_refused(text: str) -> None:
    parse_rfc3339("2026-03-01T12:00:00Z")  # its minute is remembered
    for _ in range(2):
        with pytest.raises(ValueError, match="date-time") as raised:
            parse_rfc3339(text)
        assert not text or text not in str(raised.value)


@given(
    st.datetimes(
        from_ms(31_536_000_000).replace(tzinfo=None),
        from_ms(MAX_MS - 172_800_000).replace(tzinfo=None),
        timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
    )
)
def test_the_standard_library_agrees(moment: datetime) -> None:
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert parse_rfc3339(moment.isoformat()) == expected
    assert parse_rfc3339(moment.isoformat(timespec="milliseconds")) == expected
    assert to_ms(moment) == expected


@given(st.integers(0, MAX_MS))
def test_text_and_back(ms: int) -> None:
    assert parse_rfc3339(format_rfc3339(ms)) == ms
    assert to_ms(from_ms(ms)) == ms


@given(st.text(alphabet="0123456789-:TtZz.+ ", max_size=30))
def test_noise_raises_nothing_else(text: str) -> None:
    try:
        ms = parse_rfc3339(text)
    except ValueError:
        return
    assert 0 <= ms <= MAX_MS


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timestamps, "_MAX_MINUTES", 10)
    for minute in range(60):
        parse_rfc3339(f"2001-01-01T00:{minute:02}:00Z")
    assert len(timestamps._minutes) <= 10


@pytest.mark.parametrize("ms", [-1, MAX_MS + 1])
def test_the_years_are_bounded_both_ways(ms: int) -> None:
    with pytest.raises(ValueError, match="1970 to 9998"):
        format_rfc3339(ms)
    with pytest.raises(ValueError, match="1970 to 9998"):
        from_ms(ms)


def test_naive_datetimes_name_no_instant() -> None:
    with pytest.raises(ValueError, match="time zone"):
        to_ms(from_ms(0).replace(tzinfo=None))
