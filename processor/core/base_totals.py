"""The bases of all partitions together: what stands at the start and end of every window.

A base at *T* is N(T) and an *offset* that stays the same from one snapshot to the next: what the
snapshot counted less N there. N at the end of a window is all there ever was less what the panes
from there on hold, and at its start that less the window's own, so neither costs more than a look
at the few panes that are ahead of the window.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from processor.core.bases import BASES, Stored
from processor.core.window_counts import Span
from schemas.readings import WHOLE

Counters = Mapping[str, int]
After = Callable[[str, Span, bool], Iterable[Counters]]
"""(series, span, whether from its start) → who joined and left in all panes from there on, or from
the span's end on."""

CHANGES: Final = tuple(f"{base}.{change}" for base in BASES for change in ("joined", "left"))
"""The counters of those who join a base and leave it."""

_NOTHING: Final[Mapping[str, "_History"]] = {}


class _History:
    """One base of one series: all changes, and the snapshots of its accounts."""

    __slots__ = ("_offsets", "_points", "_snapshots", "_stale", "total")

    def __init__(self) -> None:
        self.total = 0
        self._points: dict[str, dict[int, int]] = {}
        self._snapshots: dict[str, dict[int, dict[int, int]]] = {}
        self._offsets: dict[str, tuple[list[int], list[int]]] = {}
        self._stale: set[str] = set()

    @property
    def has_snapshots(self) -> bool:
        return bool(self._snapshots)

    def apply(self, counters: Iterable[tuple[Stored, int]]) -> bool:
        """Add counters of the cell; whether that changed the base at any instant asked for."""
        total_before, changed = self.total, False
        shifts: dict[tuple[str, int], int] = {}
        for stored, n in counters:
            account = stored.account
            if stored.told is not None:
                self._add_snapshot(stored, stored.told, n)
                changed = True
                continue
            self.total += n
            _add(self._points.setdefault(account, {}), stored.time_ms, n)
            if account in self._offsets and account not in self._stale:
                first_after = bisect_left(self._offsets[account][0], stored.time_ms)
                shifts[account, first_after] = shifts.get((account, first_after), 0) + n
        for (account, first_after), n in shifts.items():
            # Points that were only put together shift nothing: both are in one span.
            if n and account not in self._stale:
                offsets = self._offsets[account][1]
                offsets[first_after:] = [offset - n for offset in offsets[first_after:]]
                changed = True
        return changed or self.total != total_before

    def told_before(self, time_ms: int) -> bool:
        """Whether there is a snapshot before an instant."""
        self._freshen()
        return any(times[0] < time_ms for times, _ in self._offsets.values())

    def offset(self, time_ms: int) -> int:
        """What the base at an instant is more than the changes before it."""
        self._freshen()
        found = 0
        for times, offsets in self._offsets.values():
            # The last snapshot before it; before the first one it is counted back from that.
            found += offsets[max(0, bisect_left(times, time_ms) - 1)]
        return found

    def _add_snapshot(self, stored: Stored, count: int, n: int) -> None:
        by_time = self._snapshots.setdefault(stored.account, {})
        counts = by_time.setdefault(stored.time_ms, {})
        _add(counts, count, n)
        if not counts:
            del by_time[stored.time_ms]
        if not by_time:
            del self._snapshots[stored.account]
        self._stale.add(stored.account)

    def _freshen(self) -> None:
        for account in self._stale:
            self._rebuild(account)
        self._stale.clear()

    def _rebuild(self, account: str) -> None:
        snapshots = self._snapshots.get(account)
        if not snapshots:
            self._offsets.pop(account, None)
            return
        points = sorted(self._points.get(account, {}).items())
        times, offsets = sorted(snapshots), []
        net = at = 0
        for time_ms in times:
            while at < len(points) and points[at][0] <= time_ms:
                net += points[at][1]
                at += 1
            offsets.append(max(snapshots[time_ms]) - net)
        self._offsets[account] = times, offsets


_EMPTY: Final = _History()


