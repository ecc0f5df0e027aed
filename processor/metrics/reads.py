"""Which families of measures a metric reads, found by letting it read nothing.

A family is what stands before the first dot: ``nps`` of ``nps.9``. A metric whose families were
not counted says what it says of nothing, so it need not be asked: most segments see a few event
types only, and a tick asks every metric of every series that changed.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from processor.core.estimate import Counts
from processor.core.window_counts import WindowCounts
from processor.metrics.asked import BY_CURRENCY
from processor.metrics.registry import Metric

_ANY_CURRENCY: Final = "USD"


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


def families_read(metric: Metric) -> frozenset[str]:
    """The families a metric reads; one that searches all counters looks for currencies."""
    watched = _Watched()
    if metric.per_currency:
        metric.compute_for(watched, _ANY_CURRENCY)
    else:
        metric.compute(watched)
    asked = watched.asked.union(BY_CURRENCY) if watched.searched else watched.asked
    return frozenset(name.partition(".")[0] for name in asked)


class Relevance:
    """Which metrics are to be asked of a series.

    Args:
        metrics: the catalogue in use, in order.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics
        self.reads = {metric.name: families_read(metric) for metric in metrics}
        self._found: dict[tuple[frozenset[str], frozenset[str]], tuple[Metric, ...]] = {}

    def of(self, counted: Collection[str], said: Collection[str]) -> tuple[Metric, ...]:
        """Those that may say something, and those that have said something.

        Args:
            counted: families that something is known of.
            said: names of metrics that have a reading.
        """
        key = frozenset(counted), frozenset(said)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = tuple(
                metric
                for metric in self._metrics
                if metric.name in key[1] or not self.reads[metric.name].isdisjoint(key[0])
            )
        return found
