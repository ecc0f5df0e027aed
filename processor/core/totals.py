"""Rolling totals: for every window and series the sum of its panes, kept up as panes come and go.

::

    previous window          current window              later panes
    |·|·|·|·|·|·|·|·|·|·|·|·||·|·|·|·|·|·|·|·|·|·|·|·||·|·
    ^                        ^                          ^
    start - size             start                      end

When the window slides by a pane, that pane's counters enter the current total; the pane that
falls off its start moves to the previous total; and the one that falls off the previous window
leaves. Nothing is summed again, so a slide costs what the three panes hold, however long the
window is. Panes and totals are columns over numbered cells (`processor.core.cells`): a pane is
added or taken away in one step.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from processor.core.base_totals import CHANGES, BaseTotals
from processor.core.bases import BASES, CELL
from processor.core.cells import CellNumbers, Cells, Narrow
from processor.core.columns import Numbers
from processor.core.estimate import Counts
from processor.core.pane_columns import PaneColumns, Panes, Unsettled
from processor.core.panes import Tier, Window, tiers_of
from processor.core.rollup import PaneDeltas
from processor.core.sampled_panes import PaneSamples, SampledPanes
from processor.core.window_counts import Beside, Source, Span, WindowCounts

Counters = dict[str, int]
Marks = NDArray[np.bool_]


class WindowTotals:
    """One window's current and previous totals, by cell.

    Args:
        window: its size and panes.
        cells: the numbers of all counters.
        beside: what is kept beside the counters.
    """

    __slots__ = (
        "_beside",
        "_cells",
        "_changed",
        "_changed_before",
        "_current",
        "_marks",
        "_marks_before",
        "_previous",
        "end_ms",
        "window",
    )

    def __init__(self, window: Window, cells: Cells, beside: Sequence[Beside] = ()) -> None:
        self.window = window
        self._cells = cells
        self._beside = tuple(beside)
        self.end_ms = 0
        self._current: Numbers = np.zeros(0, np.int64)
        self._previous: Numbers = np.zeros(0, np.int64)
        self._changed: set[str] = set()
        self._changed_before: set[str] = set()
        self._marks: Marks = np.zeros(0, np.bool_)
        self._marks_before: Marks = np.zeros(0, np.bool_)

    @property
    def start_ms(self) -> int:
        """The inclusive start of the current window."""
        return self.end_ms - self.window.size_ms

    @property
    def changed(self) -> set[str]:
        """The series that may say something new; its owner clears it."""
        self._changed.update(self._named(self._marks))
        return self._changed

    @property
    def changed_before(self) -> set[str]:
        """The series with other counters in the window before; its owner clears it."""
        self._changed_before.update(self._named(self._marks_before))
        return self._changed_before

    def _named(self, marks: Marks) -> Iterable[str]:
        (marked,) = marks.nonzero()
        if not len(marked):
            return ()
        marks[marked] = False
        return map(self._cells.series.__getitem__, marked.tolist())

    @property
    def is_empty(self) -> bool:
        """Whether neither this window nor the one before holds anything."""
        return not (self._current.any() or self._previous.any())

    def series(self) -> Iterable[str]:
        """Every series with a counter in this window or the one before."""
        cells = np.flatnonzero(np.logical_or(self._current, self._previous))
        numbers = np.unique(self._cells.series_of(cells.astype(np.uint32)))
        return map(self._cells.series.__getitem__, numbers.tolist())

    def counts(self, series: str) -> Counts:
        """What is known of the current window."""
        return self.counts_of((series,))[0]

    def previous_counts(self, series: str) -> Counts:
        """What is known of the window just before."""
        return self.previous_counts_of((series,))[0]

    def counts_of(self, series: Sequence[str]) -> list[Counts]:
        """What is known of the current window, of each of many series."""
        return self._each_with_sources(series, self._current, previous=False)

    def previous_counts_of(self, series: Sequence[str]) -> list[Counts]:
        """What is known of the window just before, of each of many series."""
        return self._each_with_sources(series, self._previous, previous=True)

    def counted_alone(self, series: AbstractSet[str]) -> AbstractSet[str]:
        """Those of these series of which nothing is known beside their counters."""
        for beside in self._beside:
            series = series - beside.having(series)
        return series

    def changes_of_bases(self, series: str, *, previous: bool) -> Counters:
        """Who joined a series' bases and left them, over the current window or the one before."""
        column = self._previous if previous else self._current
        return self._cells.read_some(series, CHANGES, column)

    def families(self, series: str) -> frozenset[str]:
        """The families of a series that were ever counted, in whichever window."""
        return self._cells.families(series)

    def _each_with_sources(
        self, series: Sequence[str], column: Numbers, *, previous: bool
    ) -> list[Counts]:
        alone = self.counted_alone(frozenset(series))
        return [
            counters if name in alone else self._with_sources(name, counters, previous=previous)
            for name, counters in zip(series, self._cells.read(series, column), strict=True)
        ]

    def _with_sources(self, series: str, counters: Counters, *, previous: bool) -> Counts:
        size_ms, window = self.window.size_ms, self.window
        end_ms = self.end_ms - size_ms if previous else self.end_ms
        span = Span(window.name, previous, end_ms - size_ms, end_ms, window.pane_ms)
        found = (beside.source(series, span) for beside in self._beside)
        sources = [source for source in found if source is not None]
        return WindowCounts(counters, sources) if sources else counters

    def touch(self, start_ms: int, series: str) -> None:
        """Note that something beside the counters changed in the pane at ``start_ms``."""
        if self.start_ms - self.window.size_ms <= start_ms < self.end_ms:
            self._changed.add(series)

    def fit(self) -> None:
        """Make room for every cell there is."""
        missing = self._cells.room - len(self._current)
        if missing:  # the room for cells has doubled
            self._current = np.concatenate((self._current, np.zeros(missing, np.int64)))
            self._previous = np.concatenate((self._previous, np.zeros(missing, np.int64)))
            self._marks = np.concatenate((self._marks, np.zeros(missing, np.bool_)))
            self._marks_before = np.concatenate((self._marks_before, np.zeros(missing, np.bool_)))

    def add(self, start_ms: int, cells: CellNumbers, counts: Narrow) -> None:
        """Count increments of the pane at ``start_ms``, if a window covers it."""
        if start_ms >= self.end_ms:
            return
        if start_ms >= self.start_ms:
            self._current[cells] += counts
        elif start_ms >= self.start_ms - self.window.size_ms:
            self._previous[cells] += counts
            self._marks_before[self._cells.series_of(cells)] = True
        else:
            return
        self._marks[self._cells.series_of(cells)] = True

    def slide(self, end_ms: int, panes: Panes) -> None:
        """Move the window's end forward to ``end_ms`` over the tier's panes."""
        size, old_end = self.window.size_ms, self.end_ms
        if end_ms <= old_end:
            return
        if end_ms - old_end >= 2 * size:
            self._rebuild(end_ms, panes)
            return
        self.end_ms = end_ms
        for boundary, gains, loses in (
            (0, self._current, None),
            (size, self._previous, self._current),
            (2 * size, None, self._previous),
        ):
            for start in range(old_end - boundary, end_ms - boundary, self.window.pane_ms):
                pane = panes.get(start)
                if pane is None:
                    continue
                cells, counts = pane.columns()
                if gains is not None:
                    gains[cells] += counts
                if loses is not None:
                    loses[cells] -= counts
                series = self._cells.series_of(cells)
                self._marks[series] = True
                if boundary:
                    self._marks_before[series] = True

    def _rebuild(self, end_ms: int, panes: Panes) -> None:
        self._changed.update(self.series())
        self._changed_before.update(self._changed)
        self._current[:] = 0
        self._previous[:] = 0
        self.end_ms = end_ms
        for start, pane in panes.items():
            self.add(start, *pane.columns())


