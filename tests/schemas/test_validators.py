"""What is not a matter of single fields: raw bytes, sizes, the shape of the fast form."""

from __future__ import annotations

import pickle
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from schemas.event_types import MODELS
from schemas.events import EventType, parse_event
from schemas.fast import _fast_form
from schemas.validators import ErrorCode, InvalidEvent, explain, fast_validator
from schemas.variants import OneOf
from tests.schemas.examples import RESOLVED, encode, record

SURVEY = EventType.SURVEY_RESPONSE
DEEP = b'{"type": "survey_response", "x": ' + b"[" * 1000 + b"]" * 1000 + b"}"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (None, ErrorCode.EMPTY_VALUE),
        (b"", ErrorCode.EMPTY_VALUE),
        (b" ", ErrorCode.INVALID_JSON),
        (b"{", ErrorCode.INVALID_JSON),
        (b"not json", ErrorCode.INVALID_JSON),
        (b"{} {}", ErrorCode.INVALID_JSON),
        (b"\xff\xfe", ErrorCode.INVALID_JSON),
        (b'{"type": "\xff"}', ErrorCode.INVALID_JSON),
        (b'{"type": "\\ud800"}', ErrorCode.INVALID_JSON),
        (b"\xef\xbb\xbf{}", ErrorCode.INVALID_JSON),
        (b'{"score": ' + b"9" * 5000 + b"}", ErrorCode.INVALID_JSON),
        (DEEP, ErrorCode.INVALID_JSON),
        (b"[" * 60_000, ErrorCode.INVALID_JSON),
        (b"[]", ErrorCode.NOT_AN_OBJECT),
        (b"null", ErrorCode.NOT_AN_OBJECT),
        (b"NaN", ErrorCode.NOT_AN_OBJECT),
        (b'"text"', ErrorCode.NOT_AN_OBJECT),
        (b"7", ErrorCode.NOT_AN_OBJECT),
        (b"{}", ErrorCode.MISSING_FIELD),
    ],
    ids=lambda value: ascii(value)[:30],
)
@pytest.mark.parametrize("event_type", EventType)
def test_what_is_no_event_at_all(event_type: EventType, raw: bytes | None, code: ErrorCode) -> None:
    refusal = explain(event_type, raw)
    assert refusal is not None
    assert refusal.code == code
    if raw is not None:
        with pytest.raises(ValidationError):
            fast_validator(event_type)(raw)
        with pytest.raises(InvalidEvent) as raised:
            parse_event(raw)
        assert raised.value.code == code


def test_the_size_limit_counts_bytes() -> None:
    raw = encode(record(SURVEY))
    assert explain(SURVEY, raw, max_bytes=len(raw)) is None
    refusal = explain(SURVEY, raw, max_bytes=len(raw) - 1)
    assert refusal is not None
    assert refusal.code == ErrorCode.TOO_LARGE
    too_large = raw + b" " * (65_537 - len(raw))
    assert explain(SURVEY, too_large[:-1]) is None
    with pytest.raises(InvalidEvent, match="65537 bytes, at most 65536"):
        parse_event(too_large)


def test_text_is_parsed_like_bytes() -> None:
    raw = encode(record(SURVEY))
    assert parse_event(raw.decode()) == parse_event(raw)
    with pytest.raises(InvalidEvent) as raised:
        parse_event('{"type": "\ud800"}')
    assert raised.value.code == ErrorCode.INVALID_JSON


@pytest.mark.parametrize("survey", ["nps", "csat"])
def test_of_a_repeated_name_the_last_counts(survey: str) -> None:
    raw = encode(record(SURVEY, {"score": 3, "survey": survey}))
    twice = raw.replace(b'"survey"', b'"survey": "ces", "score": "x", "survey"')
    assert fast_validator(SURVEY)(twice)["survey"] == survey
    assert explain(SURVEY, twice) is None


def test_the_fast_form_is_a_plain_record() -> None:
    purchase = record(EventType.PURCHASE, {"dimensions": {"channel": "web"}})
    assert fast_validator(EventType.PURCHASE)(encode(purchase)) == {
        "type": "purchase",
        "event_id": "e1",
        "occurred_at": "2026-03-01T12:00:00Z",
        "customer_id": "c1",
        "dimensions": {"channel": "web"},
        "amount_minor": 1999,
        "currency": "EUR",
        "order_id": "o1",
        "kind": "order",
        "upsell": False,
    }
    csat = record(SURVEY, {"survey": "csat", "score": 0})
    assert fast_validator(SURVEY)(encode(csat)) == csat | {"scale": 5}
    ticket = record(EventType.SUPPORT_TICKET, RESOLVED)
    assert fast_validator(EventType.SUPPORT_TICKET)(encode(ticket)) == ticket


def _calls_back(schema: object) -> bool:
    if isinstance(schema, dict):
        return str(schema.get("type", "")).startswith("function-") or any(
            _calls_back(inner) for name, inner in schema.items() if name != "metadata"
        )
    return isinstance(schema, list | tuple) and any(_calls_back(inner) for inner in schema)


@pytest.mark.parametrize("event_type", EventType)
def test_only_money_and_tickets_call_back_into_python(event_type: EventType) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(
        Annotated[Any, OneOf(MODELS[event_type], form=_fast_form)]
    )
    expected = {EventType.PURCHASE, EventType.MARKETING_SPEND, EventType.SUPPORT_TICKET}
    assert _calls_back(adapter.core_schema) == (event_type in expected)


@pytest.mark.parametrize("event_type", EventType)
def test_the_fast_form_has_the_fields_of_the_models(event_type: EventType) -> None:
    for model in MODELS[event_type]:
        assert issubclass(model, BaseModel)
        form = getattr(_fast_form(model), "__origin__", _fast_form(model))
        assert set(form.__annotations__) == set(model.model_fields)
        required = {name for name, field in model.model_fields.items() if field.is_required()}
        assert form.__required_keys__ == required


def test_a_refusal_survives_pickling() -> None:
    refusal = InvalidEvent(ErrorCode.INVALID_FIELD, "score: must be …", field="score")
    copy = pickle.loads(pickle.dumps(refusal))
    assert (copy.code, copy.field, copy.message) == (refusal.code, refusal.field, refusal.message)
    assert str(copy) == refusal.message
