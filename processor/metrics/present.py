"""From rolling totals to readings: the last step, where ratios and means come to be.

A reading is published when what it says has changed: value, sample, interval, the window before.
That a window slid on without a change in it says nothing new, so it is not. Of windows that may
lack events see `processor.metrics.wholeness`; of how a reading is written, `rendering`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from processor.core.estimate import Counts, Estimate
from processor.core.totals import RollingTotals, WindowTotals
from processor.core.window_counts import WindowCounts
from processor.metrics.reads import Relevance
from processor.metrics.registry import Currencies, Metric
from processor.metrics.rendering import At, Reading, Row
from processor.metrics.wholeness import WHOLE as NOTHING_LACKS
from processor.metrics.wholeness import Wholeness, wholeness
from schemas.readings import WHOLE

__all__ = ["Presenter", "Reading", "Row"]

_Says = tuple[Any, ...]

_UNKNOWN: Final = Estimate(value=None, n=0)
"""Of a window that may lack events: nothing is compared with it."""

_READ_AT_ONCE: Final = 256
"""Series whose counters are read together."""


class _Counts:
    """What is known of a series over a window and the one before it.

    Args:
        totals: the window.
        series: the series.
        now: of the window.
        before: of the one before; read when it is asked for, unless given.
    """

    __slots__ = ("_before", "_currencies", "_series", "_totals", "now")

    def __init__(
        self, totals: WindowTotals, series: str, now: Counts, before: Counts | None = None
    ) -> None:
        self.now = now
        self._totals = totals
        self._series = series
        self._before = before
        self._currencies: dict[tuple[Currencies, bool], Iterable[str]] = {}

    @property
    def before(self) -> Counts:
        """What is known of the window before."""
        if self._before is None:
            self._before = self._totals.previous_counts(self._series)
        return self._before

    def currencies(self, metric: Metric, *, before: bool) -> Iterable[str]:
        """The currencies that one of the windows holds; metrics search for the same ones."""
        asked = metric.currencies, before
        found = self._currencies.get(asked)
        if found is None:
            found = self._currencies[asked] = metric.currencies(self.before if before else self.now)
        return found


class _Known:
    """What is kept of one series and window from tick to tick.

    Attributes:
        alone: whether nothing is known beside the counters.
        said: the names of the metrics that have a reading.
        before: what metrics said of the window before, by name, or name and currency, for as long
            as its counters stay the same; ``None`` where it has to be computed anew.
    """

    __slots__ = ("_counted", "_metrics", "_said", "alone", "before", "said")

    def __init__(self) -> None:
        self.alone = False
        self.said: set[str] = set()
        self.before: dict[str | tuple[str, str], Estimate] | None = None
        self._counted: frozenset[str] = frozenset()
        self._said = -1
        self._metrics: tuple[Metric, ...] = ()

    def metrics(self, counted: frozenset[str], relevance: Relevance) -> tuple[Metric, ...]:
        """The metrics to be asked, where something is known of these families."""
        is_new = counted is not self._counted and counted != self._counted
        if is_new or len(self.said) != self._said:
            self._counted, self._said = counted, len(self.said)
            self._metrics = relevance.of(counted, self.said)
        return self._metrics


class Presenter:
    """Turns totals into readings, and remembers what was said last.

    Args:
        metrics: the catalogue in use.
        totals: the rolling totals to read.
        lateness_ms: a reading is provisional until the watermark passes its window by this.
        low_sample_under: fewer observations than this are flagged.

    Attributes:
        complete_from: by event type the time (ms) from which all its events are counted; one that
            is not named lacks nothing.
    """

    def __init__(
        self,
        metrics: Mapping[str, Metric],
        totals: RollingTotals,
        *,
        lateness_ms: int,
        low_sample_under: int = 30,
    ) -> None:
        self._metrics = tuple(metrics.values())
        self._totals = totals
        self._lateness_ms = lateness_ms
        self._low_sample_under = low_sample_under
        self._said: dict[str, _Says] = {}
        self._currencies: dict[tuple[str, str], dict[str, None]] = {}
        self._relevance = Relevance(self._metrics)
        self._known: dict[str, dict[str, _Known]] = {
            window.window.name: {} for window in totals.totals
        }
        self._of_nothing = {m.name: m.compute({}) for m in self._metrics if not m.per_currency}
        self._greeted = False
        self.complete_from: Mapping[str, int] = {}
        self._wholeness: dict[str, dict[str, Wholeness]] = {}

    @property
    def said(self) -> Iterable[str]:
        """The keys of all readings it answers for."""
        return self._said.keys()

    def take_over(self, keys: Iterable[str]) -> None:
        """Answer for readings that another presenter published: each is said once more.

        One whose window has emptied since would otherwise stand for ever.

        Args:
            keys: as :func:`~schemas.readings.reading_key` makes them.
        """
        windows = {totals.window.name: totals for totals in self._totals.totals}
        for key in keys:
            metric, window, series, *currency = key.split("|")
            if window in windows:
                windows[window].changed.add(series)
                self._said.setdefault(key, ())
                self._known_of(window, series).said.add(metric)
                if currency:
                    self._currencies.setdefault((metric, series), {})[currency[0]] = None

    def changed(self, watermark_ms: int, revision: int) -> dict[str, Row]:
        """Readings that say something new since the last call, by key."""
        return {reading.key: reading.row(revision) for reading in self.news(watermark_ms)}

    def news(self, watermark_ms: int) -> Iterator[Reading]:
        """Readings that say something new since the last call.

        They are computed as they are taken, so a caller can do something else in between. All are
        to be taken before the totals change.
        """
        for totals in self._totals.totals:
            name = totals.window.name
            changed, changed_before = set(totals.changed), set(totals.changed_before)
            totals.changed.clear()
            totals.changed_before.clear()
            if not self._greeted:
                changed.add(WHOLE)
            lacking = wholeness(
                self._metrics, self.complete_from, totals.start_ms, totals.window.size_ms
            )
            if lacking != self._wholeness.get(name, {}):
                self._wholeness[name] = lacking
                changed.update(self._series_said(name))
            if changed:
                at = self._at(totals, watermark_ms)
                yield from self._news_over(totals, at, changed, changed_before)
        self._greeted = True

    def everything(self, watermark_ms: int, revision: int) -> dict[str, Row]:
        """Every reading there is, by key in order.

        A metric that was observed in one window of a segment has a reading in all of them, and
        the whole has one of every metric, ``null`` where nothing was observed.
        """
        rows: dict[str, Row] = {}
        windows = [(totals, self._at(totals, watermark_ms)) for totals in self._totals.totals]
        for series in dict.fromkeys((WHOLE, *self._totals.series())):
            counts = [_Counts(totals, series, totals.counts(series)) for totals, _ in windows]
            for metric, currency in self._asked(series, counts):
                pairs = [
                    (_estimate(metric, currency, one.now), _estimate(metric, currency, one.before))
                    for one in counts
                ]
                if _always(series, currency) or any(now.n or old.n for now, old in pairs):
                    for (_, at), (now, before) in zip(windows, pairs, strict=True):
                        key = _key(metric, at.window, series, currency)
                        old, incomplete = self._comparable(at.window, metric, now, before)
                        reading = Reading(
                            key, at, metric, series, currency, now, old, incomplete=incomplete
                        )
                        rows[key] = reading.row(revision)
        return dict(sorted(rows.items()))

    def _news_over(
        self, totals: WindowTotals, at: At, changed: set[str], changed_before: set[str]
    ) -> Iterator[Reading]:
        """What is new over one window, of the series that changed in it or in the one before."""
        known = {series: self._known_of(at.window, series) for series in changed}
        anew: list[str] = []
        as_before: list[str] = []
        alone = totals.counted_alone(changed)
        for series, one in known.items():
            one.alone = series in alone
            if series in changed_before or not one.alone:
                one.before = None
            (anew if one.before is None else as_before).append(series)
        for some in _parts(anew):
            read = some, totals.counts_of(some), totals.previous_counts_of(some)
            for series, now, before in zip(*read, strict=True):
                counts = _Counts(totals, series, now, before)
                yield from self._news_of(totals, at, series, counts, known[series])
        for some in _parts(as_before):
            for series, now in zip(some, totals.counts_of(some), strict=True):
                counts = _Counts(totals, series, now)
                yield from self._news_of(totals, at, series, counts, known[series])

    def _news_of(
        self, totals: WindowTotals, at: At, series: str, counts: _Counts, known: _Known
    ) -> Iterator[Reading]:
        """What one series says that is new, over one window."""
        said, provisional = self._said, at.provisional
        for metric, currency, now, before in self._estimates(totals, series, counts, known):
            key = _key(metric, at.window, series, currency)
            last = said.get(key)
            if last is None and not (now.n or before.n or _always(series, currency)):
                continue
            old, incomplete = self._comparable(at.window, metric, now, before)
            says = (*now[:4], *old[:4], provisional, incomplete)
            if last != says:
                said[key] = says
                known.said.add(metric.name)
                yield Reading(key, at, metric, series, currency, now, old, incomplete)

    def _estimates(
        self, totals: WindowTotals, series: str, counts: _Counts, known: _Known
    ) -> Iterator[tuple[Metric, str | None, Estimate, Estimate]]:
        counted = totals.families(series)
        said_before = known.before
        if said_before is None:
            said_before = {}
            if known.alone:
                known.before = said_before
            else:  # what is beside counters may change with time alone
                counted = counted | _beside(counts.now) | _beside(counts.before)
        is_whole = series == WHOLE
        metrics = self._metrics if is_whole else known.metrics(counted, self._relevance)
        now = counts.now
        for metric in metrics:
            name = metric.name
            if is_whole and self._says_nothing(metric, counted):
                nothing = self._of_nothing[name]
                yield metric, None, nothing, nothing
                continue
            if not metric.per_currency:
                before = said_before.get(name)
                if before is None:
                    before = said_before[name] = metric.compute(counts.before)
                yield metric, None, metric.compute(now), before
                continue
            asked = self._asked_in(metric, series, counts.currencies(metric, before=False))
            if name not in said_before:
                said_before[name] = _UNKNOWN  # its currencies are known from now on
                self._asked_in(metric, series, counts.currencies(metric, before=True))
            for currency in asked:
                before = said_before.get((name, currency))
                if before is None:
                    before = metric.compute_for(counts.before, currency)
                    said_before[name, currency] = before
                yield metric, currency, metric.compute_for(now, currency), before

    def _says_nothing(self, metric: Metric, counted: frozenset[str]) -> bool:
        return not metric.per_currency and self._relevance.reads[metric.name].isdisjoint(counted)

    def _asked(
        self, series: str, windows: Iterable[_Counts]
    ) -> Iterator[tuple[Metric, str | None]]:
        for metric in self._metrics:
            if not metric.per_currency:
                yield metric, None
                continue
            for counts in windows:
                self._asked_in(metric, series, counts.currencies(metric, before=False))
                self._asked_in(metric, series, counts.currencies(metric, before=True))
            for currency in self._currencies[metric.name, series]:
                yield metric, currency

    def _asked_in(self, metric: Metric, series: str, found: Iterable[str]) -> Iterable[str]:
        """The currencies in which a metric is asked of a series, those found now included.

        One that left the window is asked for still, or its last reading would stay.
        """
        known = self._currencies.setdefault((metric.name, series), {})
        known.update(dict.fromkeys(found))
        return known

    def _comparable(
        self, window: str, metric: Metric, now: Estimate, before: Estimate
    ) -> tuple[Estimate, bool]:
        """The window before as far as it may be compared, and whether this one is incomplete."""
        lacking = self._wholeness.get(window)
        if not lacking:
            return _UNKNOWN if before.lacks else before, now.lacks
        whole = lacking.get(metric.name, NOTHING_LACKS)
        if whole.before or before.lacks:
            before = _UNKNOWN
        return before, whole.incomplete or now.lacks

    def _at(self, totals: WindowTotals, watermark_ms: int) -> At:
        return At(
            totals.window.name,
            totals.start_ms,
            totals.end_ms,
            watermark_ms,
            watermark_ms < totals.end_ms + self._lateness_ms,
            self._low_sample_under,
        )

    def _known_of(self, window: str, series: str) -> _Known:
        by_series = self._known[window]
        known = by_series.get(series)
        if known is None:
            known = by_series[series] = _Known()
        return known

    def _series_said(self, window: str) -> set[str]:
        """Every series that has a reading of this window."""
        return {series for series, known in self._known[window].items() if known.said}


def _parts(series: Sequence[str]) -> Iterator[Sequence[str]]:
    """A few series at a time."""
    for at in range(0, len(series), _READ_AT_ONCE):
        yield series[at : at + _READ_AT_ONCE]


def _estimate(metric: Metric, currency: str | None, counts: Counts) -> Estimate:
    return metric.compute(counts) if currency is None else metric.compute_for(counts, currency)


def _beside(counts: Counts) -> frozenset[str]:
    """The families that something beside the counters is known of."""
    if isinstance(counts, WindowCounts):
        return frozenset(counts.families_beside)
    return frozenset()


def _key(metric: Metric, window: str, series: str, currency: str | None) -> str:
    key = f"{metric.name}|{window}|{series}"
    return key if currency is None else f"{key}|{currency}"


def _always(series: str, currency: str | None) -> bool:
    return series == WHOLE and currency is None