class BaseTotals:
    """Every base of every series.

    Args:
        after: gives what panes hold from the start or end of a window on.
    """

    def __init__(self, after: After) -> None:
        self.after = after
        self._series: dict[str, dict[str, _History]] = {}
        self._told: set[str] = set()

    def apply(self, by_series: Mapping[str, Counters]) -> set[str]:
        """Add counters of the cell; the series with a base that may be another now."""
        changed: set[str] = set()
        for series, counters in by_series.items():
            by_base: dict[str, list[tuple[Stored, int]]] = {}
            for name, n in counters.items():
                stored = Stored.parse(name)
                by_base.setdefault(stored.base, []).append((stored, n))
            histories = self._series.setdefault(series, {})
            for base, stored_counters in by_base.items():
                if histories.setdefault(base, _History()).apply(stored_counters):
                    changed.add(series)
        told = {base for base, h in self._of(WHOLE).items() if h.has_snapshots}
        for base in told ^ self._told:
            changed.update(series for series, found in self._series.items() if base in found)
        self._told = told
        return changed

    def series(self) -> Collection[str]:
        """Every series that has a base."""
        return self._series.keys()

    def having(self, series: AbstractSet[str]) -> AbstractSet[str]:
        """Those of these series that may have a base, for all that is kept beside the panes."""
        return series if self._told else self._series.keys() & series

    def source(self, series: str, span: Span) -> "_Bases | None":
        """The bases of a series at the start and end of a span."""
        bases = self._told.union(self._of(series))
        for counters in self.after(series, span, True):
            # Those who joined and left again leave no trace but in the panes.
            bases.update(b for b in BASES if f"{b}.joined" in counters or f"{b}.left" in counters)
        return _Bases(self, series, span, bases) if bases else None

    def at(
        self, base: str, series: str, time_ms: int, after: Iterable[Counters], *, end_ms: int
    ) -> int | None:
        """A base at the start or end of a window.

        Args:
            base: its name.
            series: the series.
            time_ms: the start or end.
            after: the counters of everything from there on.
            end_ms: the window's end.

        Returns:
            How many there are, ``None`` where that is not known: the window ends before the base
            is told for the first time, the whole has been told and this segment has not, or more
            have left than there were.
        """
        history = self._of(series).get(base, _EMPTY)
        if not history.told_before(end_ms) and (history.has_snapshots or base in self._told):
            return None
        before = history.total - sum(net(base, counters) for counters in after)
        found = before + history.offset(time_ms)
        return found if found >= 0 else None

    def _of(self, series: str) -> Mapping[str, _History]:
        return self._series.get(series, _NOTHING)


class _Bases:
    """The bases of one series over one span: ``<base>.at_start``, ``.at_end``, ``.unknown``."""

    __slots__ = ("_found", "_series", "_span", "_totals", "families")

    def __init__(self, totals: BaseTotals, series: str, span: Span, families: set[str]) -> None:
        self._found: dict[tuple[str, bool], int | None] = {}
        self._totals = totals
        self._series = series
        self._span = span
        self.families = families

    def read(self, name: str) -> int | None:
        base, _, what = name.partition(".")
        match what:
            case "at_start" | "at_end":
                return self._at(base, at_start=what == "at_start")
            case "unknown":
                return int(self._at(base, at_start=False) is None)
        return None

    def _at(self, base: str, *, at_start: bool) -> int | None:
        asked = base, at_start
        if asked not in self._found:
            series, span = self._series, self._span
            time_ms = span.start_ms if at_start else span.end_ms
            after = self._totals.after(series, span, at_start)
            found = self._totals.at(base, series, time_ms, after, end_ms=span.end_ms)
            self._found[asked] = found
        return self._found[asked]


def net(base: str, counters: Counters) -> int:
    """Joined less left, of some panes."""
    return counters.get(f"{base}.joined", 0) - counters.get(f"{base}.left", 0)


def _add(counts: dict[int, int], key: int, n: int) -> None:
    total = counts.get(key, 0) + n
    if total:
        counts[key] = total
    else:
        counts.pop(key, None)
