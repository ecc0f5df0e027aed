"""What a tick of the publisher renders: counts that changed in, readings that changed out."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from processor.core.config import EngineConfig
from processor.core.totals import RollingTotals
from processor.metrics.catalogue import CATALOGUE
from processor.metrics.present import Presenter
from schemas.readings import segment_key
from tests.performance.logs import START_MS
from tests.performance.meters import Work

if TYPE_CHECKING:
    from processor.core.rollup import PaneDeltas

SEGMENTS: Final = 200
_ONE_PERCENT: Final = SEGMENTS // 100


class Ticking:
    """A leader's memory: windows over many segments, each with answers and visits."""

    def __init__(self) -> None:
        self._config = EngineConfig()
        self._totals = RollingTotals(self._config.windows)
        self._presenter = Presenter(CATALOGUE, self._totals, lateness_ms=self._config.lateness_ms)
        self._revision = 0
        self.change(SEGMENTS)
        self._totals.advance(START_MS)
        self.tick()

    def change(self, segments: int) -> None:
        """Counts something in so many segments, and in the whole."""
        names = ["all", *(segment_key({"channel": f"c{n}"}) for n in range(segments))]
        deltas: PaneDeltas = {
            (tier.pane_ms, START_MS - START_MS % tier.pane_ms): {
                name: {"nps.9": 3, "nps.2": 1, "csat.5.4": 2} for name in names
            }
            for tier in self._config.tiers
        }
        self._totals.apply(deltas)

    def tick(self) -> int:
        """Renders what changed; how many readings that is."""
        self._revision += 1
        return len(self._presenter.changed(START_MS, self._revision))


def rows_of_one_percent() -> float:
    """Readings of a tick in which one segment of a hundred changed."""
    ticking = Ticking()
    ticking.change(_ONE_PERCENT)
    return ticking.tick()


def per_reading(meter: Callable[[Work], int]) -> float:
    """A meter's number for each reading of a tick in which every segment changed."""
    ticking = Ticking()
    ticking.change(SEGMENTS)
    rows = 0

    def tick() -> None:
        nonlocal rows
        rows = ticking.tick()

    done = meter(tick)
    return done / rows


def of_nothing(meter: Callable[[Work], int]) -> float:
    """A meter's number for a tick in which nothing changed."""
    return meter(Ticking().tick)
