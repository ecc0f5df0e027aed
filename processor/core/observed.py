"""From single observations to packed entries by pane, on every tier."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from processor.core.panes import SECOND_MS, Tier, pane_start
from processor.core.rollup import Cell
from processor.core.sample import joined, pack
from processor.core.sampled_panes import PaneSamples
from processor.core.segments import Dimensions, Segmentation


class Observed(NamedTuple):
    """An observation placed in time, as the entry of a sample."""

    time_ms: int
    dimensions: Dimensions
    measure: str
    key: int
    note: int


_ByMeasure = dict[str, dict[int, int]]
_BySeries = dict[str, _ByMeasure]


def pane_samples(
    observed: Iterable[Observed],
    segmentation: Segmentation,
    tiers: Sequence[Tier],
    clock_ms: int,
) -> PaneSamples:
    """Entries in every series they belong to, for the panes of every tier that keeps them still.

    Args:
        observed: in any order; an entry may come twice.
        segmentation: must have decided on all dimensions among them.
        tiers: pane lengths in whole seconds.
        clock_ms: the event clock that retention is measured from.
    """
    seconds: dict[int, _BySeries] = {}
    for one in observed:
        by_series = seconds.setdefault(pane_start(one.time_ms, SECOND_MS), {})
        for series in segmentation.series(one.dimensions):
            entries = by_series.setdefault(series, {}).setdefault(one.measure, {})
            entries[one.key] = joined(entries.get(one.key, 0), one.note)
    samples: PaneSamples = {}
    for tier in tiers:
        panes = {
            cell: by_series
            for cell, by_series in _coarsen(seconds, tier.pane_ms).items()
            if tier.keeps(cell[1], clock_ms)
        }
        for cell, by_series in panes.items():
            samples[cell] = {
                series: {measure: pack(entries) for measure, entries in by_measure.items()}
                for series, by_measure in by_series.items()
            }
    return samples


def _coarsen(seconds: dict[int, _BySeries], pane_ms: int) -> dict[Cell, _BySeries]:
    panes: dict[Cell, _BySeries] = {}
    for second, by_series in seconds.items():
        pane = panes.setdefault((pane_ms, pane_start(second, pane_ms)), {})
        for series, by_measure in by_series.items():
            total = pane.setdefault(series, {})
            for measure, entries in by_measure.items():
                into = total.setdefault(measure, {})
                for key, note in entries.items():
                    into[key] = joined(into.get(key, 0), note)
    return panes
