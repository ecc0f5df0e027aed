"""What support tickets add: how long the first response and the resolution took."""

from functools import lru_cache
from typing import Any, Final

from processor.core.observation import Observation
from processor.metrics.plan import Increments, MeasurePlan, duration_counters
from schemas.timestamps import parse_rfc3339

_FAMILIES: Final = {"first_response": "first_response", "resolved": "resolution"}
_FIELDS: Final = ("action", "opened_at", "occurred_at")


def _count(values: tuple[Any, ...]) -> Increments:
    action, opened_at, occurred_at = values
    if action == "opened":
        return (("tickets.opened", 1),)
    return duration_counters(_FAMILIES[action], _since(opened_at, occurred_at))


def _observe(values: tuple[Any, ...]) -> tuple[Observation, ...]:
    action, opened_at, occurred_at = values
    if action == "opened":
        return ()
    measure = f"{_FAMILIES[action]}_ms"
    return (Observation(measure, None, magnitude=_since(opened_at, occurred_at)),)


@lru_cache(maxsize=2_048)
def _since(opened_at: str, occurred_at: str) -> int:
    # Asked twice of each event of a batch, to count it and to observe it.
    return parse_rfc3339(occurred_at) - parse_rfc3339(opened_at)


SUPPORT_TICKET: Final = MeasurePlan(
    "support_ticket", reads=_FIELDS, count=_count, observes=_FIELDS, observe=_observe
)
"""``first_response.n``, ``.ms`` and squares, ``resolution`` likewise; the values themselves are
observed as ``first_response_ms`` and ``resolution_ms``. A ticket that was opened counts as
``tickets.opened``."""
