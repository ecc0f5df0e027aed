"""When a partition's changes are written: at once after a rest, and seldom where much waits.

A flush is one script call, whatever it holds. So what comes after a rest is written at once, what
comes then is gathered for an interval, and a partition that is behind gathers for longer: what
waits in its log waits longer still, and fewer and larger flushes take less of Redis and of us.
"""

from dataclasses import dataclass
from typing import Final

GATHER_S: Final = 1.0
"""How long a partition gathers that is behind its log."""

GATHER_RECORDS: Final = 25_000
"""So many are enough for a flush: more of them would hold Redis up for others."""


@dataclass(frozen=True, slots=True)
class FlushPace:
    """The pace of one partition's flushes.

    Attributes:
        interval_s: between two flushes of a partition that keeps up.
    """

    interval_s: float

    def rest_s(self, since_s: float, gathered: int, waiting: int) -> float:
        """How much longer a partition gathers; 0 or less where it is to be written.

        Args:
            since_s: how long ago its last flush began.
            gathered: records that are counted and not written.
            waiting: records in the log that are not counted.

        >>> FlushPace(0.25).rest_s(since_s=0.125, gathered=500, waiting=0)
        0.125
        >>> FlushPace(0.25).rest_s(since_s=0.25, gathered=5_000, waiting=90_000)
        0.75
        """
        is_behind = gathered < waiting and gathered < GATHER_RECORDS
        return max(self.interval_s, GATHER_S * is_behind) - since_s