class RollingTotals:
    """The panes of all tiers, and the totals of all windows over them.

    Args:
        windows: see :func:`~processor.core.panes.plan_windows`.
        beside: what is kept beside counters and samples, to be asked with them.
    """

    def __init__(self, windows: Sequence[Window], beside: Sequence[Beside] = ()) -> None:
        self.time_ms = 0
        self._kept_from_ms = 0
        self._cells = Cells(watched=BASES)
        self.samples = SampledPanes()
        self.bases = BaseTotals(self._after)
        beside = (self.samples, _MovingBases(self.bases, self._cells), *beside)
        self.totals = tuple(WindowTotals(window, self._cells, beside) for window in windows)
        self._by_name = {totals.window.name: totals for totals in self.totals}
        self._tiers: dict[int, Tier] = {tier.pane_ms: tier for tier in tiers_of(windows)}
        self._panes: dict[int, Panes] = {pane_ms: {} for pane_ms in self._tiers}
        self._by_tier = {
            pane_ms: [t for t in self.totals if t.window.pane_ms == pane_ms]
            for pane_ms in self._tiers
        }
        self._ahead: dict[int, set[int]] = {pane_ms: set() for pane_ms in self._tiers}
        self._unsettled = {pane_ms: Unsettled() for pane_ms in self._tiers}

    def apply(self, deltas: PaneDeltas) -> None:
        """Add counter deltas to their panes and to every window that covers them."""
        for cell, by_series in deltas.items():
            if cell == CELL:
                changed = self.bases.apply(by_series)
                for totals in self.totals:
                    totals.changed.update(changed)
                continue
            pane_ms, start = cell
            tier = self._tiers.get(pane_ms)
            if tier is None or not tier.keeps(start, self._kept_from_ms):
                continue  # a tier that no window of ours uses, or a pane that none needs any more
            cells, counts = self._cells.columns(by_series)
            for totals in self.totals:
                totals.fit()
            pane = self._panes[pane_ms].get(start)
            if pane is None:
                pane = self._panes[pane_ms][start] = PaneColumns()
            pane.add(cells, counts)
            self._unsettled[pane_ms].touched(start)
            windows = self._by_tier[pane_ms]
            if start >= windows[0].end_ms:
                self._ahead[pane_ms].add(start)
            for totals in windows:
                totals.add(start, cells, counts)

    def observe(self, samples: PaneSamples) -> None:
        """Add what was observed to the panes, for every window that covers them."""
        for (pane_ms, start), by_series in samples.items():
            tier = self._tiers.get(pane_ms)
            if tier is None or not tier.keeps(start, self._kept_from_ms):
                continue
            for series, by_measure in by_series.items():
                for measure, packed in by_measure.items():
                    self.samples.add(pane_ms, start, series, measure, packed)
                for totals in self._by_tier[pane_ms]:
                    totals.touch(start, series)

    def advance(self, time_ms: int) -> None:
        """Slide every window so that it ends with the pane that holds ``time_ms``."""
        if time_ms <= self.time_ms:
            return
        self.time_ms = time_ms
        for totals in self.totals:
            end_ms, old_end_ms = totals.window.end(time_ms), totals.end_ms
            totals.slide(end_ms, self._panes[totals.window.pane_ms])
            self._touch_passed(totals, old_end_ms)
        for pane_ms, windows in self._by_tier.items():
            end_ms = windows[0].end_ms
            self._ahead[pane_ms] = {s for s in self._ahead[pane_ms] if s >= end_ms}
            self._unsettled[pane_ms].settle(end_ms, self._panes[pane_ms])
        self.forget(time_ms)

    def forget(self, time_ms: int) -> None:
        """Drop the panes that no window needs that ends at ``time_ms`` or later.

        Windows stay where they are. A caller that reads nothing on the way spares sliding them
        there, and has to :meth:`advance` before it reads.
        """
        if time_ms <= self._kept_from_ms:
            return
        self._kept_from_ms = time_ms
        for pane_ms, tier in self._tiers.items():
            panes = self._panes[pane_ms]
            # Panes are few and mostly in order: the oldest are looked at first.
            for start in [s for s in panes if not tier.keeps(s, time_ms)]:
                del panes[start]
            self.samples.prune(tier, time_ms)
            self._ahead[pane_ms].intersection_update(panes)

    def _touch_passed(self, totals: WindowTotals, old_end_ms: int) -> None:
        """Note the series with samples in panes that came into a window or left it."""
        window = totals.window
        for start, series in self.samples.starts(window.pane_ms):
            for boundary in (0, window.size_ms, 2 * window.size_ms):
                if old_end_ms <= start + boundary < totals.end_ms:
                    totals.changed.update(series)

    @property
    def pane_count(self) -> int:
        """How many panes are held, over all tiers."""
        return sum(map(len, self._panes.values()))

    def young(self) -> frozenset[str]:
        """The windows whose window before begins before anything that is known, by name.

        A change against that says when the counting began, not how things change. Events need not
        be dense: a tenth of the window before may be empty.
        """
        found: set[str] = set()
        for totals in self.totals:
            size_ms = totals.window.size_ms
            earliest_ms = min(self._panes[totals.window.pane_ms], default=None)
            known_by_ms = totals.start_ms - size_ms + size_ms // 10
            if earliest_ms is None or earliest_ms > known_by_ms:
                found.add(totals.window.name)
        return frozenset(found)

    @property
    def nbytes(self) -> int:
        """Bytes of all panes' columns."""
        return sum(pane.nbytes for panes in self._panes.values() for pane in panes.values())

    def series(self) -> Iterable[str]:
        """Every series with something in some window or the one before it, or with a base."""
        counted = (series for totals in self.totals for series in totals.series())
        return dict.fromkeys(chain(counted, self.samples.series(), self.bases.series()))

    def _after(self, series: str, span: Span, from_start: bool) -> list[Counters]:
        """Who joined and left in all panes from the start or the end of a span on."""
        totals, panes = self._by_name[span.window], self._panes[span.pane_ms]
        ahead = (panes[start].columns() for start in self._ahead[span.pane_ms])
        found = [self._cells.find(series, *columns) for columns in ahead]
        if from_start or span.previous:
            found.append(totals.changes_of_bases(series, previous=False))
        if from_start and span.previous:
            found.append(totals.changes_of_bases(series, previous=True))
        return found


class _MovingBases:
    """The bases of those series that may have one: most have none.

    Args:
        bases: of every series.
        cells: tells where somebody ever joined or left.
    """

    def __init__(self, bases: BaseTotals, cells: Cells) -> None:
        self._bases = bases
        self._cells = cells

    def having(self, series: AbstractSet[str]) -> AbstractSet[str]:
        """Those of these series of which anything may be known."""
        return self._bases.having(series) | (self._cells.having & series)

    def source(self, series: str, span: Span) -> Source | None:
        """What is known of a series over a span, ``None`` where that is nothing."""
        return self._bases.source(series, span)
