"""What producers get wrong: events sent again, and events that break the contract.

Both come on top of the sound events, which stay as they would have been.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from processor.simulation.chance import Chance
from processor.simulation.incidents import Schedule
from processor.simulation.world import Event

_REPEATED: Final = 0.30
_BROKEN: Final = 0.10


def _set(field: str, value: object) -> Callable[[Event], None]:
    def apply(event: Event) -> None:
        event[field] = value

    return apply


def _drop(field: str) -> Callable[[Event], None]:
    def apply(event: Event) -> None:
        event.pop(field, None)

    return apply


def _naive(event: Event) -> None:
    event["occurred_at"] = event["occurred_at"].rstrip("Z")


_ANY_TYPE: Final = (
    _drop("event_id"),
    _drop("occurred_at"),
    _naive,
    _set("event_id", ""),
    _set("occurred_at", "yesterday"),
    _set("occurred_at", 1_700_000_000),
    _set("dimensions", {"Not A Name": "x"}),
    _set("dimensions", {"channel": 7}),
)
_BY_TYPE: Final[dict[str, tuple[Callable[[Event], None], ...]]] = {
    "survey_response": (_set("survey", "horoscope"), _drop("survey")),
    "purchase": (
        _set("amount", "-1.00"),
        _set("amount", "12.345678"),
        _set("amount", float("nan")),
        _set("currency", "credits"),
        _drop("customer_id"),
    ),
    "session": (_set("action", "teleport"), _drop("action"), _drop("session_id")),
    "support_ticket": (_set("action", "escaped"), _drop("ticket_id")),
    "customer": (_set("action", "abducted"), _drop("customer_id")),
    "social": (_set("action", "poke"), _drop("action")),
    "loyalty": (_set("action", "hoarded"), _drop("customer_id")),
    "marketing_spend": (_set("amount", "lots"), _drop("currency")),
}
_SCORED: Final = (
    _set("score", "9"),
    _set("score", True),
    _set("score", None),
    _set("score", 11),
    _set("score", -1),
    _set("score", 9.0),
)


def broken(event: Event, chance: Chance) -> Event:
    """Returns a copy of an event that breaks one rule of the wire contract."""
    ways = _ANY_TYPE + _BY_TYPE[event["type"]] + (_SCORED if "score" in event else ())
    copy = dict(event)
    chance.choose(ways)(copy)
    return copy


class Faults:
    """Adds repeats while a ``duplicate-storm`` is on and broken events while ``poison`` is.

    Args:
        chance: a stream of its own, so that the sound events are the same with and without.
        schedule: the incidents.
    """

    __slots__ = ("_chance", "_recent", "_schedule")

    def __init__(self, chance: Chance, schedule: Schedule) -> None:
        self._chance = chance
        self._schedule = schedule
        self._recent: deque[Event] = deque(maxlen=256)

    @property
    def held(self) -> int:
        """How many events are remembered for repeats."""
        return len(self._recent)

    def after(self, event: Event) -> Iterator[Event]:
        """Yields what comes on top after a sound event: usually nothing."""
        chance, schedule = self._chance, self._schedule
        if schedule.on("duplicate-storm"):
            if schedule.strikes("duplicate-storm", event.get("dimensions", {})):
                self._recent.append(event)
            if self._recent and chance.hit(_REPEATED):
                yield dict(chance.choose(self._recent))
        elif self._recent:
            self._recent.clear()
        if (
            schedule.on("poison")
            and schedule.strikes("poison", event.get("dimensions", {}))
            and chance.hit(_BROKEN)
        ):
            yield broken(event, chance)
