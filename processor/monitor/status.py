"""What is told of the publisher and the partitions beside the readings."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from processor.state.live import DEAD_LETTERS, PartitionProgress, Status
from schemas.timestamps import format_rfc3339

NO_STATUS: Final[Mapping[str, Any]] = {
    "revision": 0,
    "as_of": None,
    "published_at": None,
    "stale": True,
    "age_s": None,
    "open_sessions": 0,
    "lag": 0,
    "events": {},
    "dead_letters": 0,
    "rebuilding": 0,
    "unclaimed": 0,
    "leader": None,
}
"""The status before the first tick."""


def now_ms() -> int:
    """The wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


class StatusBoard:
    """The last status that was seen, and the partitions' progress.

    Args:
        stale_after_s: a tick older than this is stale.
        clock_ms: the wall clock.
    """

    def __init__(self, stale_after_s: float, clock_ms: Callable[[], int] = now_ms) -> None:
        self.stale_after_s = stale_after_s
        self._clock_ms = clock_ms
        self.last: Status | None = None
        self.partitions: tuple[PartitionProgress, ...] = ()
        self._counted: dict[str, Any] = {}

    @property
    def revision(self) -> int:
        """Of the last tick, 0 before the first."""
        return 0 if self.last is None else self.last.revision

    @property
    def age_s(self) -> float | None:
        """Since the last tick, by this machine's clock; ``None`` before the first."""
        if self.last is None:
            return None
        return max(0, self._clock_ms() - self.last.published_at_ms) / 1000

    @property
    def stale(self) -> bool:
        """Whether the readings are older than they should be."""
        age_s = self.age_s
        return age_s is None or age_s > self.stale_after_s

    def show(self, status: Status | None) -> None:
        """Take over a tick's status."""
        self.last = status

    def progress(self, partitions: Iterable[PartitionProgress]) -> None:
        """Take over how far the partitions are."""
        self.partitions = tuple(partitions)
        events: Counter[str] = Counter()
        for partition in self.partitions:
            events.update(partition.stats)
        self._counted = {
            "lag": sum(partition.lag for partition in self.partitions),
            "events": {"counted": 0, **dict(sorted(events.items()))},
            "dead_letters": sum(events[name] for name in DEAD_LETTERS),
        }

    def as_dict(self) -> dict[str, Any]:
        """The status as the API tells it."""
        shown = {**NO_STATUS, **self._counted}
        last, age_s = self.last, self.age_s
        if last is not None and age_s is not None:
            shown |= {
                "revision": last.revision,
                "as_of": last.as_of,
                "published_at": format_rfc3339(last.published_at_ms),
                "stale": self.stale,
                "age_s": round(age_s, 3),
                "open_sessions": last.open_sessions,
                "rebuilding": last.rebuilding,
                "unclaimed": last.unclaimed,
                "leader": last.leader,
            }
        return shown
