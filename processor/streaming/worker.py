"""One worker put together: Redis, Kafka, table, partitions, publisher. Where the parts meet."""

import asyncio
import logging
import math
import secrets
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from os import getpid
from typing import Any, Final

from aiokafka.errors import KafkaError
from faust.types import TP
from redis.asyncio import Redis
from redis.exceptions import RedisError

from processor.core.panes import parse_duration_ms
from processor.core.segments import Segmentation
from processor.settings import Settings
from processor.state.base_register import BaseRegister
from processor.state.cancelling import cancel_until_done
from processor.state.customers import Remembering
from processor.state.keys import Keys
from processor.state.live import LiveReadings
from processor.state.partition import SegmentRegister
from processor.state.redis_url import async_client
from processor.state.replies import raw
from processor.state.table import PaneTable
from processor.streaming.alerts import Alerts
from processor.streaming.bounded import start_producer, stop_producer, within
from processor.streaming.counters import WorkerCounters
from processor.streaming.deadletter import DeadLetters
from processor.streaming.fetching import RecordBatch
from processor.streaming.health import Health
from processor.streaming.health_server import HealthServer, health_routes
from processor.streaming.interpreter import tune_interpreter
from processor.streaming.kafka import client_options, durable_producer, readings_producer
from processor.streaming.metrics_page import metrics_route
from processor.streaming.observer import Observer
from processor.streaming.partitions import Partitions
from processor.streaming.publisher import Publisher
from processor.streaming.said import keys_in
from processor.streaming.signals import Signals
from processor.streaming.telling import dispatcher
from processor.streaming.topics import create_missing, event_topics
from processor.streaming.transport import BatchConsumer, BatchingApp

log = logging.getLogger(__name__)

_STOP_S: Final = 5.0
_SEND_S: Final = 3.0
"""For dead letters that are under way at a stop: their records are read again, if they fail."""


def wall_clock_ms() -> int:
    """Now, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


async def identity_key(redis: Redis, keys: Keys, settings: Settings) -> bytes:
    """The key of identifiers' hashes: configured, or made once for all workers."""
    if settings.worker.replay:
        return b""  # as in one process: which identities a sample keeps follows from the key
    if settings.privacy.hash_key is not None:
        return settings.privacy.hash_key.get_secret_value().encode()[:64]
    await share_identity_key(redis, keys, settings, secrets.token_bytes(32))
    return raw(await redis.get(keys.identity_key))


async def share_identity_key(redis: Redis, keys: Keys, settings: Settings, key: bytes) -> None:
    """Write the key for all workers where there is none; one that is configured is not stored."""
    if settings.privacy.hash_key is None and not settings.worker.replay:
        await redis.set(keys.identity_key, key, nx=True)


