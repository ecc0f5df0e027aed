"""What rules can watch of the processor itself, beside the readings."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from schemas.readings import Unit


@dataclass(frozen=True, slots=True)
class Signal:
    """Something to watch that is no metric of customers.

    Attributes:
        unit: of its value.
        summary: what it says.
    """

    unit: Unit
    summary: str


SIGNALS: Final[Mapping[str, Signal]] = MappingProxyType(
    {
        "processor_lag": Signal(
            Unit.COUNT, "Records of the events' topics that are not counted yet."
        ),
        "processor_dead_letter_rate": Signal(
            Unit.PERCENT, "Events of the last five minutes that went to a dead-letter topic."
        ),
        "processor_input_age": Signal(
            Unit.SECONDS, "How long ago the last event was counted, of any type."
        ),
    }
)
"""What a rule's ``metric`` may name beside the catalogue."""


def signal_row(name: str, value: float | None) -> dict[str, Any]:
    """A signal in the form of a reading, for `Evaluator.update`."""
    return {
        "metric": name,
        "window": None,
        "segment": {},
        "value": value,
        "unit": SIGNALS[name].unit,
        "n": 0,
        "low": None,
        "high": None,
    }


RATE_OVER_MS: Final = 5 * 60_000
"""What the share of dead letters is taken over."""


class DeadLetterRate:
    """The share of the latest events that were refused, from counts that only grow."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int, int]] = deque()

    def after(self, now_ms: int, events: int, letters: int) -> float | None:
        """Percent of the events since about :data:`RATE_OVER_MS` ago; ``None`` of no event.

        Args:
            now_ms: not before that of the call before.
            events: how many there were ever, the refused ones among them.
            letters: how many of them were refused.
        """
        self._seen.append((now_ms, events, letters))
        while now_ms - self._seen[0][0] > RATE_OVER_MS:
            self._seen.popleft()
        _, events_before, letters_before = self._seen[0]
        # What was lost with Redis and is made again is less than before for a while.
        if events <= events_before:
            return None
        return 100 * max(0, letters - letters_before) / (events - events_before)
