"""Everything that has a budget, by name: ``area.subject.what``."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from schemas.events import EventType
from tests.performance import counting, ticking
from tests.performance.flushing import Asked, flushing
from tests.performance.meters import calls, steps
from tests.performance.ratio import counting_over_parsing

Measure = Callable[[], float]

_FLUSHED: Final = (EventType.SURVEY_RESPONSE, EventType.SESSION, EventType.PURCHASE)
_TIMED: Final = (EventType.SURVEY_RESPONSE, EventType.SESSION)


def _of_flush(event_type: EventType, what: str) -> float:
    asked: Asked = flushing(event_type)
    value: float = getattr(asked, what)
    return value


def _measures() -> dict[str, Measure]:
    found: dict[str, Measure] = {}
    for event_type in EventType:
        name = f"counting.{event_type}"
        found[f"{name}.calls_per_event"] = partial(counting.per_event, event_type, calls)
        found[f"{name}.steps_per_event"] = partial(counting.per_event, event_type, steps)
    found |= {
        "memory.gathered_event.bytes": counting.bytes_gathered,
        "memory.remembered_id.bytes": counting.bytes_remembered,
        "memory.open_session.bytes": counting.bytes_of_open_session,
        "memory.customer.bytes": counting.bytes_of_customer,
    }
    for event_type in _FLUSHED:
        name = f"flush.{event_type}"
        found[f"{name}.script_calls"] = partial(_of_flush, event_type, "scripts")
        found[f"{name}.redis_commands_per_event"] = partial(_of_flush, event_type, "commands")
        found[f"{name}.sent_bytes_per_event"] = partial(_of_flush, event_type, "sent_bytes")
    for event_type in _TIMED:
        found[f"ratio.{event_type}.counting_over_parsing"] = partial(
            counting_over_parsing, event_type
        )
    return found | {
        "tick.one_percent_changed.readings": ticking.rows_of_one_percent,
        "tick.all_changed.calls_per_reading": partial(ticking.per_reading, calls),
        "tick.all_changed.steps_per_reading": partial(ticking.per_reading, steps),
        "tick.nothing_changed.calls": partial(ticking.of_nothing, calls),
    }


MEASURES: Final[Mapping[str, Measure]] = MappingProxyType(_measures())
