"""Windows of the past: one series, slid over panes that are all there already.

::

    panes    |·|·|·|·|·|·|·|·|·|·|·|·|·|·|·|·|
             [ window 1  )                            each pane is added once, and taken away
                 [ window 2  )                        once, however many windows it is in
                     [ window 3  )

Counters are added and subtracted. Samples cannot be taken back, so theirs are merged by two
stacks: one of what came in since the last turn, and one of merged suffixes, from which the oldest
pane is taken off. A base is counted back from all there is, as in `processor.core.base_totals`.
What a window of the past says is what is known of it *now*: events that came late and sessions
that closed later are in it.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from processor.core.base_totals import BaseTotals
from processor.core.estimate import Counts
from processor.core.panes import Tier, Window
from processor.core.rollup import add_into
from processor.core.sample import EMPTY, ENTRY_BYTES, KEYS_MAX, Sample
from processor.core.sampled_panes import statistic_of
from processor.core.window_counts import Source, Span, WindowCounts

Counters = dict[str, int]

_NOTHING: Final[Counters] = {}

_PACKED_MAX: Final = 2 * KEYS_MAX * ENTRY_BYTES
"""A pane's entries are merged when they are longer than this."""


@dataclass(slots=True)
class PastPanes:
    """What is stored of one series on one tier.

    Attributes:
        counters: pane start → measure → count.
        samples: measure → pane start → packed entries.
        bases: what is kept of the series' bases and of the whole's: series → counter → count, see
            `processor.core.bases`.
    """

    counters: dict[int, Counters] = field(default_factory=dict)
    samples: dict[str, dict[int, bytes]] = field(default_factory=dict)
    bases: dict[str, Counters] = field(default_factory=dict)

    def add(self, start_ms: int, increments: Mapping[str, int]) -> None:
        """Add counters of one partition's pane."""
        add_into(self.counters.setdefault(start_ms, {}), increments)

    def observe(self, start_ms: int, measure: str, packed: bytes) -> None:
        """Add packed entries of one partition's pane."""
        by_start = self.samples.setdefault(measure, {})
        pane = by_start.get(start_ms, b"") + packed
        if len(pane) > _PACKED_MAX:
            pane = Sample.merged((pane,)).packed()
        by_start[start_ms] = pane

    def add_bases(self, by_series: Mapping[str, Mapping[str, int]]) -> None:
        """Add counters of one partition's bases."""
        for series, increments in by_series.items():
            add_into(self.bases.setdefault(series, {}), increments)

    def update(self, more: "PastPanes") -> None:
        """Take over measures, samples and bases that were read later, and not before."""
        for start_ms, counters in more.counters.items():
            self.counters.setdefault(start_ms, {}).update(counters)
        self.samples.update(more.samples)
        self.bases.update(more.bases)


