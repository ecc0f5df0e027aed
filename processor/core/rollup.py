"""From counts by second to counts by pane, on every tier.

A coarser tier is summed from a finer one, so the cost of another window does not grow with the
events, only with the distinct seconds, series and measures among them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from processor.core.panes import SECOND_MS, Tier, pane_start
from processor.core.segments import Dimensions, Segmentation

Seconds = dict[int, dict[str, dict[str, int]]]
"""Second (ms) → series → measure → count."""

Cell = tuple[int, int]
"""(pane length, pane start), both in milliseconds."""

PaneDeltas = dict[Cell, dict[str, dict[str, int]]]
"""Cell → series → measure → how much to add."""

Counted = tuple[int, Dimensions, Iterable[tuple[str, int]]]
"""(event time in ms, dimensions, increments by measure)."""

_Pane = TypeVar("_Pane")


def spread(counted: Iterable[Counted], segmentation: Segmentation, seconds: Seconds) -> None:
    """Add increments to ``seconds`` in every series that their dimensions belong to."""
    for time_ms, dimensions, increments in counted:
        second = seconds.setdefault(time_ms - time_ms % SECOND_MS, {})
        for series in segmentation.series(dimensions):
            measures = second.setdefault(series, {})
            for measure, n in increments:
                measures[measure] = measures.get(measure, 0) + n


def roll_up(seconds: Seconds, tiers: Sequence[Tier], clock_ms: int) -> PaneDeltas:
    """Sum seconds into the panes of every tier that keeps them still.

    Args:
        seconds: counts by second; signs as they are.
        tiers: pane lengths in whole seconds.
        clock_ms: the event clock that retention is measured from.
    """
    return dict(by_tier(seconds, tiers, clock_ms, _coarsen))


def by_tier(
    seconds: dict[int, _Pane],
    tiers: Sequence[Tier],
    clock_ms: int,
    coarsen: Callable[[dict[int, _Pane], int], dict[int, _Pane]],
) -> Iterator[tuple[Cell, _Pane]]:
    """The panes of every tier that keeps them still, each tier made from the finer one.

    Args:
        seconds: panes of a second, by their start (ms).
        tiers: pane lengths in whole seconds.
        clock_ms: the event clock that retention is measured from.
        coarsen: makes panes of a length (ms) from finer ones, which it leaves as they are.
    """
    by_length = {SECOND_MS: seconds}
    for tier in tiers:
        if tier.pane_ms not in by_length:
            finer = max(length for length in by_length if tier.pane_ms % length == 0)
            by_length[tier.pane_ms] = coarsen(by_length[finer], tier.pane_ms)
        for start, pane in by_length[tier.pane_ms].items():
            if tier.keeps(start, clock_ms):
                yield (tier.pane_ms, start), pane


def _coarsen(finer: Seconds, pane_ms: int) -> Seconds:
    coarser: Seconds = {}
    for start, by_series in finer.items():
        pane = coarser.setdefault(pane_start(start, pane_ms), {})
        for series, measures in by_series.items():
            total = pane.get(series)
            if total is None:
                pane[series] = {measure: n for measure, n in measures.items() if n}
                continue
            for measure, n in measures.items():
                total[measure] = total.get(measure, 0) + n
    return coarser


def add_into(target: dict[str, int], increments: Mapping[str, int], sign: int = 1) -> None:
    """Add (or with ``sign=-1`` subtract) counters; a counter that comes to zero is removed."""
    for measure, n in increments.items():
        total = target.get(measure, 0) + sign * n
        if total:
            target[measure] = total
        else:
            target.pop(measure, None)


def merge_deltas(target: PaneDeltas, more: PaneDeltas) -> None:
    """Add the deltas of another source, a partition or a flush, into ``target``."""
    for cell, by_series in more.items():
        pane = target.setdefault(cell, {})
        for series, measures in by_series.items():
            if series in pane:
                add_into(pane[series], measures)
            else:
                pane[series] = {measure: n for measure, n in measures.items() if n}
