"""From single observations to packed entries by pane, on every tier."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from processor.core.panes import SECOND_MS, Tier, pane_start
from processor.core.sample import pack_one
from processor.core.sampled_panes import PaneSamples
from processor.core.segments import Dimensions, Segmentation


class Observed(NamedTuple):
    """An observation placed in time, as the entry of a sample."""

    time_ms: int
    dimensions: Dimensions
    measure: str
    key: int
    note: int


_Seconds = dict[int, dict[str, dict[str, bytearray]]]
"""Second (ms) → series → measure → packed entries."""


def pane_samples(
    observed: Iterable[Observed],
    segmentation: Segmentation,
    tiers: Sequence[Tier],
    clock_ms: int,
) -> PaneSamples:
    """Entries in every series they belong to, for the panes of every tier that keeps them still.

    Entries are put one behind the other, a key perhaps more than once: who reads them merges them.

    Args:
        observed: in any order; an entry may come twice.
        segmentation: must have decided on all dimensions among them.
        tiers: pane lengths in whole seconds.
        clock_ms: the event clock that retention is measured from.
    """
    seconds: _Seconds = {}
    for time_ms, dimensions, measure, key, note in observed:
        entry = pack_one(key, note)
        by_series = seconds.setdefault(pane_start(time_ms, SECOND_MS), {})
        for series in segmentation.series(dimensions):
            by_measure = by_series.setdefault(series, {})
            if measure in by_measure:
                by_measure[measure] += entry
            else:
                by_measure[measure] = bytearray(entry)
    samples: PaneSamples = {}
    for tier in tiers:
        for start, by_series in _coarsen(seconds, tier.pane_ms).items():
            if tier.keeps(start, clock_ms):
                samples[tier.pane_ms, start] = {
                    series: {measure: bytes(packed) for measure, packed in by_measure.items()}
                    for series, by_measure in by_series.items()
                }
    return samples


def _coarsen(seconds: _Seconds, pane_ms: int) -> _Seconds:
    if pane_ms == SECOND_MS:
        return seconds
    panes: _Seconds = {}
    for second, by_series in seconds.items():
        pane = panes.setdefault(pane_start(second, pane_ms), {})
        for series, by_measure in by_series.items():
            total = pane.setdefault(series, {})
            for measure, packed in by_measure.items():
                if measure in total:
                    total[measure] += packed
                else:
                    total[measure] = bytearray(packed)
    return panes
