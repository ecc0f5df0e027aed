"""Which families of measures a metric reads, found by letting it read nothing.

A family is what stands before the first dot: ``nps`` of ``nps.9``. A metric whose families were
not counted says what it says of nothing, so it need not be asked: most segments see a few event
types only, and a tick asks every metric of every series that changed.
"""

from typing import Any

from processor.core.estimate import Counts
from processor.core.window_counts import WindowCounts
from processor.metrics.registry import Metric


class _Watched(dict[str, int]):
    """Counters that hold nothing, and note what is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()
        self.searched = False

    def get(self, name: str, default: Any = None, /) -> Any:
        self.asked.add(name)
        return default

    def __getitem__(self, name: str) -> int:
        self.asked.add(name)
        raise KeyError(name)

    def items(self) -> Any:
        """Note that all counters were looked at."""
        self.searched = True
        return super().items()


def families_of(counts: Counts) -> set[str]:
    """The families that were counted, or that something beside the counters is known of."""
    if isinstance(counts, WindowCounts):
        return counts.families
    return {name.partition(".")[0] for name in counts}


def families_read(metric: Metric) -> frozenset[str] | None:
    """The families a metric reads; ``None`` where it searches all counters, as money does."""
    if metric.per_currency:
        return None
    watched = _Watched()
    metric.compute(watched)
    if watched.searched:
        return None
    return frozenset(name.partition(".")[0] for name in watched.asked)
