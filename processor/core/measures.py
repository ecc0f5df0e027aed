"""What the engine needs to know of measures: which fields decide, and which counters they add."""

from collections.abc import Sequence
from typing import Any, Protocol

from processor.core.bases import BasePlan
from processor.core.observation import Observe
from processor.core.sessions import Outcome

Increments = Sequence[tuple[str, int]]
"""(measure, how much) pairs that one event adds."""


class MeasurePlan(Protocol):
    """How events of one type are counted."""

    @property
    def event_type(self) -> str:
        """The type, as in the events' ``type`` field."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The event fields that decide what is counted."""

    @property
    def count(self) -> "CountFunction":
        """Increments for the values of :attr:`reads`, ``None`` where a field is absent."""

    @property
    def base(self) -> BasePlan | None:
        """The running base that the events change, where there is one."""

    @property
    def observes(self) -> tuple[str, ...]:
        """The event fields that decide what is observed; none where nothing is."""

    @property
    def observe(self) -> Observe:
        """Observations for the values of :attr:`observes`, ``None`` where a field is absent."""


class CountFunction(Protocol):
    """Values of the fields that decide → increments."""

    def __call__(self, values: tuple[Any, ...], /) -> Increments:
        """Increments of one event."""


class CountSession(Protocol):
    """A closed session → increments."""

    def __call__(self, outcome: Outcome, /) -> Increments:
        """Increments of one session."""
