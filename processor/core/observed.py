"""From single observations to packed entries by pane, on every tier."""

from collections.abc import Iterable, Sequence

from processor.core.panes import SECOND_MS, Tier, pane_start
from processor.core.sample import pack_one
from processor.core.sampled_panes import PaneSamples
from processor.core.segments import Dimensions, Segmentation

Observed = tuple[int, Dimensions, str, int, int]
"""An observation placed in time, as the entry of a sample: when (ms), dimensions, measure, key and
note. A plain tuple, because there are two for every order."""

_Panes = dict[int, dict[str, dict[str, bytearray]]]
"""Start of a pane (ms) → series → measure → packed entries; of bytes, not of lists, which garbage
collection would look through."""


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
    by_length = {SECOND_MS: _spread(observed, segmentation)}
    samples: PaneSamples = {}
    for tier in tiers:
        if tier.pane_ms not in by_length:
            finer = max(length for length in by_length if tier.pane_ms % length == 0)
            by_length[tier.pane_ms] = _coarsen(by_length[finer], tier.pane_ms)
        for start, by_series in by_length[tier.pane_ms].items():
            if tier.keeps(start, clock_ms):
                samples[tier.pane_ms, start] = {
                    series: {measure: bytes(entries) for measure, entries in by_measure.items()}
                    for series, by_measure in by_series.items()
                }
    return samples


def _spread(observed: Iterable[Observed], segmentation: Segmentation) -> _Panes:
    seconds: _Panes = {}
    series_of = segmentation.series
    for time_ms, dimensions, measure, key, note in observed:
        second = time_ms - time_ms % SECOND_MS
        by_series = seconds.get(second)
        if by_series is None:
            by_series = seconds[second] = {}
        entry = pack_one(key, note)
        for series in series_of(dimensions):
            by_measure = by_series.get(series)
            if by_measure is None:
                by_measure = by_series[series] = {}
            entries = by_measure.get(measure)
            if entries is None:
                by_measure[measure] = bytearray(entry)
            else:
                entries += entry
    return seconds


def _coarsen(finer: _Panes, pane_ms: int) -> _Panes:
    coarser: _Panes = {}
    for start, by_series in finer.items():
        pane = coarser.setdefault(pane_start(start, pane_ms), {})
        for series, by_measure in by_series.items():
            total = pane.get(series)
            if total is None:
                total = pane[series] = {}
            for measure, entries in by_measure.items():
                gathered = total.get(measure)
                if gathered is None:
                    total[measure] = entries.copy()
                else:
                    gathered += entries
    return coarser
