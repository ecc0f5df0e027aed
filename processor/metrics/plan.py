"""How events of one type are counted: what a measure plan holds, and squares that stay integers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from processor.core.bases import BasePlan
from processor.core.observation import Observation, Observe

Increments = tuple[tuple[str, int], ...]
"""(measure name, how much to add) pairs; no name twice, no 0."""

_LOW_BITS: Final = 32
_LOW_MASK: Final = (1 << _LOW_BITS) - 1


def _observe_nothing(_values: tuple[Any, ...]) -> tuple[Observation, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class MeasurePlan:
    """How one event type is counted.

    Attributes:
        event_type: the `type` of the events.
        reads: the fields that decide, all that `count` may look at. Events that agree in them
            count the same, so a batch is counted once per distinct tuple of their values.
        count: the values of `reads`, in that order and ``None`` where the event has none, to what
            the event adds. Takes events as `schemas.fast` validates them; raises ValueError for
            what validation does not let through.
        hashable_reads: whether the values are always hashable. If not, some are a dict, and a
            caller that groups by them must group by something else.
        observes: the fields that decide what `observe` gives, looked at event by event; none
            where nothing is observed.
        observe: the values of `observes` to what is observed beside the counters: identities to
            tell apart, magnitudes to take percentiles of.
        base: the running base that the events change, where there is one.
    """

    event_type: str
    reads: tuple[str, ...]
    count: Callable[[tuple[Any, ...]], Increments]
    hashable_reads: bool = True
    observes: tuple[str, ...] = ()
    observe: Observe = _observe_nothing
    base: BasePlan | None = None


def square_counters(family: str, value_ms: int) -> tuple[tuple[str, int], tuple[str, int]]:
    """The square of a duration as two counters, its low 32 bits and the rest.

    One counter of squared milliseconds would pass 2⁶³ after some thousand days. The two add
    separately, and `squares` puts their sums together again, exactly.
    """
    low, high = _square_names(family)
    square = value_ms * value_ms
    return (low, square & _LOW_MASK), (high, square >> _LOW_BITS)


@cache
def _square_names(family: str) -> tuple[str, str]:
    return f"{family}_sq_lo", f"{family}_sq_hi"


def squares(counts: Mapping[str, int], family: str) -> int:
    """The sum of squared durations, in ms², from its two counters.

    >>> squares(dict(square_counters("wait", 100_000)), "wait")
    10000000000
    """
    return (counts.get(f"{family}_sq_hi", 0) << _LOW_BITS) + counts.get(f"{family}_sq_lo", 0)


def duration_counters(family: str, duration_ms: int) -> Increments:
    """What a duration adds: one more, its milliseconds, and their square.

    >>> duration_counters("resolution", 3)
    (('resolution.n', 1), ('resolution.ms', 3), ('resolution.ms_sq_lo', 9))
    """
    counted = (
        (f"{family}.n", 1),
        (f"{family}.ms", duration_ms),
        *square_counters(f"{family}.ms", duration_ms),
    )
    return tuple((name, n) for name, n in counted if n)
