"""From single observations to packed entries by pane, on every tier."""

from collections.abc import Iterable, Mapping, Sequence

from processor.core.panes import SECOND_MS, Tier, pane_start
from processor.core.sample import pack_one
from processor.core.sampled_panes import PaneSamples
from processor.core.segments import Dimensions, Segmentation

Observed = tuple[int, Dimensions, str, int, int]
"""An observation placed in time, as the entry of a sample: when (ms), dimensions, measure, key and
note. A plain tuple, because there are two for every order."""

_Place = tuple[Dimensions, str]
_Panes = dict[int, dict[_Place, list[bytes]]]
"""Start of a pane (ms) → dimensions and measure → packed entries."""


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
    seconds: _Panes = {}
    for time_ms, dimensions, measure, key, note in observed:
        second = time_ms - time_ms % SECOND_MS
        by_place = seconds.get(second)
        if by_place is None:
            by_place = seconds[second] = {}
        place = dimensions, measure
        entries = by_place.get(place)
        if entries is None:
            by_place[place] = [pack_one(key, note)]
        else:
            entries.append(pack_one(key, note))
    samples: PaneSamples = {}
    for tier in tiers:
        for start, by_place in _coarsen(seconds, tier.pane_ms).items():
            if tier.keeps(start, clock_ms):
                samples[tier.pane_ms, start] = _by_series(by_place, segmentation)
    return samples


def _coarsen(seconds: _Panes, pane_ms: int) -> _Panes:
    if pane_ms == SECOND_MS:
        return seconds
    panes: _Panes = {}
    for second, by_place in seconds.items():
        pane = panes.setdefault(pane_start(second, pane_ms), {})
        for place, entries in by_place.items():
            total = pane.get(place)
            if total is None:
                pane[place] = entries.copy()
            else:
                total += entries
    return panes


def _by_series(
    by_place: Mapping[_Place, list[bytes]], segmentation: Segmentation
) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, list[bytes]]] = {}
    for (dimensions, measure), entries in by_place.items():
        packed = b"".join(entries)
        for series in segmentation.series(dimensions):
            by_measure = found.get(series)
            if by_measure is None:
                by_measure = found[series] = {}
            parts = by_measure.get(measure)
            if parts is None:
                by_measure[measure] = [packed]
            else:
                parts.append(packed)
    return {
        series: {measure: b"".join(parts) for measure, parts in by_measure.items()}
        for series, by_measure in found.items()
    }
