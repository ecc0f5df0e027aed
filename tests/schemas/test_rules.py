"""Every rule of the contract's first section, over the fast validator, the models and `explain`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.events import EventType, parse_event
from schemas.timestamps import parse_rfc3339
from schemas.validators import InvalidEvent, explain, fast_validator
from tests.schemas.examples import BAD, GOOD, UNREAL_TIMES, Bad, Good, encode, label, record


@pytest.mark.parametrize("row", GOOD, ids=label)
def test_a_good_record_passes_all_three_ways(row: Good) -> None:
    raw = encode(record(row.event_type, row.changes))
    fast = fast_validator(row.event_type)(raw)
    event = parse_event(raw)
    assert explain(row.event_type, raw) is None
    assert fast["event_id"] == event.event_id
    assert event.type == row.event_type


@pytest.mark.parametrize("row", BAD, ids=label)
def test_a_bad_record_is_refused_with_its_code_and_field(row: Bad) -> None:
    raw = encode(record(row.event_type, row.changes))
    refusal = explain(row.event_type, raw)
    assert refusal is not None
    assert (refusal.code, refusal.field) == (row.code, row.field)
    assert refusal.message.startswith(f"{row.field}: ")

    if row.changes.get("occurred_at") in UNREAL_TIMES:
        fast = fast_validator(row.event_type)(raw)
        with pytest.raises(ValueError, match="date-time"):
            parse_rfc3339(fast["occurred_at"])
    else:
        with pytest.raises(ValidationError):
            fast_validator(row.event_type)(raw)

    if row.code != "wrong_type":
        with pytest.raises(InvalidEvent) as raised:
            parse_event(raw)
        assert (raised.value.code, raised.value.field) == (row.code, row.field)


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1e0", "9e0", "-0.0", "NaN", "Infinity", "-Infinity", "9.0"]
)
def test_only_an_integer_literal_is_a_score(number: str) -> None:
    raw = encode(record(EventType.SURVEY_RESPONSE)).replace(
        b'"score": 9', b'"score": ' + number.encode()
    )
    with pytest.raises(ValidationError):
        fast_validator(EventType.SURVEY_RESPONSE)(raw)
    refusal = explain(EventType.SURVEY_RESPONSE, raw)
    assert refusal is not None
    assert (refusal.code, refusal.field) == ("invalid_field", "score")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score": 11}, "score: must be an integer from 0 to 10"),
        ({"score": "9"}, "score: must be an integer from 0 to 10, not a string"),
        ({"scale": 7}, "scale: must be 5, or left out"),
        ({"survey": "x"}, "survey: must be nps, csat, ces, cli or emotion"),
        ({"customer_id": None}, "customer_id: must be a string of 1 to 128 characters, not null"),
        ({"event_id": ...}, "event_id: is required"),
    ],
)
def test_messages_say_what_to_do(changes: dict[str, Any], message: str) -> None:
    event = record(EventType.SURVEY_RESPONSE, changes)
    event = {name: value for name, value in event.items() if value is not ...}
    refusal = explain(EventType.SURVEY_RESPONSE, encode(event))
    assert refusal is not None
    assert refusal.message == message


@pytest.mark.parametrize("row", BAD, ids=label)
def test_messages_hold_nothing_of_the_record(row: Bad) -> None:
    event = record(row.event_type, row.changes)
    secret = "s3cr3t-text"
    marked = json.loads(json.dumps(event), parse_constant=lambda _: None)
    marked |= {"comment": secret}
    for name in row.changes:
        if name in marked and name not in ("type", "survey", "action", "scale", "currency"):
            marked[name] = secret if name != "dimensions" else {secret: secret, "channel": 1}
    refusal = explain(row.event_type, encode(marked))
    if refusal is not None:
        assert secret not in refusal.message
        assert secret not in refusal.field


def test_free_text_leaves_no_trace() -> None:
    raw = encode(record(EventType.SURVEY_RESPONSE, {"comment": "<script>x</script>", "more": 1}))
    assert set(fast_validator(EventType.SURVEY_RESPONSE)(raw)) == {
        *("type", "event_id", "occurred_at", "survey", "score"),
    }
    assert b"script" not in parse_event(raw).to_json()


@pytest.mark.parametrize("row", GOOD, ids=label)
def test_a_model_writes_what_it_reads(row: Good) -> None:
    event = parse_event(encode(record(row.event_type, row.changes)))
    assert parse_event(event.to_json()) == event
    fast_validator(row.event_type)(event.to_json())
