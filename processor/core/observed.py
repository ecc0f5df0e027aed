"""From single observations to packed entries by pane, on every tier."""

from collections.abc import Iterable, Mapping, Sequence

from processor.core.panes import SECOND_MS, Tier, pane_start
from processor.core.rollup import by_tier
from processor.core.sample import pack_one
from processor.core.sampled_panes import PaneSamples
from processor.core.segments import Dimensions, Segmentation

Observed = tuple[int, Dimensions, str, int, int]
"""An observation placed in time, as the entry of a sample: when (ms), dimensions, measure, key and
note. A plain tuple, because there are two for every order."""

_Place = tuple[Dimensions, str]
_Pane = dict[str, dict[str, bytearray]]
"""Series → measure → packed entries; of bytes, not of lists, which garbage collection would look
through."""


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
    seconds = {
        second: _by_series(by_place, segmentation)
        for second, by_place in _by_second(observed).items()
    }
    return {
        cell: {
            series: {measure: bytes(entries) for measure, entries in by_measure.items()}
            for series, by_measure in by_series.items()
        }
        for cell, by_series in by_tier(seconds, tiers, clock_ms, _coarsen)
    }


def _by_second(observed: Iterable[Observed]) -> dict[int, dict[_Place, bytearray]]:
    seconds: dict[int, dict[_Place, bytearray]] = {}
    for time_ms, dimensions, measure, key, note in observed:
        second = time_ms - time_ms % SECOND_MS
        by_place = seconds.get(second)
        if by_place is None:
            by_place = seconds[second] = {}
        place = dimensions, measure
        entries = by_place.get(place)
        if entries is None:
            by_place[place] = bytearray(pack_one(key, note))
        else:
            entries += pack_one(key, note)
    return seconds


def _by_series(by_place: Mapping[_Place, bytearray], segmentation: Segmentation) -> _Pane:
    pane: _Pane = {}
    for (dimensions, measure), entries in by_place.items():
        for series in segmentation.series(dimensions):
            _append(pane, series, measure, entries)
    return pane


def _coarsen(finer: dict[int, _Pane], pane_ms: int) -> dict[int, _Pane]:
    coarser: dict[int, _Pane] = {}
    for start, by_series in finer.items():
        pane = coarser.setdefault(pane_start(start, pane_ms), {})
        for series, by_measure in by_series.items():
            for measure, entries in by_measure.items():
                _append(pane, series, measure, entries)
    return coarser


def _append(pane: _Pane, series: str, measure: str, entries: bytearray) -> None:
    by_measure = pane.get(series)
    if by_measure is None:
        by_measure = pane[series] = {}
    gathered = by_measure.get(measure)
    if gathered is None:
        by_measure[measure] = entries.copy()
    else:
        gathered += entries
