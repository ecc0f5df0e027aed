"""Rolling totals: for every window and series the sum of its panes, kept up as panes come and go.

::

    previous window          current window              later panes
    |·|·|·|·|·|·|·|·|·|·|·|·||·|·|·|·|·|·|·|·|·|·|·|·||·|·
    ^                        ^                          ^
    start - size             start                      end

When the window slides by a pane, that pane's counters enter the current total; the pane that
falls off its start moves to the previous total; and the one that falls off the previous window
leaves. Nothing is summed again, so a slide costs what the three panes hold, however long the
window is.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

from processor.core.base_totals import BaseTotals
from processor.core.bases import CELL
from processor.core.estimate import Counts
from processor.core.panes import Tier, Window, tiers_of
from processor.core.rollup import PaneDeltas, add_into
from processor.core.sampled_panes import PaneSamples, SampledPanes
from processor.core.window_counts import Beside, Span, WindowCounts

Counters = dict[str, int]
BySeries = dict[str, Counters]

_NOTHING: Final[Counters] = {}


class WindowTotals:
    """One window's current and previous totals, by series.

    Args:
        window: its size and panes.
        beside: what is kept beside the counters.
    """

    __slots__ = ("_beside", "changed", "current", "end_ms", "previous", "window")

    def __init__(self, window: Window, beside: Sequence[Beside] = ()) -> None:
        self.window = window
        self._beside = tuple(beside)
        self.end_ms = 0
        self.current: BySeries = {}
        self.previous: BySeries = {}
        self.changed: set[str] = set()

    @property
    def start_ms(self) -> int:
        """The inclusive start of the current window."""
        return self.end_ms - self.window.size_ms

    def counts(self, series: str) -> Counts:
        """What is known of the current window."""
        return self._with_sources(series, self.current, previous=False)

    def previous_counts(self, series: str) -> Counts:
        """What is known of the window just before."""
        return self._with_sources(series, self.previous, previous=True)

    def _with_sources(self, series: str, totals: BySeries, *, previous: bool) -> Counts:
        size_ms, window = self.window.size_ms, self.window
        end_ms = self.end_ms - size_ms if previous else self.end_ms
        span = Span(window.name, previous, end_ms - size_ms, end_ms, window.pane_ms)
        counters = totals.get(series, _NOTHING)
        found = (beside.source(series, span) for beside in self._beside)
        sources = [source for source in found if source is not None]
        return WindowCounts(counters, sources) if sources else counters

    def touch(self, start_ms: int, series: str) -> None:
        """Note that something beside the counters changed in the pane at ``start_ms``."""
        if self.start_ms - self.window.size_ms <= start_ms < self.end_ms:
            self.changed.add(series)

    def add(self, start_ms: int, series: str, increments: Counters) -> None:
        """Count increments of the pane at ``start_ms``, if a window covers it."""
        if start_ms >= self.end_ms:
            return
        if start_ms >= self.start_ms:
            self._add(self.current, series, increments, 1)
        elif start_ms >= self.start_ms - self.window.size_ms:
            self._add(self.previous, series, increments, 1)

    def slide(self, end_ms: int, panes: dict[int, BySeries]) -> None:
        """Move the window's end forward to ``end_ms`` over the tier's panes."""
        size, old_end = self.window.size_ms, self.end_ms
        if end_ms <= old_end:
            return
        if end_ms - old_end >= 2 * size:
            self._rebuild(end_ms, panes)
            return
        self.end_ms = end_ms
        for boundary, target, sign in (
            (0, self.current, 1),
            (size, self.current, -1),
            (size, self.previous, 1),
            (2 * size, self.previous, -1),
        ):
            for start in range(old_end - boundary, end_ms - boundary, self.window.pane_ms):
                for series, counters in panes.get(start, {}).items():
                    self._add(target, series, counters, sign)

    def _rebuild(self, end_ms: int, panes: dict[int, BySeries]) -> None:
        self.changed.update(self.current, self.previous)
        self.current.clear()
        self.previous.clear()
        self.end_ms = end_ms
        for start, by_series in panes.items():
            for series, counters in by_series.items():
                self.add(start, series, counters)

    def _add(self, target: BySeries, series: str, counters: Counters, sign: int) -> None:
        total = target.setdefault(series, {})
        add_into(total, counters, sign)
        if not total:
            del target[series]
        self.changed.add(series)


class RollingTotals:
    """The panes of all tiers, and the totals of all windows over them.

    Args:
        windows: see :func:`~processor.core.panes.plan_windows`.
        beside: what is kept beside counters and samples, to be asked with them.
    """

    def __init__(self, windows: Sequence[Window], beside: Sequence[Beside] = ()) -> None:
        self.time_ms = 0
        self._kept_from_ms = 0
        self.samples = SampledPanes()
        self.bases = BaseTotals(self._after)
        beside = (self.samples, self.bases, *beside)
        self.totals = tuple(WindowTotals(window, beside) for window in windows)
        self._by_name = {totals.window.name: totals for totals in self.totals}
        self._tiers: dict[int, Tier] = {tier.pane_ms: tier for tier in tiers_of(windows)}
        self._panes: dict[int, dict[int, BySeries]] = {pane_ms: {} for pane_ms in self._tiers}
        self._by_tier = {
            pane_ms: [t for t in self.totals if t.window.pane_ms == pane_ms]
            for pane_ms in self._tiers
        }
        self._ahead: dict[int, set[int]] = {pane_ms: set() for pane_ms in self._tiers}

    def apply(self, deltas: PaneDeltas) -> None:
        """Add counter deltas to their panes and to every window that covers them."""
        for cell, by_series in deltas.items():
            if cell == CELL:
                changed = self.bases.apply(by_series)
                for totals in self.totals:
                    totals.changed |= changed
                continue
            pane_ms, start = cell
            tier = self._tiers.get(pane_ms)
            if tier is None or not tier.keeps(start, self._kept_from_ms):
                continue  # a tier that no window of ours uses, or a pane that none needs any more
            pane = self._panes[pane_ms].setdefault(start, {})
            windows = self._by_tier[pane_ms]
            if start >= windows[0].end_ms:
                self._ahead[pane_ms].add(start)
            for series, increments in by_series.items():
                add_into(pane.setdefault(series, {}), increments)
                for totals in windows:
                    totals.add(start, series, increments)

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

    def series(self) -> Iterable[str]:
        """Every series with something in some window or the one before it, or with a base."""
        counted = (
            series
            for totals in self.totals
            for by_series in (totals.current, totals.previous)
            for series in by_series
        )
        return dict.fromkeys(chain(counted, self.samples.series(), self.bases.series()))

    def _after(self, series: str, span: Span, from_start: bool) -> list[Counters]:
        """The counters of a series in all panes from the start or the end of a span on."""
        totals, panes = self._by_name[span.window], self._panes[span.pane_ms]
        found = [panes[start].get(series, _NOTHING) for start in self._ahead[span.pane_ms]]
        if from_start or span.previous:
            found.append(totals.current.get(series, _NOTHING))
        if from_start and span.previous:
            found.append(totals.previous.get(series, _NOTHING))
        return found
