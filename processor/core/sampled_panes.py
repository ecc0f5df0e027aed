"""Samples by pane, and over windows when they are asked for.

Counters are summed as panes come and go. Samples cannot be taken back like that, so a window's is
merged from its panes when a metric asks, and kept: as long as only more is observed, that alone is
merged into it. It is merged anew when a pane with observations has left the window.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from processor.core.panes import Tier
from processor.core.rollup import Cell
from processor.core.sample import ENTRY_BYTES, KEYS_MAX, Sample
from processor.core.window_counts import Span

PaneSamples = dict[Cell, dict[str, dict[str, bytes]]]
"""Cell → series → measure → packed entries to add."""

_ADDITIONS_MAX: Final = 32
"""Additions that a lane remembers, so that a window's sample need not be merged anew for them."""

_PACKED_MAX: Final = 2 * KEYS_MAX * ENTRY_BYTES
"""A pane's entries are merged when they are longer than this."""

_PERCENTILE: Final = re.compile(r"p([1-9][0-9]?)(_low|_high)?")
_MARKED: Final = re.compile(r"marked([1-9][0-9]*)")
_CODED: Final = re.compile(r"code([0-9]|[1-9][0-9]|1[01][0-9]|12[0-7])")

_PLAIN: Final[Mapping[str, Callable[[Sample], int]]] = {
    "distinct": lambda sample: sample.distinct,
    "distinct_low": lambda sample: sample.distinct_bounds[0],
    "distinct_high": lambda sample: sample.distinct_bounds[1],
    "sampled": len,
    "magnitudes": lambda sample: sample.magnitude_sum,
}


@dataclass(slots=True)
class _Merged:
    """A window's sample, and what it was merged from."""

    span: Span
    version: int
    sample: Sample


class _Lane:
    """One measure of one series: its panes of one tier, and the windows that were asked for."""

    __slots__ = ("additions", "dropped_ms", "merged", "panes", "version")

    def __init__(self) -> None:
        self.panes: dict[int, bytes] = {}
        self.dropped_ms = -1
        self.version = 0
        self.additions: deque[tuple[int, bytes]] = deque(maxlen=_ADDITIONS_MAX)
        self.merged: dict[tuple[str, bool], _Merged] = {}

    def add(self, start_ms: int, packed: bytes) -> None:
        pane = self.panes.get(start_ms, b"") + packed
        if len(pane) > _PACKED_MAX:
            pane = Sample.merged((pane,)).packed()
        self.panes[start_ms] = pane
        self.version += 1
        self.additions.append((start_ms, packed))

    def drop(self, start_ms: int) -> None:
        del self.panes[start_ms]
        self.dropped_ms = max(self.dropped_ms, start_ms)

    def over(self, span: Span) -> Sample:
        last = self.merged.get((span.window, span.previous))
        if last is not None and last.version == self.version and last.span == span:
            return last.sample
        if last is None or (added := self._added(last, span)) is None:
            sample = Sample.merged(self._within(span.start_ms, span.end_ms, span.pane_ms))
        elif added:
            sample = Sample.merged((last.sample.packed(), *added))
        else:
            sample = last.sample
        self.merged[span.window, span.previous] = _Merged(span, self.version, sample)
        return sample

    def _added(self, last: _Merged, span: Span) -> list[bytes] | None:
        """What the span has and the last sample lacks; ``None`` where that has too much."""
        before = last.span
        behind = self.version - last.version
        if behind > len(self.additions) or before.start_ms <= self.dropped_ms:
            return None
        if any(True for _ in self._within(before.start_ms, span.start_ms, span.pane_ms)):
            return None
        added = [*self._within(before.end_ms, span.end_ms, span.pane_ms)]
        for i in range(-behind, 0):
            start_ms, packed = self.additions[i]
            if span.start_ms <= start_ms < before.end_ms:
                added.append(packed)
        return added

    def _within(self, start_ms: int, end_ms: int, pane_ms: int) -> Iterator[bytes]:
        panes = self.panes
        if (end_ms - start_ms) // pane_ms < len(panes):
            for start in range(start_ms, end_ms, pane_ms):
                if start in panes:
                    yield panes[start]
        else:
            for start, packed in panes.items():
                if start_ms <= start < end_ms:
                    yield packed


_Lanes = dict[str, _Lane]


