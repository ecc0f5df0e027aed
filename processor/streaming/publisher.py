"""The publisher: one leader merges all partitions and publishes what changed, tick by tick.

Every worker runs one; the lease in Redis says which of them leads. A tick goes to Redis first, in
one script that checks the lease and the revision, and then to the readings topic in a transaction
of one transactional id, so a leader that lost its lease while it slept is refused by both.

A tick of very many readings is published slice by slice, each with a revision of its own: neither
Redis nor the event loop, on which events are counted, is held up by more than a slice. Alerts are
decided with the last one, when all readings of the tick are known.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from processor.alerting.evaluator import Evaluation
from processor.core.config import EngineConfig
from processor.core.totals import RollingTotals
from processor.metrics.present import Presenter, Reading, Row
from processor.metrics.registry import Metric
from processor.state.cancelling import cancel_until_done
from processor.state.keys import Keys
from processor.state.lease import Lease
from processor.state.pace import Pace
from processor.state.reader import StateReader
from processor.state.replies import text
from processor.state.scripts import Script, source
from processor.streaming.alerts import Alerts, script_arguments
from processor.streaming.bounded import start_producer, stop_producer, within
from processor.streaming.counters import WorkerCounters
from processor.streaming.readings_topic import ReadingsTopic
from schemas.events import EventType
from schemas.timestamps import format_rfc3339

log = logging.getLogger(__name__)

_T = TypeVar("_T")

UPDATES_LENGTH: Final = 1_000
"""Slices of ticks kept in the stream for live readers, or fewer where they are large."""

UPDATES_BYTES: Final = 32 * 1024 * 1024
"""Of all of those together, about."""

SLICE: Final = 4_096
"""Readings published at once: some two megabytes."""

_TURN: Final = 64
"""Readings computed between two looks at how long it took."""

_REST: Final = 0.25
"""Of a tick, how long there is none after it: one that is longer than its interval leaves time."""

_KAFKA_TIMEOUT_S: Final = 10.0
_TOPIC_READ_S: Final = 60.0
"""For all of the readings topic, which is compacted: tens of thousands of records a second."""

_STOP_S: Final = 2.0
"""Readings that were not published are computed again: they are not worth a late stop."""


class Publisher:
    """Publishes readings while it leads.

    Args:
        redis: a client with bounded time-outs.
        keys: key names of the deployment.
        config: the engine's configuration.
        metrics: the catalogue in use.
        topics: event type by topic: all partitions of these are merged, and no others.
        holder: names this process in the lease; unique.
        topic: the compacted readings topic.
        new_producer: makes a transactional producer, not started yet.
        keys_in_topic: the keys of all readings in the topic.
        interval_s: length of a tick.
        lease_ttl_s: how long the lease outlives its last renewal.
        low_sample_under: fewer observations than this are flagged.
        alerts: the rules over what is published.
        now_ms: wall clock in milliseconds; the event clock of live windows never passes it.
        counters: where ticks are counted.
    """

    def __init__(
        self,
        *,
        redis: Redis,
        keys: Keys,
        config: EngineConfig,
        metrics: Mapping[str, Metric],
        topics: Mapping[str, EventType],
        holder: str,
        topic: str,
        new_producer: Callable[[], AIOKafkaProducer],
        keys_in_topic: Callable[[], Coroutine[Any, Any, set[str]]],
        interval_s: float,
        lease_ttl_s: float,
        low_sample_under: int,
        alerts: Alerts,
        now_ms: Callable[[], int],
        counters: WorkerCounters | None = None,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._config = config
        self._metrics = metrics
        self._topics = topics
        self._topic = topic
        self._new_producer = new_producer
        self._keys_in_topic = keys_in_topic
        self._interval_s = interval_s
        self._low_sample_under = low_sample_under
        self._alerts = alerts
        self._now_ms = now_ms
        self._counters = counters or WorkerCounters(topics.values())
        self._lease = Lease(redis, keys, holder, int(lease_ttl_s * 1000))
        self._publish = Script(redis, source("publish"))
        self._producer: AIOKafkaProducer | None = None
        self._revision = 0
        self._stored_revision = 0
        self._view: _View | None = None
        self._said: frozenset[str] = frozenset()
        self._told_bytes: deque[int] = deque(maxlen=UPDATES_LENGTH)

    @property
    def leads(self) -> bool:
        """Whether this publisher held the lease at its last tick."""
        return self._view is not None

    @property
    def revision(self) -> int:
        """The revision of the last tick."""
        return self._revision

    async def run_forever(self, sleep: Callable[[float], Awaitable[object]]) -> None:
        """Hold or wait for the lease, and publish while it is held, until cancelled."""
        while True:
            began = asyncio.get_running_loop().time()
            try:
                changed = await self.tick()
                took_s = asyncio.get_running_loop().time() - began
                self._counters.ticked(changed if self.leads else None, took_s)
            except (RedisError, KafkaError, OSError, TimeoutError) as error:
                self._counters.failed(_server(error), error)
                log.warning("readings were not published: %r; starting afresh", error)
                await self.stand_down()
            elapsed = asyncio.get_running_loop().time() - began
            # A lease that runs out meanwhile would make the next tick load all panes afresh.
            rest_s = min(elapsed * _REST, self._lease.ttl_ms / 3000)
            await sleep(max(self._interval_s - elapsed, rest_s))

    async def tick(self) -> int:
        """Publish what changed, if the lease is ours; how many readings that was."""
        if not await self._lease.hold():
            await self._forget()
            return 0
        view = await self._while_holding(self._current_view())
        time_ms = min(view.reader.clock_ms, self._now_ms())
        watermark_ms = min(view.reader.watermark_ms, time_ms)
        if not time_ms:
            return 0
        view.presenter.complete_from = self._complete_from_ms(view)
        view.totals.advance(time_ms)
        news = view.presenter.news(watermark_ms)
        watched: list[Row] = []
        told, is_last = 0, False
        while not is_last:
            self._revision += 1
            rows = await self._while_holding(self._slice(news, watched))
            is_last = len(rows) < SLICE
            evaluation = Evaluation()
            if is_last:
                evaluation = await self._alerts.evaluate(
                    watched,
                    time_ms=time_ms,
                    watermark_ms=watermark_ms,
                    now_ms=self._now_ms(),
                    young=view.totals.young(),
                )
            if not await self._write_redis(rows, evaluation, view, time_ms, watermark_ms):
                log.info(
                    "the publisher's lease went to another worker, or Redis to an earlier state"
                )
                await self._forget()
                return told
            if rows:
                await within(_KAFKA_TIMEOUT_S, view.topic.write(rows), "publishing readings")
            told += len(rows)
        return told

    async def _slice(self, news: Iterator[Reading], watched: list[Row]) -> dict[bytes, bytes]:
        """The next readings as JSON by key; those that an alert watches are put by as rows."""
        rows: dict[bytes, bytes] = {}
        pace = Pace()
        for reading in news:
            rows[reading.key.encode()] = reading.text(self._revision).encode()
            if self._alerts.wants(reading.metric.name, reading.at.window, reading.series):
                watched.append(reading.row(self._revision))
            if len(rows) == SLICE:
                break
            if len(rows) % _TURN == 0:
                await pace.rest()
        return rows

    async def stand_down(self) -> None:
        """Stop publishing and let another worker lead at once."""
        await self._forget()
        try:
            await self._lease.release()
        except (RedisError, OSError) as error:
            log.warning("the lease could not be released and runs out by itself: %r", error)

    async def _while_holding(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Renew the lease during work that may take longer than it lasts: all panes, many readings.

        A lease that is lost meanwhile is noticed by the script that publishes.
        """
        task = asyncio.create_task(work)
        try:
            while not (await asyncio.wait([task], timeout=self._lease.ttl_ms / 3000))[0]:
                await self._lease.hold()
            return task.result()
        finally:
            await cancel_until_done([task])

    async def _current_view(self) -> "_View":
        view = self._view
        if (
            view is not None
            and view.epoch == self._lease.epoch  # else another may have led in between
            and await view.reader.follow(view.totals)
        ):
            return view
        if view is None:
            log.info("publishing: lease epoch %s", self._lease.epoch)
            stored = await self._redis.hget(self._keys.status, "revision")
            self._stored_revision = int(stored or 0)
            # The clock is ahead of any number of ticks: revisions grow even if Redis lost them.
            self._revision = max(self._stored_revision, self._now_ms())
            self._producer = self._new_producer()
            await start_producer(self._producer, _KAFKA_TIMEOUT_S)
            await self._learn_partitions(self._producer)
            if stored is None:  # readers of the topic have still what Redis has lost
                said = await within(_TOPIC_READ_S, self._keys_in_topic(), "reading the topic")
                self._said |= said
        else:
            log.warning("a flush was missed: loading all panes afresh")
            self._said = frozenset(view.presenter.said)
        view = self._new_view()
        if not await view.reader.follow(view.totals):
            raise TimeoutError("panes could not be loaded: their logs moved on meanwhile")
        readings = set(map(text, await self._redis.hkeys(self._keys.readings)))
        view.presenter.take_over(readings | self._said)
        await self._alerts.take_over()
        self._view = view
        return view

    def _new_view(self) -> "_View":
        totals = RollingTotals(self._config.windows)
        presenter = Presenter(
            self._metrics,
            totals,
            lateness_ms=self._config.lateness_ms,
            low_sample_under=self._low_sample_under,
        )
        reader = StateReader(self._redis, self._keys, self._topics)
        if self._producer is None:
            raise AssertionError("a leader has a producer")
        topic = ReadingsTopic(self._producer, self._topic)
        return _View(reader, totals, presenter, topic, self._lease.epoch)

    async def _learn_partitions(self, producer: AIOKafkaProducer) -> None:
        """Ask once how many partitions the topics have; aiokafka keeps the answer fresh."""
        for topic in self._topics:
            try:
                await asyncio.wait_for(producer.partitions_for(topic), _KAFKA_TIMEOUT_S)
            except UnknownTopicOrPartitionError:
                log.warning("there is no topic %s", topic)

    @property
    def _partitions(self) -> dict[str, int]:
        """How many partitions each topic has."""
        if self._producer is None:
            raise AssertionError("a leader has a producer")
        cluster = self._producer.client.cluster
        return {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in self._topics}

    def _complete_from_ms(self, view: "_View") -> dict[str, int]:
        """By event type the time from which all events are counted."""
        found: dict[str, int] = {}
        for topic, from_ms in view.reader.complete_from_ms(self._partitions).items():
            event_type = self._topics[topic]
            found[event_type] = max(found.get(event_type, 0), from_ms)
        return found

    async def _write_redis(
        self,
        rows: Mapping[bytes, bytes],
        evaluation: Evaluation,
        view: "_View",
        time_ms: int,
        watermark_ms: int,
    ) -> bool:
        status: dict[str, Any] = {
            "leader": self._lease.token,
            "as_of": format_rfc3339(watermark_ms),
            "clock": time_ms,
            "published_at": self._now_ms(),
            "open_sessions": view.reader.open_sessions,
            "rebuilding": view.reader.rebuilding,
            "unclaimed": sum(view.reader.unclaimed(self._partitions).values()),
        }
        arguments: list[Any] = [self._lease.token, self._lease.ttl_ms]
        arguments += (self._revision, self._stored_revision, 2 * len(status))
        for field, value in status.items():
            arguments += (field, value)
        arguments += (self._updates_length(rows), *script_arguments(evaluation))
        for key, row in rows.items():
            arguments += (key, row)
        keys = self._keys
        published = await self._publish(
            keys=[keys.lease, keys.status, keys.readings, keys.updates, keys.alerts, keys.outbox],
            args=arguments,
        )
        if published:
            self._stored_revision = self._revision
        return bool(published)

    def _updates_length(self, rows: Mapping[bytes, bytes]) -> int:
        """How many entries the stream keeps, with one of these readings."""
        if rows:
            self._told_bytes.append(sum(map(len, rows.values())))
        total = 0
        for length, size in enumerate(reversed(self._told_bytes)):
            total += size
            if total > UPDATES_BYTES:
                return max(1, length)
        return UPDATES_LENGTH

    async def _forget(self) -> None:
        if self._view is not None:
            self._said = frozenset(self._view.presenter.said)
        self._view = None
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                await stop_producer(producer, _STOP_S)
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("the readings producer did not stop cleanly: %r", error)


def _server(error: BaseException) -> str:
    if isinstance(error, RedisError):
        return "redis"
    return "kafka" if isinstance(error, KafkaError) else "unknown"


class _View:
    """Everything a leader holds in memory: made new at every takeover."""

    def __init__(
        self,
        reader: StateReader,
        totals: RollingTotals,
        presenter: Presenter,
        topic: ReadingsTopic,
        epoch: int,
    ) -> None:
        self.epoch = epoch
        self.reader = reader
        self.totals = totals
        self.presenter = presenter
        self.topic = topic