def first_kept_ms(tier: Tier, clock_ms: int) -> int:
    """The start of the oldest pane that a tier keeps at event time ``clock_ms``; not before 0.

    >>> first_kept_ms(Tier(pane_ms=60, retention_ms=600), 1000)
    360
    """
    return max(0, (clock_ms - tier.pane_ms - tier.retention_ms) // tier.pane_ms + 1) * tier.pane_ms


def window_ends(window: Window, first_ms: int, last_ms: int, points: int) -> range:
    """Ends of windows, about so many: every pane's, or every k-th counted back from the last.

    Args:
        window: its panes are what ends are borders of.
        first_ms: no window ends before it.
        last_ms: the last window ends here; a border of panes.
        points: the most there are to be.

    >>> list(window_ends(Window("1h", 3600, 60), 100, 600, 4))
    [240, 420, 600]
    """
    pane_ms = window.pane_ms
    first_ms = -(-first_ms // pane_ms) * pane_ms
    if first_ms > last_ms:
        return range(0, 0, pane_ms)
    panes = (last_ms - first_ms) // pane_ms + 1
    step_ms = -(-panes // points) * pane_ms
    return range(last_ms - (last_ms - first_ms) // step_ms * step_ms, last_ms + pane_ms, step_ms)


class PastWindows:
    """One window of one series, moved forward over stored panes.

    Args:
        window: its size and panes.
        series: its name.
        panes: what is stored, from the first window's start on; where bases are asked for, up to
            the latest pane there is.
    """

    def __init__(self, window: Window, series: str, panes: PastPanes) -> None:
        self._window = window
        self._series = series
        self._panes = panes.counters
        self._current: Counters = {}
        self._ahead: Counters = {}
        for counters in panes.counters.values():
            add_into(self._ahead, counters)
        self._end_ms: int | None = None
        self._samples = {
            measure: _SlidingSample(by_start) for measure, by_start in panes.samples.items()
        }
        self._bases = BaseTotals(self._after)
        self._bases.apply(panes.bases)

    def at(self, end_ms: int) -> Counts:
        """What is known of the window that ends at ``end_ms``, until the next is asked for.

        Args:
            end_ms: a border of panes, not before the one asked for last.
        """
        self._slide(end_ms)
        window = self._window
        span = Span(window.name, False, end_ms - window.size_ms, end_ms, window.pane_ms)
        sources: list[Source] = []
        if self._samples:
            sources.append(_Samples(self._samples, span))
        if (bases := self._bases.source(self._series, span)) is not None:
            sources.append(bases)
        return WindowCounts(self._current, sources)

    def _slide(self, end_ms: int) -> None:
        size_ms, pane_ms = self._window.size_ms, self._window.pane_ms
        if self._end_ms is None:
            for start in [start for start in self._panes if start < end_ms - size_ms]:
                add_into(self._ahead, self._panes[start], -1)
            old_end_ms = end_ms - size_ms
        else:
            old_end_ms = self._end_ms
            for start in range(old_end_ms - size_ms, min(end_ms - size_ms, old_end_ms), pane_ms):
                add_into(self._current, self._panes.get(start, _NOTHING), -1)
        for start in range(old_end_ms, end_ms, pane_ms):
            counters = self._panes.get(start, _NOTHING)
            add_into(self._ahead, counters, -1)
            if start >= end_ms - size_ms:
                add_into(self._current, counters)
        self._end_ms = end_ms

    def _after(self, _series: str, _span: Span, from_start: bool) -> Iterable[Counters]:
        return (self._ahead, self._current) if from_start else (self._ahead,)


class _SlidingSample:
    """A sample over panes that come in at one end and leave at the other."""

    def __init__(self, by_start: Mapping[int, bytes]) -> None:
        self._starts: Sequence[int] = sorted(by_start)
        self._packed = [by_start[start] for start in self._starts]
        self._begin = self._turned = self._end = 0
        self._suffixes: list[bytes] = []
        self._added = b""
        self._over: tuple[int, int] | None = None
        self._sample = EMPTY

    def over(self, start_ms: int, end_ms: int) -> Sample:
        """The sample of the panes within; neither end goes back."""
        end = bisect_left(self._starts, end_ms)
        begin = bisect_left(self._starts, start_ms, hi=end)
        if self._over != (begin, end):
            self._sample = self._moved(begin, end)
            self._over = (begin, end)
        return self._sample

    def _moved(self, begin: int, end: int) -> Sample:
        if begin >= self._turned:  # what came in becomes suffixes, the shortest first
            self._suffixes, self._added = [], b""
            suffix = b""
            for packed in reversed(self._packed[begin:end]):
                suffix = Sample.merged((suffix, packed)).packed()
                self._suffixes.append(suffix)
            self._turned = end
        else:
            del self._suffixes[len(self._suffixes) - (begin - self._begin) :]
            new = self._packed[self._end : end]
            if new:
                self._added = Sample.merged((self._added, *new)).packed()
        self._begin, self._end = begin, end
        oldest = self._suffixes[-1] if self._suffixes else b""
        return Sample.merged((oldest, self._added))


class _Samples:
    """The samples of all measures over one span."""

    __slots__ = ("_samples", "_span", "families")

    def __init__(self, samples: Mapping[str, _SlidingSample], span: Span) -> None:
        self._samples = samples
        self._span = span
        self.families = {measure.partition(".")[0] for measure in samples}

    def read(self, name: str) -> int | None:
        measure, _, statistic = name.rpartition(".")
        found = self._samples.get(measure)
        if found is None:
            return None
        sample = found.over(self._span.start_ms, self._span.end_ms)
        return statistic_of(sample, statistic) if len(sample) else None
