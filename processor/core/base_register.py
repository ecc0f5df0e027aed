"""What the partitions of a base tell one another: how far they are, and their snapshots' times.

A snapshot comes in one partition, and the changes around it in all. A partition may put older
changes together (`processor.core.base_book`) only where no snapshot will ask for them apart: so it
tells its clock together with its new snapshots, and is told those of all others and a *horizon*.
The horizon follows the slowest partition by ``detail_ms``. A snapshot that comes later than that
is approximate: it is taken as of the next snapshot, or of the horizon at that time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from processor.core.bases import Subject

Knot = tuple[Subject, int]
"""A subject, and the time (ms) of a snapshot of it: an instant at which N stays exact."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a partition tells and asks.

    Attributes:
        base: the base's name.
        clock_ms: its event clock, with which all its snapshots have been announced.
        announced: its new snapshots.
        forgotten: snapshots that no window can need any more.
        since: the version of its last answer, 0 at first.
    """

    base: str
    clock_ms: int
    announced: Sequence[Knot] = ()
    forgotten: Sequence[Knot] = ()
    since: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What it is answered.

    Attributes:
        horizon_ms: changes up to here need not be kept by their instants.
        knots: the snapshots of all partitions since the version asked with.
        version: to ask with the next time; lower than the last where the register was lost.
    """

    horizon_ms: int
    knots: Sequence[Knot]
    version: int


def horizon(
    slowest_ms: int, fastest_ms: int, last_ms: int, *, detail_ms: int, too_late_ms: int
) -> int:
    """Up to where changes may be put together; it never goes back.

    Args:
        slowest_ms: the clock that is furthest behind.
        fastest_ms: the clock that is furthest ahead.
        last_ms: the horizon so far.
        detail_ms: how far the horizon stays behind the slowest.
        too_late_ms: events further behind the fastest are not waited for.
    """
    return max(last_ms, slowest_ms - detail_ms, fastest_ms - too_late_ms)


@dataclass(slots=True)
class _Shared:
    clocks: dict[str, int] = field(default_factory=dict)
    knots: dict[Knot, int] = field(default_factory=dict)
    version: int = 0
    horizon_ms: int = 0


class LocalRegister:
    """The register of partitions that are all in one process, as in a replay.

    Args:
        detail_ms: how far the horizon stays behind the slowest partition.
        too_late_ms: events further behind the fastest partition are not waited for.
    """

    def __init__(self, detail_ms: int, too_late_ms: int) -> None:
        self._detail_ms = detail_ms
        self._too_late_ms = too_late_ms
        self._bases: dict[str, _Shared] = {}

    def settle(self, partition: str, inquiry: Inquiry) -> Answer:
        """Take in what a partition tells, and answer it.

        Args:
            partition: its name.
            inquiry: what it tells and asks.
        """
        shared = self._bases.setdefault(inquiry.base, _Shared())
        for knot in inquiry.announced:
            if knot not in shared.knots:
                shared.version += 1
                shared.knots[knot] = shared.version
        for knot in inquiry.forgotten:
            shared.knots.pop(knot, None)
        clocks = shared.clocks
        clocks[partition] = max(inquiry.clock_ms, clocks.get(partition, 0))
        shared.horizon_ms = horizon(
            min(clocks.values()),
            max(clocks.values()),
            shared.horizon_ms,
            detail_ms=self._detail_ms,
            too_late_ms=self._too_late_ms,
        )
        knots = [knot for knot, version in shared.knots.items() if version > inquiry.since]
        return Answer(shared.horizon_ms, knots, shared.version)
