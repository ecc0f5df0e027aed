"""Readings over time, computed from the panes that are stored.

What is kept is known: a tier keeps its panes for twice its longest window, so the past of a window
begins one length of that before now. An answer says where. Nothing is stored for it, and nothing
is read but what the metric asks for.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from redis.asyncio import Redis

from processor.core.panes import Window, plan_windows, tiers_of
from processor.core.past import first_kept_ms, window_ends
from processor.metrics.asked import asked_of_nothing
from processor.metrics.catalogue import UnknownMetric, get
from processor.metrics.past import Point, Series
from processor.metrics.registry import Metric
from processor.monitor.filters import FilterError, parse_segment
from processor.monitor.history_reads import SeriesRead
from processor.settings import Settings
from processor.state.completeness import NEVER, WHOLE
from processor.state.history import StoredHistory, StoredPartition
from processor.state.keys import Keys
from schemas.events import EventType
from schemas.money import CURRENCIES
from schemas.readings import segment_key
from schemas.timestamps import format_rfc3339

POINTS_DEFAULT: Final = 120
POINTS_MAX: Final = 5_000
TIMEOUT_S: Final = 20.0
"""The longest that one answer may take."""

_CURSOR_PARTS: Final = 3
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
        limit: the most in one answer; the others follow by its cursor.
        cursor: of the answer before.
    """

    metric: str
    window: str
    segment: str = "all"
    currency: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    points: int = POINTS_DEFAULT
    limit: int = POINTS_MAX
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """An answer.

    Attributes:
        series: what it is of; without a currency where it is money and none was seen.
        segment: dimension values.
        step_ms: from one point to the next.
        known_from_ms: the first end of a window all of whose panes are still kept.
        points: oldest first.
        next: cursor of those that follow; ``None`` where none do.
    """

    series: Series
    segment: Mapping[str, str]
    step_ms: int
    known_from_ms: int
    points: list[Point]
    next: str | None = None

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
            "next": self.next,
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
        partitions, clock_ms, now_ms = await self.latest()
        tier = self._tiers[window.pane_ms]
        known_from_ms = first_kept_ms(tier, clock_ms) + window.size_ms
        if series.metric.per_currency and series.currency is None:
            series = await self._with_currency(series, segment)
        last_ms = window.end(now_ms)
        if query.to_ms is not None:
            last_ms = min(last_ms, query.to_ms - query.to_ms % window.pane_ms)
        first_ms = max(known_from_ms, query.from_ms or 0)
        if query.cursor is None:
            ends = window_ends(window, first_ms, last_ms, query.points)
        else:
            ends = _following(query.cursor, window, first_ms, last_ms)
        ends, following = ends[: query.limit], ends[query.limit :]
        cursor = f"{following[0]}.{following.step}.{following[-1]}" if following else None
        answer = Past(series, segment, ends.step, known_from_ms, [], cursor)
        lacks_currency = series.metric.per_currency and series.currency is None
        if not clock_ms or not ends or lacks_currency:
            return answer
        read = self.read(series, partitions, ends, clock_ms)
        found = await read.points(
            await self._names_of_currencies(series),
            whole_from_ms=await self.whole_from_ms(series.metric, partitions),
            low_sample_under=self._low_sample_under,
        )
        return replace(answer, points=found)

    async def latest(self) -> tuple[list[StoredPartition], int, int]:
        """All partitions, their latest event clock, and the time at which live windows end."""
        partitions = await self.stored.partitions(self._topics)
        clock_ms = max((p.clock_ms for p in partitions), default=0)
        return partitions, clock_ms, min(clock_ms, self._now_ms())

    def read(
        self, series: Series, partitions: Iterable[StoredPartition], ends: range, clock_ms: int
    ) -> SeriesRead:
        """What will read the panes of a series.

        Args:
            series: whose panes.
            partitions: all there are.
            ends: of the windows.
            clock_ms: the latest event clock.
        """
        topics = self._topics_of(series.metric)
        ours = [partition for partition in partitions if partition.topic in topics]
        latest_ms = series.window.end(clock_ms)
        return SeriesRead(self.stored, series, ours, ends, latest_ms=latest_ms)

    def _topics_of(self, metric: Metric) -> set[str]:
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
        ours = self._topics_of(metric)
        if lacking & ours:
            return NEVER
        found = (p.completeness or WHOLE for topic in ours for p in by_topic[topic])
        return max((one.whole_from_ms for one in found), default=0)

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


def _following(cursor: str, window: Window, first_ms: int, last_ms: int) -> range:
    """The ends of windows that a cursor stands for, as far as they are known still.

    Raises:
        FilterError: it is not one of ours.
    """
    parts = cursor.split(".")
    if not all(re.fullmatch(r"[0-9]{1,15}", part) for part in parts) or len(parts) != _CURSOR_PARTS:
        raise FilterError("cursor", "not a cursor of a history: give back the one that came")
    begin_ms, step_ms, end_ms = map(int, parts)
    is_ours = step_ms and not step_ms % window.pane_ms and not begin_ms % window.pane_ms
    if not is_ours or (end_ms - begin_ms) // step_ms > POINTS_MAX:
        raise FilterError("cursor", "the cursor is of another query: give both back together")
    skipped = max(0, -(-(first_ms - begin_ms) // step_ms))
    return range(begin_ms + skipped * step_ms, min(end_ms, last_ms) + 1, step_ms)
