"""What rules can watch of the processor itself, beside the readings."""

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
