"""What one answer reads: the metric is asked, and what it asks for is read, until all is there."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Final

from processor.core.past import PastPanes
from processor.metrics.asked import Needs, asked_of_nothing
from processor.metrics.past import Point, Series, points
from processor.state.history import SeriesPanes, StoredHistory, StoredPartition

_ROUNDS_MAX: Final = 8


class SeriesRead:
    """The reads of one answer: as many rounds as the metric asks for.

    Args:
        stored: what is stored.
        series: whose panes.
        partitions: of the topics that its measures come from.
        ends: of the windows.
        latest_ms: the end of the latest pane there is.
    """

    def __init__(
        self,
        stored: StoredHistory,
        series: Series,
        partitions: Sequence[StoredPartition],
        ends: range,
        *,
        latest_ms: int,
    ) -> None:
        self._stored = stored
        self._series = series
        self._partitions = partitions
        self._ends = ends
        window = series.window
        self._starts = range(max(0, ends[0] - window.size_ms), ends[-1], window.pane_ms)
        self._to_latest = range(self._starts[0], max(latest_ms, ends[-1]), window.pane_ms)

    async def panes(self, needs: Needs) -> PastPanes:
        """Read what is needed, bases up to the latest pane."""
        starts = self._to_latest if needs.bases else self._starts
        wanted = SeriesPanes(self._series.key, self._series.window.pane_ms, starts)
        return await self._stored.panes(self._partitions, wanted, needs)

    async def points(
        self, currencies: Collection[str], *, whole_from_ms: int, low_sample_under: int
    ) -> list[Point]:
        """The readings.

        Args:
            currencies: those in use, for a metric that searches.
            whole_from_ms: the time from which all events of the metric's types are counted.
            low_sample_under: fewer observations than this are flagged.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses; of the others, too.
        """
        asked = asked_of_nothing(self._series.metric, self._series.currency)
        read, panes = Needs(), PastPanes()
        for _ in range(_ROUNDS_MAX):
            needs = asked.needs(currencies).without(read)
            if needs:
                panes.update(await self.panes(needs))
                read = read.with_(needs)
            # In a thread: samples of many panes take their time, and others have theirs.
            found, asked = await asyncio.to_thread(
                points,
                self._series,
                panes,
                self._ends,
                whole_from_ms=whole_from_ms,
                low_sample_under=low_sample_under,
            )
            if not asked.needs(currencies).without(read):
                return found
        raise AssertionError(f"{self._series.metric.name} asks for ever more")
