"""Readings over time, computed from the panes that are stored.

What is kept is known: a tier keeps its panes for twice its longest window, so the past of a window
begins one length of that before now. An answer says where. Nothing is stored for it, and nothing
is read but what the metric asks for.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from processor.core.panes import Window, plan_windows, tiers_of
from processor.core.past import PastPanes, first_kept_ms, window_ends
from processor.metrics.asked import Asked, Needs, asked_of_nothing
from processor.metrics.catalogue import UnknownMetric, get
from processor.metrics.past import Point, Series, points
from processor.metrics.registry import Metric
from processor.monitor.filters import FilterError, parse_segment
from processor.settings import Settings
from processor.state.completeness import NEVER, WHOLE
from processor.state.history import SeriesPanes, StoredHistory, StoredPartition
from processor.state.keys import Keys
from schemas.events import EventType
from schemas.money import CURRENCIES
from schemas.readings import segment_key
from schemas.timestamps import format_rfc3339

POINTS_DEFAULT: Final = 120
POINTS_MAX: Final = 5_000
TIMEOUT_S: Final = 20.0
"""The longest that one answer may take."""

_ROUNDS_MAX: Final = 8
_FRESH_MAX_S: Final = 5.0
_FRESH_OF_STEP: Final = 100
"""An answer stands for this part of the time between two points."""


class HistoryTooSlowError(TimeoutError):
    """An answer took too long; a shorter range, or another time, may do."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked.

    Attributes:
        metric: its name.
        window: its name.
        segment: as in a query, ``channel:email``; ``all`` for the whole.
        currency: of a metric in money; where there is one only, it need not be named.
        from_ms: no window ends before this; ``None`` for all that is known.
        to_ms: no window ends after this; ``None`` for the current one.
        points: about how many, at most.
    """

    metric: str
    window: str
    segment: str = "all"
    currency: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    points: int = POINTS_DEFAULT


@dataclass(frozen=True, slots=True)
class Past:
    """An answer.

    Attributes:
        series: what it is of; without a currency where it is money and none was seen.
        segment: dimension values.
        step_ms: from one point to the next.
        known_from_ms: the first end of a window all of whose panes are still kept.
        points: oldest first.
    """

    series: Series
    segment: Mapping[str, str]
    step_ms: int
    known_from_ms: int
    points: list[Point]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {
            "metric": self.series.metric.name,
            "window": self.series.window.name,
            "segment": dict(self.segment),
            "currency": self.series.currency,
            "unit": self.series.metric.unit,
            "step_s": self.step_ms // 1000,
            "known_from": format_rfc3339(self.known_from_ms),
            "points": self.points,
        }


class History:
    """Answers what readings were.

    Args:
        redis: a client with bounded time-outs; its owner closes it.
        keys: key names of the deployment.
        settings: the configuration.
        catalogue: the metrics in use, by name.
        now_ms: wall clock in milliseconds; no window ends past it.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        settings: Settings,
        catalogue: Mapping[str, Metric],
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.stored = StoredHistory(redis, keys)
        self.windows = {w.name: w for w in plan_windows(settings.engine.windows)}
        self.catalogue = catalogue
        self._tiers = {tier.pane_ms: tier for tier in tiers_of(tuple(self.windows.values()))}
        self._sets = {tuple(sorted(set(names))) for names in settings.engine.segments}
        self._low_sample_under = settings.engine.low_sample_under
        self._partitions = settings.kafka.partitions
        prefix = settings.kafka.topic_prefix
        self._topics = {prefix + t.topic: t for t in EventType if t in settings.kafka.types}
        self._now_ms = now_ms

    def subject(self, query: Query) -> tuple[Series, Mapping[str, str]]:
        """The series that is asked for, and its segment; its currency as in the query.

        Raises:
            FilterError: there is no such metric, window, segment set or currency.
        """
        try:
            metric = get(query.metric, self.catalogue)
        except UnknownMetric as error:
            raise FilterError("metric", str(error)) from None
        if query.window not in self.windows:
            known = ", ".join(self.windows)
            raise FilterError("window", f"no window {query.window!r}; configured are {known}")
        segment = self._segment(query.segment)
        if query.currency is not None:
            if not metric.per_currency:
                raise FilterError("currency", f"{metric.name} is not money: leave it out")
            if query.currency not in CURRENCIES:
                raise FilterError("currency", f"{query.currency!r} is no ISO 4217 currency")
        if query.from_ms is not None and query.to_ms is not None and query.from_ms > query.to_ms:
            raise FilterError("from", "from is after to")
        window = self.windows[query.window]
        return Series(metric, window, segment_key(segment), query.currency), segment

    def fresh_s(self, query: Query) -> float:
        """How long an answer stands, whatever is published meanwhile."""
        window = self.windows.get(query.window)
        step_ms = window.pane_ms if window else 0
        return min(step_ms / 1000 / _FRESH_OF_STEP, _FRESH_MAX_S)

    async def past(self, query: Query) -> Past:
        """Compute an answer.

        Raises:
            FilterError: the query cannot be meant.
            HistoryTooSlowError: it took too long.
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._past(query)
        except TimeoutError:
            raise HistoryTooSlowError(
                f"the history took longer than {TIMEOUT_S:.0f} s: ask for a shorter range"
            ) from None

    async def _past(self, query: Query) -> Past:
        series, segment = self.subject(query)
        window = series.window
        partitions = await self.stored.partitions(self._topics)
        clock_ms = max((p.clock_ms for p in partitions), default=0)
        now_ms = min(clock_ms, self._now_ms())
        tier = self._tiers[window.pane_ms]
        known_from_ms = first_kept_ms(tier, clock_ms) + window.size_ms
        if series.metric.per_currency and series.currency is None:
            series = await self._with_currency(series, segment)
        last_ms = window.end(now_ms)
        if query.to_ms is not None:
            last_ms = min(last_ms, query.to_ms - query.to_ms % window.pane_ms)
        first_ms = max(known_from_ms, query.from_ms or 0)
        ends = window_ends(window, first_ms, last_ms, query.points)
        answer = Past(series, segment, ends.step, known_from_ms, [])
        lacks_currency = series.metric.per_currency and series.currency is None
        if not clock_ms or not ends or lacks_currency:
            return answer
        read = _Read(self, series, partitions, ends, window.end(clock_ms))
        answer.points.extend(await read.points(await self._names_of_currencies(series)))
        return answer

    async def counts_now(self, query: Query, asked: Asked) -> "Now":
        """What is stored of the current window, as far as it was asked for.

        Raises:
            FilterError: the query cannot be meant.
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        series, segment = self.subject(query)
        window = series.window
        partitions = await self.stored.partitions(self._topics)
        clock_ms = max((p.clock_ms for p in partitions), default=0)
        end_ms = window.end(min(clock_ms, self._now_ms()))
        read = _Read(self, series, partitions, range(end_ms, end_ms + 1), window.end(clock_ms))
        panes = await read.panes(asked.needs()) if clock_ms else PastPanes()
        return Now(series, segment, end_ms, panes)

    def topics_of(self, metric: Metric) -> set[str]:
        """The topics that the measures of a metric come from."""
        return {topic for topic, kind in self._topics.items() if kind in metric.event_types}

    async def whole_from_ms(self, metric: Metric, partitions: Iterable[StoredPartition]) -> int:
        """The time from which all events of a metric's types are counted.

        How many partitions a topic has is Kafka's to tell; of the publisher it is known whether
        there are any that nobody has stored anything of.
        """
        status = await self.stored.status()
        by_topic: dict[str, list[StoredPartition]] = {topic: [] for topic in self._topics}
        for partition in partitions:
            by_topic[partition.topic].append(partition)
        lacking: set[str] = set()
        if status["unclaimed"] or not status["revision"]:
            lacking = {
                topic
                for topic, found in by_topic.items()
                if sum(p.completeness is not None for p in found) < self._partitions
            }
            if not lacking and status["unclaimed"]:
                lacking = set(by_topic)  # some topic has more partitions than are configured
        ours = self.topics_of(metric)
        if lacking & ours:
            return NEVER
        found = (p.completeness or WHOLE for topic in ours for p in by_topic[topic])
        return max((one.whole_from_ms for one in found), default=0)

    @property
    def low_sample_under(self) -> int:
        """Fewer observations than this are flagged."""
        return self._low_sample_under

    def _segment(self, text: str) -> dict[str, str]:
        found = parse_segment(text)
        values: dict[str, str] = {}
        for name, value in found.values:
            if value is None:
                raise FilterError("segment", "a history is of one segment: name its value")
            values[name] = value
        if values and tuple(sorted(values)) not in self._sets:
            sets = "; ".join(",".join(names) for names in sorted(self._sets))
            raise FilterError(
                "segment",
                f"nothing is segmented by {','.join(sorted(values))}; configured are {sets}",
            )
        return values

    async def _with_currency(self, series: Series, segment: Mapping[str, str]) -> Series:
        found = await self.stored.currencies(
            [series.metric.name], self.windows, segment, CURRENCIES
        )
        if len(found) > 1:
            raise FilterError(
                "currency", f"{series.metric.name} is money: name one of {', '.join(found)}"
            )
        return Series(series.metric, series.window, series.key, found[0] if found else None)

    async def _names_of_currencies(self, series: Series) -> list[str]:
        """Those in use, where the metric searches for them; else none."""
        metric = series.metric
        if series.currency is not None or not asked_of_nothing(metric, None).searched:
            return []
        money = [
            one.name
            for one in self.catalogue.values()
            if one.per_currency and set(one.event_types) & set(metric.event_types)
        ]
        if not money or not (await self.stored.status())["revision"]:
            return list(CURRENCIES)  # nothing tells: all there are
        return await self.stored.currencies(money, self.windows, {}, CURRENCIES)


