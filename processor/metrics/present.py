"""From rolling totals to readings: the last step, where ratios and means come to be.

A reading is published when what it says has changed: value, sample, interval, the window before.
That a window slid on without a change in it says nothing new, so it is not.

A window is *whole* when it begins no earlier than the time from which all events of the metric's
types are counted::

        lacking        complete_from     whole
    ------------------------|-----------------------------> event time
            [ before )[ now )                               incomplete, nothing to compare with
                  [ before )[ now )                         whole, nothing to compare with
                            [ before )[ now )               whole
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from processor.core.estimate import Counts, Estimate
from processor.core.totals import RollingTotals, WindowTotals
from processor.metrics.intervals import CONFIDENCE, differs
from processor.metrics.reads import Relevance, families_of
from processor.metrics.registry import Metric
from schemas.readings import WHOLE, parse_segment_key, reading_key
from schemas.timestamps import format_rfc3339

Row = dict[str, Any]
"""A reading as JSON-ready fields, in the contract's order."""


_Says = tuple[Any, ...]

_UNKNOWN: Final = Estimate(value=None, n=0)
"""Of a window that may lack events: nothing is compared with it."""


class _Wholeness(NamedTuple):
    """Which of a metric's two windows may lack events."""

    incomplete: bool
    before: bool


_WHOLE: Final = _Wholeness(incomplete=False, before=False)


class _Counts(NamedTuple):
    """What is known of a series over a window and the one before it."""

    now: Counts
    before: Counts

    def estimates(self, metric: Metric, currency: str | None) -> tuple[Estimate, Estimate]:
        """What a metric says of either."""
        if currency is None:
            return metric.compute(self.now), metric.compute(self.before)
        return metric.compute_for(self.now, currency), metric.compute_for(self.before, currency)


class _Subject(NamedTuple):
    metric: Metric
    totals: WindowTotals
    series: str
    currency: str | None


