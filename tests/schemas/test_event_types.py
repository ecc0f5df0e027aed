from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.events import CsatResponse, EventType, NpsResponse, Purchase, kafka_key, parse_event
from tests.schemas.examples import encode, record

NAIVE = datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None)


def test_topics_are_the_types_with_dashes() -> None:
    assert [event_type.topic for event_type in EventType] == [
        "survey-response",
        "purchase",
        "session",
        "support-ticket",
        "customer",
        "social",
        "loyalty",
        "marketing-spend",
    ]
    for event_type in EventType:
        assert EventType.from_topic(event_type.topic) is event_type
    with pytest.raises(ValueError, match="'survey_response' is not an event topic"):
        EventType.from_topic("survey_response")


@pytest.mark.parametrize(
    ("event_type", "changes", "key"),
    [
        (EventType.SURVEY_RESPONSE, {"customer_id": "c1"}, "c1"),
        (EventType.SURVEY_RESPONSE, {}, "e1"),
        (EventType.PURCHASE, {}, "c1"),
        (EventType.SESSION, {"customer_id": "c1"}, "s1"),
        (EventType.SUPPORT_TICKET, {"customer_id": "c1"}, "t1"),
        (EventType.CUSTOMER, {}, "c1"),
        (EventType.SOCIAL, {"account": "brand", "customer_id": "c1"}, "brand"),
        (EventType.SOCIAL, {"customer_id": "c1"}, "e1"),
        (EventType.LOYALTY, {}, "c1"),
        (EventType.MARKETING_SPEND, {"campaign": "spring"}, "spring"),
        (EventType.MARKETING_SPEND, {}, "e1"),
    ],
)
def test_keys_are_those_of_the_contract(
    event_type: EventType, changes: dict[str, Any], key: str
) -> None:
    event = record(event_type, changes)
    assert kafka_key(event) == key
    assert kafka_key(parse_event(encode(event)).model_dump()) == key


def test_models_can_be_built_with_every_argument_given() -> None:
    moment = datetime(2026, 3, 1, 13, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=1)))
    event = NpsResponse(
        type="survey_response",
        event_id="e1",
        occurred_at=moment,
        customer_id=None,
        dimensions={"channel": "email"},
        survey="nps",
        scale=None,
        score=9,
    )
    assert event.occurred_at == datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
    assert event.to_json() == (
        b'{"type":"survey_response","event_id":"e1","occurred_at":"2026-03-01T12:00:00.123Z",'
        b'"dimensions":{"channel":"email"},"survey":"nps","score":9}'
    )
    assert parse_event(event.to_json()) == event
    with pytest.raises(ValidationError, match="frozen"):
        event.score = 1


@pytest.mark.parametrize(
    "moment", [NAIVE, datetime(1969, 1, 1, tzinfo=UTC), "2026-03-01T12:00:00Z"]
)
def test_models_want_aware_datetimes_of_our_years(moment: Any) -> None:
    with pytest.raises(ValidationError):
        CsatResponse(
            type="survey_response", event_id="e1", occurred_at=moment, survey="csat", score=5
        )


def test_amounts_are_exact() -> None:
    event = parse_event(encode(record(EventType.PURCHASE, {"amount": 0.1})))
    assert isinstance(event, Purchase)
    assert event.amount == Decimal("0.1")
    assert event.amount_minor == 10
    assert b'"amount":"0.1"' in event.to_json()
