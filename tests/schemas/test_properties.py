"""The fast validators and the public models agree, whatever the record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import EventType, parse_event
from schemas.timestamps import parse_rfc3339
from schemas.validators import InvalidEvent, explain, fast_validator
from tests.schemas.examples import BAD, GOOD, OMIT, record

_SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 12),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str),
    st.datetimes(timezones=st.just(None)).map(lambda moment: moment.isoformat() + "Z"),
    st.sampled_from(["nps", "csat", "ces", "cli", "emotion", "opened", "resolved", "snapshot"]),
    st.sampled_from([5, 7, 10, 5.0, "USD", "JPY", "KWD", "order", "response", "followers"]),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)
_GOOD = [(row.event_type, row.changes) for row in GOOD]
_ROWS = st.sampled_from([*_GOOD, *((row.event_type, row.changes) for row in BAD)])
_FIELDS = sorted({name for row in GOOD for name in record(row.event_type, row.changes)})


def _accepted_fast(event_type: EventType, raw: bytes) -> bool:
    """Whether the record passes the fast validator, and its converter of times after it."""
    try:
        parse_rfc3339(fast_validator(event_type)(raw)["occurred_at"])
    except (ValidationError, ValueError):
        return False
    return True


@settings(max_examples=1500, deadline=None)
@given(
    base=_ROWS,
    other=_ROWS,
    changes=st.dictionaries(st.sampled_from(_FIELDS), _VALUES | st.just(OMIT), max_size=2),
)
def test_the_forms_agree_on_mutated_events(
    base: tuple[EventType, dict[str, Any]],
    other: tuple[EventType, dict[str, Any]],
    changes: dict[str, Any],
) -> None:
    event_type, first = base
    # Grafting the changes of another row makes records that break several rules at once.
    raw = json.dumps(record(event_type, first | other[1] | changes)).encode()
    refusal = explain(event_type, raw)
    assert _accepted_fast(event_type, raw) == (refusal is None)
    if refusal is None:
        event = parse_event(raw)
        assert parse_event(event.to_json()) == event
    elif refusal.code != "wrong_type":
        with pytest.raises(InvalidEvent) as raised:
            parse_event(raw)
        assert (raised.value.code, raised.value.field) == (refusal.code, refusal.field)


@settings(max_examples=300, deadline=None)
@given(event_type=st.sampled_from(EventType), raw=st.binary(max_size=60))
def test_the_forms_agree_on_noise(event_type: EventType, raw: bytes) -> None:
    assert _accepted_fast(event_type, raw) == (explain(event_type, raw) is None)


@settings(max_examples=300, deadline=None)
@given(
    event_type=st.sampled_from(EventType),
    cut=st.integers(0, 200),
    position=st.integers(0, 200),
    noise=st.binary(max_size=3),
)
def test_the_forms_agree_on_damaged_bytes(
    event_type: EventType, cut: int, position: int, noise: bytes
) -> None:
    raw = json.dumps(record(event_type)).encode()
    damaged = raw[:position] + noise + raw[position + cut % 3 :]
    assert _accepted_fast(event_type, damaged) == (explain(event_type, damaged) is None)
