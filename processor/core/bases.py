"""Running bases: how many customers, members or followers there are, at any instant that matters.

A base at an instant *T* is the last snapshot before *T*, and who joined less who left since::

    joined, left     +   +  -     +        +  -    + +   -
    snapshots                  100               103
    -----------------|----------s1--|------------s2-|------|----> event time
                     T0             T1              T2     T3

    base(T1) = 100 + N(T1) - N(s1)      N(t): joined less left up to t
    base(T3) = 103 + N(T3) - N(s2)
    base(T0) = 100 + N(T0) - N(s1)      before the first snapshot: counted back from it

So what is needed of the past is N at the ends of windows and at snapshots. The first comes from the
panes. For the second, changes are kept as *points*: the net change of an instant. Points add up
over partitions like all counters. They do not stay as many as the events: what is older than the
*horizon* is put together to one point for each span between two snapshots, just after the first of
the two, which changes N at no snapshot. `processor.core.base_book` does that for one partition,
`processor.core.base_register` lets partitions know of one another's snapshots, and
`processor.core.base_totals` reads the sum.

Nobody is counted back for a window that ends before the first snapshot: its base is not known.
An event at the instant (the millisecond) of a snapshot is in its count; of two snapshots of one
instant the larger holds. A base that nobody took a snapshot of is counted from nothing.

All of it is one cell beside the panes (`CELL`), which is never dropped, with counters named
``<base>.net.<ms>.<account>`` and ``<base>.count.<ms>.<count>.<account>``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

from processor.core.panes import Tier
from processor.core.rollup import Cell

BASES: Final = ("customers", "members", "followers")
"""The bases there are."""

CELL: Final[Cell] = (0, 0)
"""Where points and snapshots are kept: (pane length, pane start) of no pane."""

_NET: Final = "net"
_COUNT: Final = "count"


@dataclass(frozen=True, slots=True)
class BaseEvent:
    """What an event says of a base.

    Attributes:
        change: 1 for one more, -1 for one less.
        count: the whole base at this instant, of a snapshot.
        account: whose base it is, where there are several that add up; else empty.
    """

    change: int = 0
    count: int | None = None
    account: str = ""


@dataclass(frozen=True, slots=True)
class BasePlan:
    """How events of one type change a base.

    Attributes:
        name: the base. Its panes count ``<name>.joined`` and ``<name>.left``, and under
            ``<name>.snapshots`` that there was one, so that a window that begins to reach past
            it is known to have changed.
        read: what an event, as the fast validator gives it, says of the base; ``None``: nothing.
        has_snapshots: whether the base is also told from outside.
        exactly: whether a snapshot is of exactly the segment that its dimensions name (without
            any: of the whole), or belongs to every series as other events do.
    """

    name: str
    read: Callable[[Mapping[str, Any]], BaseEvent | None]
    has_snapshots: bool = True
    exactly: bool = False


class Subject(NamedTuple):
    """Whose base: of one series, and of one account where those of several add up."""

    series: str
    account: str


class Stored(NamedTuple):
    """What one counter of the cell stands for.

    Attributes:
        base: its name.
        time_ms: the instant.
        told: the count of a snapshot; ``None`` for a point.
        account: empty where the base has none.
    """

    base: str
    time_ms: int
    told: int | None
    account: str

    @property
    def name(self) -> str:
        """The counter's name.

        >>> Stored("customers", 1000, None, "").name, Stored("followers", 1000, 7, "ab").name
        ('customers.net.1000.', 'followers.count.1000.7.ab')
        """
        if self.told is None:
            return f"{self.base}.{_NET}.{self.time_ms}.{self.account}"
        return f"{self.base}.{_COUNT}.{self.time_ms}.{self.told}.{self.account}"

    @classmethod
    def parse(cls, name: str) -> "Stored":
        """The other way round.

        >>> Stored.parse("followers.count.1000.7.ab")
        Stored(base='followers', time_ms=1000, told=7, account='ab')
        """
        base, kind, time_ms, *rest = name.split(".")
        if kind == _NET:
            return cls(base, int(time_ms), None, rest[0])
        return cls(base, int(time_ms), int(rest[0]), rest[1])


def needed(times: Sequence[int], tiers: Sequence[Tier], clock_ms: int) -> list[int]:
    """Which snapshots the start or end of a window may still ask for: the last one before it.

    The very first stays as long as windows begin before it.

    Args:
        times: of all snapshots of one subject, ascending.
        tiers: the panes that windows begin and end with.
        clock_ms: windows, and those before them, reach back from here.

    >>> needed([5, 130, 140, 200, 1010, 1020, 1030], [Tier(pane_ms=60, retention_ms=600)], 1000)
    [200, 1010, 1030]
    """
    since = [(tier.pane_ms, clock_ms - tier.retention_ms) for tier in tiers]
    kept = [
        at
        for at, after in pairwise(times)
        if any(_border_from(max(at + 1, from_ms), pane_ms) <= after for pane_ms, from_ms in since)
        or (at == times[0] and any(at >= from_ms for _, from_ms in since))
    ]
    return [*kept, *times[-1:]]


def _border_from(time_ms: int, pane_ms: int) -> int:
    """The first border of panes that is not before a time."""
    return -(-time_ms // pane_ms) * pane_ms
