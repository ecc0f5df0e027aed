"""The guard itself: what it must notice, and what must not trouble it."""

import gc
from collections.abc import Sequence

import pytest

from schemas.events import EventType
from tests.performance import budgets
from tests.performance.budgets import judge, stored
from tests.performance.counting import Counting, per_event
from tests.performance.meters import calls, held_bytes, steps

TYPES = pytest.mark.parametrize("event_type", EventType)


def _looks_at(record: bytes) -> int:
    return len(record)


def _with_a_call(counting: Counting, records: Sequence[bytes]) -> None:
    """One function more for each event, and nothing else."""
    counting.count(records)
    list(map(_looks_at, records))


def _with_a_loop(counting: Counting, records: Sequence[bytes]) -> list[bytes]:
    """A loop over the events that calls nothing."""
    counting.count(records)
    return [record for record in records if record is not None]


@pytest.mark.parametrize("event_type", [EventType.SURVEY_RESPONSE, EventType.SOCIAL])
def test_one_more_call_for_each_event_is_noticed(event_type: EventType) -> None:
    """Of the two types that take the fewest: the others make more calls for an event."""
    name = f"counting.{event_type}.calls_per_event"
    measured = per_event(event_type, calls, _with_a_call)
    assert "over its budget" in (judge(name, measured, stored()[name]) or "")


@pytest.mark.parametrize("event_type", [EventType.SURVEY_RESPONSE, EventType.SOCIAL])
def test_a_loop_that_calls_nothing_is_seen(event_type: EventType) -> None:
    """It makes no more calls, but a step or two for each event."""
    plain = per_event(event_type, steps)
    assert per_event(event_type, steps, _with_a_loop) >= plain + 3


@TYPES
def test_a_tenth_more_is_too_much_and_a_quarter_less_too(event_type: EventType) -> None:
    for meter in ("calls", "steps"):
        name = f"counting.{event_type}.{meter}_per_event"
        here = stored()[name] * budgets._share_here(name)
        assert judge(name, 1.02 * here, stored()[name]) is None
        assert "over its budget" in (judge(name, 1.1 * here, stored()[name]) or "")
        assert "tightens" in (judge(name, 0.75 * here, stored()[name]) or "")


@TYPES
def test_the_same_work_gives_the_same_numbers(event_type: EventType) -> None:
    assert per_event(event_type, calls) == per_event(event_type, calls)


def _lists(count: int) -> list[list[object]]:
    return [[] for _ in range(count)]


def test_collections_of_garbage_are_not_counted() -> None:
    def collected(_phase: str, _info: dict[str, int]) -> None:
        made.append(object())

    made: list[object] = []
    threshold = gc.get_threshold()
    gc.callbacks.append(collected)
    gc.set_threshold(1)
    try:
        of_ten, of_thousand = calls(lambda: _lists(10)), calls(lambda: _lists(1_000))
        once, again = steps(lambda: _lists(10)), steps(lambda: _lists(10))
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(collected)
    assert of_ten == of_thousand
    assert once == again


def test_bytes_are_those_of_what_is_left() -> None:
    left: list[bytes] = []

    def keep() -> None:
        left.append(bytes(100_000))
        bytes(1_000_000)

    assert 99_000 < held_bytes(keep) < 102_000


def test_what_differs_is_said_by_name() -> None:
    said = budgets.differences({"a": 1.0, "b": 2.0, "c": 3.0}, {"b": 2.2, "c": 3.00001, "d": 4.0})
    assert said == ["a: 1 -> none", "b: 2 -> 2.2 (+10.0 %)", "d: none -> 4"]