class SampledPanes:
    """The samples of all panes, by tier, series and measure."""

    def __init__(self) -> None:
        self._series: dict[tuple[int, str], _Lanes] = {}
        self._tiers_of: Counter[str] = Counter()
        self._panes: dict[int, dict[int, dict[str, dict[str, None]]]] = {}

    def add(self, pane_ms: int, start_ms: int, series: str, measure: str, packed: bytes) -> None:
        """Add packed entries to a pane."""
        lanes = self._series.get((pane_ms, series))
        if lanes is None:
            lanes = self._series[pane_ms, series] = {}
            self._tiers_of[series] += 1
        lane = lanes.get(measure)
        if lane is None:
            lane = lanes[measure] = _Lane()
        lane.add(start_ms, packed)
        starts = self._panes.setdefault(pane_ms, {})
        starts.setdefault(start_ms, {}).setdefault(series, {})[measure] = None

    def prune(self, tier: Tier, time_ms: int) -> None:
        """Drop the panes that the tier does not keep any more."""
        starts = self._panes.get(tier.pane_ms, {})
        for start in [s for s in starts if not tier.keeps(s, time_ms)]:
            for series, measures in starts.pop(start).items():
                lanes = self._series[tier.pane_ms, series]
                for measure in measures:
                    lanes[measure].drop(start)
                    if not lanes[measure].panes:
                        del lanes[measure]
                if not lanes:
                    del self._series[tier.pane_ms, series]
                    self._tiers_of[series] -= 1
                    if not self._tiers_of[series]:
                        del self._tiers_of[series]

    def starts(self, pane_ms: int) -> Iterable[tuple[int, Iterable[str]]]:
        """The panes of a tier, each with the series that something was observed in."""
        return self._panes.get(pane_ms, {}).items()

    def series(self) -> Iterable[str]:
        """Every series that something was observed in."""
        return (series for _, series in self._series)

    def having(self, series: AbstractSet[str]) -> AbstractSet[str]:
        """Those of these series in which something was observed, on whichever tier."""
        return self._tiers_of.keys() & series

    def source(self, series: str, span: Span) -> "_Samples | None":
        """The samples of a series over a span; ``None`` where nothing was observed."""
        lanes = self._series.get((span.pane_ms, series))
        return None if lanes is None else _Samples(lanes, span)

    @property
    def pane_count(self) -> int:
        """How many panes of measures and series are held."""
        return sum(len(lane.panes) for lanes in self._series.values() for lane in lanes.values())


class _Samples:
    """The samples of a series over one span."""

    __slots__ = ("_lanes", "_span", "families")

    def __init__(self, lanes: _Lanes, span: Span) -> None:
        self._lanes = lanes
        self._span = span
        self.families = {measure.partition(".")[0] for measure in lanes}

    def read(self, name: str) -> int | None:
        measure, _, statistic = name.rpartition(".")
        lane = self._lanes.get(measure)
        if lane is None:
            return None
        sample = lane.over(self._span)
        return statistic_of(sample, statistic) if len(sample) else None


def statistic_of(sample: Sample, statistic: str) -> int | None:
    """One number that a sample tells.

    Args:
        sample: not an empty one.
        statistic: ``distinct``, ``distinct_low``, ``distinct_high``; ``p1`` … ``p99``, with
            ``_low`` or ``_high`` for its bounds; ``sampled``, the number of keys kept;
            ``marked<m>``, how many of those have mark *m*; ``code<c>``, how many of those have a
            magnitude that ends in code *c*; ``magnitudes``, the sum of theirs.

    Returns:
        The number, ``None`` for a statistic that there is not.
    """
    if percentile := _PERCENTILE.fullmatch(statistic):
        return _percentile(sample, int(percentile[1]), percentile[2])
    if marked := _MARKED.fullmatch(statistic):
        return sample.marked(int(marked[1]))
    if coded := _CODED.fullmatch(statistic):
        return sample.coded(int(coded[1]))
    plain = _PLAIN.get(statistic)
    return None if plain is None else plain(sample)


def is_statistic(name: str) -> bool:
    """Whether a sample tells a number of this name.

    >>> is_statistic("p90_low"), is_statistic("minor")
    (True, False)
    """
    patterns = (_PERCENTILE, _MARKED, _CODED)
    return name in _PLAIN or any(pattern.fullmatch(name) for pattern in patterns)


def _percentile(sample: Sample, percent: int, end: str | None) -> int | None:
    if end is None:
        return sample.percentile(percent)
    bounds = sample.percentile_bounds(percent)
    if bounds is None:
        return None
    return bounds[0] if end == "_low" else bounds[1]