class Worker:
    """Everything one worker process runs beside Faust itself.

    Args:
        settings: the configuration.
        now_ms: wall clock in milliseconds.

    Attributes:
        health: what it shows of itself to other threads.
        counters: what it counts of its own work.

    Raises:
        ConfigurationError: a metric of one's own cannot be, or a rule watches what is not there.
    """

    def __init__(self, settings: Settings, *, now_ms: Callable[[], int] = wall_clock_ms) -> None:
        self.settings = settings
        self.health = Health(settings.worker.ready_lag_max)
        self.topics = event_topics(settings.kafka)
        self.counters = WorkerCounters(self.topics.values())
        self.name = f"{socket.gethostname()}:{getpid()}:{secrets.token_hex(4)}"
        self._now_ms = now_ms
        self._own = settings.own_metrics()
        self._metrics = settings.catalogue(self._own)
        self._rules = settings.rules(self._metrics)
        self._partitions: Partitions | None = None
        self._publisher: Publisher | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stop_clients: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._server: HealthServer | None = None

    def serve_health(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer health checks from now on, where they are configured; once is enough.

        Args:
            loop: the one that the worker runs on, or will.

        Raises:
            OSError: the port is taken, or the host is not ours.
        """
        settings = self.settings.worker
        if self.health.beat:
            return
        self.health.beat_on(loop)
        if settings.health_port is not None:
            routes = health_routes(self.health) | metrics_route(self.health, self.counters)
            self._server = HealthServer(settings.health_host, settings.health_port, routes).start()

    @property
    def partitions(self) -> Partitions:
        """The partitions of a worker that was started."""
        if self._partitions is None:
            raise RuntimeError("the worker was not started")
        return self._partitions

    @property
    def started(self) -> bool:
        """Whether :meth:`start` has run."""
        return self._partitions is not None

    @property
    def publisher(self) -> Publisher:
        """The publisher of a worker that was started."""
        if self._publisher is None:
            raise RuntimeError("the worker was not started")
        return self._publisher

    async def start(self, app: BatchingApp) -> None:
        """Connect, create what topics are missing, and start flushing and publishing.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses.
            aiokafka.errors.KafkaError: the broker is away or refuses.
        """
        settings = self.settings
        replays = settings.worker.replay
        self.serve_health(asyncio.get_running_loop())
        if self._server is not None:
            log.info("health checks on %s:%d", settings.worker.health_host, self._server.port)
        self.health.starting("connecting to Redis")
        url = settings.redis.url.get_secret_value()
        redis = async_client(url, timeout_s=settings.redis.timeout_s)
        keys = Keys(settings.redis.prefix)
        config = settings.engine.config(await identity_key(redis, keys, settings))
        self.health.starting("connecting to Kafka")
        created = await create_missing(
            settings.kafka, client_options(settings.kafka), None if replays else settings.alerting
        )
        if created:
            log.info("created topics: %s", ", ".join(created))
        letters = durable_producer(settings.kafka)
        await start_producer(letters, settings.kafka.request_timeout_s)
        segmentation = Segmentation(config.segment_sets, config.segment_cap)
        self._partitions = Partitions(
            topics=self.topics,
            config=config,
            table=PaneTable(
                app,
                client=redis,
                url=url,
                keys=keys,
                tiers=config.tiers,
                remembering=Remembering(config.customer_ttl_ms, config.customers_max),
            ),
            base_register=BaseRegister(
                redis,
                keys,
                detail_ms=config.base_detail_ms,
                too_late_ms=config.too_late_after_ms,
            ),
            register=SegmentRegister(redis, keys, segmentation.sets, segmentation.cap),
            segmentation=segmentation,
            dead_letters=DeadLetters(letters),
            owner=self.name,
            flush_interval_s=settings.redis.flush_interval_s,
            idle_after_s=(
                math.inf if replays else parse_duration_ms(settings.engine.idle_after) / 1000
            ),
            now_ms=self._now_ms,
            rehearses=replays,
            put_back=partial(share_identity_key, redis, keys, settings, config.identity_key),
            own=self._own,
            counters=self.counters,
        )
        self._publisher = Publisher(
            redis=redis,
            keys=keys,
            config=config,
            metrics=self._metrics,
            topics=self.topics,
            holder=self.name,
            topic=settings.kafka.readings_topic,
            new_producer=lambda: readings_producer(settings.kafka),
            keys_in_topic=lambda: keys_in(
                settings.kafka.readings_topic, client_options(settings.kafka)
            ),
            interval_s=settings.publisher.interval_s,
            lease_ttl_s=settings.publisher.lease_ttl_s,
            low_sample_under=settings.engine.low_sample_under,
            alerts=Alerts(
                self._rules,
                redis=redis,
                keys=keys,
                signals=Signals(LiveReadings(redis, keys), self.topics),
                min_samples=settings.engine.low_sample_under,
                stale_after_ms=parse_duration_ms(settings.alerting.stale_after),
            ),
            now_ms=self._now_ms,
            counters=self.counters,
        )
        observer = Observer(self.health, app, self._partitions, settings, self.counters)
        self._tasks = [
            asyncio.create_task(self._partitions.flush_forever(), name="flush"),
            asyncio.create_task(self._partitions.watch_topics(asyncio.sleep), name="watch topics"),
            asyncio.create_task(observer.look_forever(), name="observe"),
            asyncio.create_task(observer.ask_redis_forever(), name="ask Redis"),
            asyncio.create_task(observer.ask_kafka_forever(), name="ask Kafka"),
        ]
        if not replays:  # whose readings are taken by whoever replays
            publishing = self._publisher.run_forever(asyncio.sleep)
            self._tasks.append(asyncio.create_task(publishing, name="publish"))
            telling = dispatcher(
                settings,
                redis=redis,
                keys=keys,
                now_ms=self._now_ms,
                registry=self.counters.registry,
            ).run_forever(lambda: self.publisher.leads, asyncio.sleep)
            self._tasks.append(asyncio.create_task(telling, name="notify"))
        for task in self._tasks:
            task.add_done_callback(lambda done: _end_with(app, done))
        send_rest = partial(stop_producer, letters, _SEND_S)
        self._stop_clients = [send_rest, redis.aclose, observer.close]
        tune_interpreter()

    async def stop(self) -> None:
        """Flush what is counted, let another publish, and disconnect; bounded in time."""
        await cancel_until_done(self._tasks)
        self._tasks = []
        if self._partitions is not None:
            try:
                await within(_STOP_S, self._partitions.flush_all(), "flushing")
            except TimeoutError as error:
                log.warning("%s: the rest is counted after the next start", error)
            self._partitions.release(self._partitions.owned)
        if self._publisher is not None:
            await self._publisher.stand_down()
        stops, self._stop_clients = self._stop_clients, []
        for stop in stops:
            try:
                await within(_STOP_S, stop(), "disconnecting")
            except (KafkaError, RedisError, OSError, TimeoutError) as error:
                log.warning("a connection was not ended in order: %r", error)

    # -- what the agents and the transport ask --------------------------------------------------

    async def process(self, batch: RecordBatch) -> None:
        """Count a batch."""
        await self.partitions.process(batch)

    def keeps(self, topic: str) -> bool:
        """Whether the topic is a batch topic."""
        return topic in self.topics

    async def claim(self, assigned: set[TP], consumer: BatchConsumer) -> Mapping[TP, int]:
        """Take partitions over: where to read each from."""
        return await self.partitions.claim(assigned, consumer)

    def claimed(self, tp: TP, chain: int) -> None:
        """Batches of this chain are the ones that follow the claim."""
        self.partitions.claimed(tp, chain)

    def unclaimed(self) -> None:
        """The claim was given up before its end: it is made again."""
        self.partitions.unclaimed()

    def stored_offset(self, tp: TP) -> int | None:
        """The next offset of what is safely stored."""
        return None if self._partitions is None else self._partitions.stored_offset(tp)


def _end_with(app: BatchingApp, task: "asyncio.Task[None]") -> None:
    """A background task that fails ends the worker, loudly."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the %s task failed: %r", task.get_name(), error)
        app.add_future(app.crash(error))