class _Tick(NamedTuple):
    watermark_ms: int
    revision: int


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
        self._segments: dict[str, dict[str, str]] = {}
        self._keys: dict[tuple[str, str, str, str | None], str] = {}
        self._currencies: dict[tuple[str, str], dict[str, None]] = {}
        self._relevance = Relevance(self._metrics)
        self._names_said: dict[tuple[str, str], set[str]] = {}
        self._of_nothing = {m.name: m.compute({}) for m in self._metrics if not m.per_currency}
        self._greeted = False
        self.complete_from: Mapping[str, int] = {}
        self._wholeness: dict[str, dict[str, _Wholeness]] = {}

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
                self._names_said.setdefault((window, series), set()).add(metric)
                if currency:
                    self._currencies.setdefault((metric, series), {})[currency[0]] = None

    def changed(self, watermark_ms: int, revision: int) -> dict[str, Row]:
        """Readings that say something new since the last call, by key."""
        tick = _Tick(watermark_ms, revision)
        rows: dict[str, Row] = {}
        for totals in self._totals.totals:
            changed = set(totals.changed)
            totals.changed.clear()
            if not self._greeted:
                changed.add(WHOLE)
            wholeness = self._wholeness_of(totals)
            if wholeness != self._wholeness.get(totals.window.name, {}):
                self._wholeness[totals.window.name] = wholeness
                changed.update(self._series_said(totals.window.name))
            for series in changed:
                for metric, currency, now, before in self._estimates(totals, series):
                    key = self._key(metric.name, totals.window.name, series, currency)
                    if not (now.n or before.n or key in self._said or _always(series, currency)):
                        continue
                    whole = wholeness.get(metric.name, _WHOLE)
                    says = (
                        *_said(now),
                        *_said(_compared(before, whole)),
                        self._is_provisional(totals, watermark_ms),
                        whole.incomplete or now.lacks,
                    )
                    if self._said.get(key) != says:
                        self._said[key] = says
                        names = self._names_said.setdefault((totals.window.name, series), set())
                        names.add(metric.name)
                        subject = _Subject(metric, totals, series, currency)
                        rows[key] = self._row(subject, now, before, tick)
        self._greeted = True
        return rows

    def everything(self, watermark_ms: int, revision: int) -> dict[str, Row]:
        """Every reading there is, by key in order.

        A metric that was observed in one window of a segment has a reading in all of them, and
        the whole has one of every metric, ``null`` where nothing was observed.
        """
        tick = _Tick(watermark_ms, revision)
        rows: dict[str, Row] = {}
        windows = self._totals.totals
        for series in dict.fromkeys((WHOLE, *self._totals.series())):
            counts = [_counts(totals, series) for totals in windows]
            for metric, currency in self._asked(self._metrics, series, counts):
                pairs = [
                    (totals, *counted.estimates(metric, currency))
                    for totals, counted in zip(windows, counts, strict=True)
                ]
                if _always(series, currency) or any(now.n or old.n for _, now, old in pairs):
                    for totals, now, before in pairs:
                        key = self._key(metric.name, totals.window.name, series, currency)
                        subject = _Subject(metric, totals, series, currency)
                        rows[key] = self._row(subject, now, before, tick)
        return dict(sorted(rows.items()))

    def _wholeness_of(self, totals: WindowTotals) -> dict[str, _Wholeness]:
        """The metrics whose windows may lack events, by name; none in the usual case."""
        start_ms, size_ms = totals.start_ms, totals.window.size_ms
        lacking = {t: ms for t, ms in self.complete_from.items() if ms > max(0, start_ms - size_ms)}
        if not lacking:
            return {}
        found = {}
        for metric in self._metrics:
            from_ms = max(lacking.get(event_type, 0) for event_type in metric.event_types)
            if from_ms:
                found[metric.name] = _Wholeness(from_ms > max(0, start_ms), before=True)
        return found

    def _series_said(self, window: str) -> set[str]:
        """Every series that has a reading of this window."""
        parts = (key.split("|") for key in self._said)
        return {series for _, name, series, *_ in parts if name == window}

    def _estimates(
        self, totals: WindowTotals, series: str
    ) -> Iterator[tuple[Metric, str | None, Estimate, Estimate]]:
        counts = _counts(totals, series)
        counted = families_of(counts.now) | families_of(counts.before)
        metrics: Sequence[Metric] = self._metrics
        if series != WHOLE:
            said = self._names_said.get((totals.window.name, series), ())
            metrics = self._relevance.of(counted, said)
        for metric, currency in self._asked(metrics, series, (counts,)):
            reads = self._relevance.reads[metric.name]
            nothing = self._of_nothing.get(metric.name)
            if nothing is not None and reads is not None and reads.isdisjoint(counted):
                yield metric, currency, nothing, nothing
            else:
                yield metric, currency, *counts.estimates(metric, currency)

    def _asked(
        self, metrics: Iterable[Metric], series: str, windows: Iterable[_Counts]
    ) -> Iterator[tuple[Metric, str | None]]:
        for metric in metrics:
            if not metric.per_currency:
                yield metric, None
                continue
            # A currency that left the window is asked for still, or its last reading would stay.
            known = self._currencies.setdefault((metric.name, series), {})
            for now, before in windows:
                known.update(dict.fromkeys(metric.currencies(now)))
                known.update(dict.fromkeys(metric.currencies(before)))
            for currency in known:
                yield metric, currency

    def _is_provisional(self, totals: WindowTotals, watermark_ms: int) -> bool:
        return watermark_ms < totals.end_ms + self._lateness_ms

    def _key(self, metric: str, window: str, series: str, currency: str | None) -> str:
        parts = (metric, window, series, currency)
        key = self._keys.get(parts)
        if key is None:
            key = self._keys[parts] = reading_key(metric, window, self._segment(series), currency)
        return key

    def _segment(self, series: str) -> dict[str, str]:
        segment = self._segments.get(series)
        if segment is None:
            segment = self._segments[series] = parse_segment_key(series)
        return segment

    def _row(self, subject: "_Subject", now: Estimate, before: Estimate, tick: "_Tick") -> Row:
        metric, totals, series, currency = subject
        watermark_ms, revision = tick
        whole = self._wholeness.get(totals.window.name, {}).get(metric.name, _WHOLE)
        before = _compared(before, whole)
        row: Row = {
            "metric": metric.name,
            "window": totals.window.name,
            "segment": self._segment(series),
        }
        if currency is not None:
            row["currency"] = currency
        comparable = now.value is not None and before.value is not None
        row.update(
            value=now.value,
            unit=metric.unit,
            n=now.n,
            low=now.low,
            high=now.high,
            confidence=CONFIDENCE if metric.interval else None,
            low_sample=now.n < self._low_sample_under,
            window_start=_time(max(0, totals.start_ms)),
            window_end=_time(totals.end_ms),
            previous=before.value,
            change=now.value - before.value if comparable else None,  # type: ignore[operator]
            significant=differs(now, before),
            provisional=self._is_provisional(totals, watermark_ms),
            incomplete=whole.incomplete or now.lacks,
            revision=revision,
            as_of=_time(watermark_ms),
        )
        return row


def _counts(totals: WindowTotals, series: str) -> _Counts:
    return _Counts(totals.counts(series), totals.previous_counts(series))


@lru_cache(256)  # a tick's readings share their times
def _time(ms: int) -> str:
    return format_rfc3339(ms)


def _always(series: str, currency: str | None) -> bool:
    return series == WHOLE and currency is None


def _compared(before: Estimate, whole: _Wholeness) -> Estimate:
    """What a window is compared with: nothing, where that may lack events."""
    return _UNKNOWN if whole.before or before.lacks else before


def _said(estimate: Estimate) -> _Says:
    return estimate.value, estimate.n, estimate.low, estimate.high