@dataclass(frozen=True, slots=True)
class Now:
    """What is stored of a current window.

    Attributes:
        series: what it is of.
        segment: dimension values.
        end_ms: where the window ends.
        panes: what was read.
    """

    series: Series
    segment: Mapping[str, str]
    end_ms: int
    panes: PastPanes


class _Read:
    """The reads of one answer: as many rounds as the metric asks for."""

    def __init__(
        self,
        history: History,
        series: Series,
        partitions: list[StoredPartition],
        ends: range,
        latest_ms: int,
    ) -> None:
        self._history = history
        self._series = series
        topics = history.topics_of(series.metric)
        self._all = partitions
        self._partitions = [p for p in partitions if p.topic in topics]
        self._ends = ends
        window: Window = series.window
        self._starts = range(max(0, ends[0] - window.size_ms), ends[-1], window.pane_ms)
        self._to_latest = range(self._starts[0], max(latest_ms, ends[-1]), window.pane_ms)

    async def panes(self, needs: Needs) -> PastPanes:
        """Read what is needed, bases up to the latest pane."""
        starts = self._to_latest if needs.bases else self._starts
        wanted = SeriesPanes(self._series.key, self._series.window.pane_ms, starts)
        return await self._history.stored.panes(self._partitions, wanted, needs)

    async def points(self, currencies: Iterable[str]) -> list[Point]:
        """The readings."""
        currencies = list(currencies)
        whole_from_ms = await self._history.whole_from_ms(self._series.metric, self._all)
        asked = asked_of_nothing(self._series.metric, self._series.currency)
        read, panes = Needs(), PastPanes()
        for _ in range(_ROUNDS_MAX):
            needs = asked.needs(currencies).without(read)
            if needs:
                panes.update(await self.panes(needs))
                read = read.with_(needs)
            # In a thread: samples of many panes take their time, and others have theirs.
            found, asked = await asyncio.to_thread(
                points,
                self._series,
                panes,
                self._ends,
                whole_from_ms=whole_from_ms,
                low_sample_under=self._history.low_sample_under,
            )
            if not asked.needs(currencies).without(read):
                return found
        raise AssertionError(f"{self._series.metric.name} asks for ever more")
