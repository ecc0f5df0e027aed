"""Looks at the worker from within its event loop, and asks its servers whether they answer.

Kafka is asked by a connection of its own where the logs of the claimed partitions end. So a broker
that is away is told from a consumer of ours that has died: to both nothing is fetched.
"""

import asyncio
import logging
import time
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError
from faust.types import TP
from redis.exceptions import RedisError

from processor.settings import Settings
from processor.state.redis_url import async_client
from processor.streaming.counters import WorkerCounters
from processor.streaming.health import Health
from processor.streaming.kafka import client_options
from processor.streaming.partitions import OwnedPartition, Partitions
from processor.streaming.progress import Answer, Attempt, PartitionProgress, Snapshot
from processor.streaming.transport import BatchConsumer, BatchingApp

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.25
_ASK_REDIS_S: Final = 1.0
_ASK_KAFKA_S: Final = 2.0
_ANSWER_WITHIN_S: Final = 3.0
_SLOW_S: Final = 3.0
"""A write that has waited this long for its first answer is shown."""

_TELL_AFTER_S: Final = 30.0
_TELL_EVERY_S: Final = 60.0


class Observer:
    """Shows the worker's state to its `Health`, and logs now and then why it is not ready.

    Args:
        health: where it is shown.
        app: whose consumer is looked at.
        partitions: what is counted.
        settings: the configuration.
        counters: where answers that do not come are counted.
    """

    def __init__(
        self,
        health: Health,
        app: BatchingApp,
        partitions: Partitions,
        settings: Settings,
        counters: WorkerCounters,
    ) -> None:
        self._health = health
        self._app = app
        self._partitions = partitions
        self._settings = settings
        self._counters = counters
        within_s = min(_ANSWER_WITHIN_S, settings.redis.timeout_s)
        url = settings.redis.url.get_secret_value()
        self._redis_client = async_client(url, timeout_s=within_s, retries=0)
        self._kafka_client: AIOKafkaConsumer | None = None
        self._redis = Answer()
        self._kafka = Answer()
        self._ends: dict[TP, int] = {}
        self._looks = 0
        self._unready_since: float | None = None
        self._told_at = 0.0

    # -- tasks, each until it is cancelled ------------------------------------------------------

    async def look_forever(self) -> None:
        """Show the state, again and again."""
        while True:
            self._health.show(self._snapshot())
            self._tell(time.monotonic())
            await asyncio.sleep(_LOOK_S)

    async def ask_redis_forever(self) -> None:
        """Ask Redis, again and again."""
        while True:
            try:
                await self._redis_client.ping()
                self._redis = Answer(None)
            except (RedisError, OSError, TimeoutError) as error:
                self._redis = Answer(_words(error))
                self._counters.failed("redis", error)
            await asyncio.sleep(_ASK_REDIS_S)

    async def ask_kafka_forever(self) -> None:
        """Ask Kafka where the logs end, again and again."""
        while True:
            try:
                await self._ask_kafka()
                self._kafka = Answer(None)
            except KafkaConnectionError as error:
                self._kafka = Answer(f"no connection to {self._settings.kafka.bootstrap}")
                self._counters.failed("kafka", error)
            except (KafkaError, OSError, TimeoutError) as error:
                self._kafka = Answer(_words(error))
                self._counters.failed("kafka", error)
            await asyncio.sleep(_ASK_KAFKA_S)

    async def close(self) -> None:
        """Disconnect; its tasks have ended."""
        await self._redis_client.aclose()
        await self._disconnect_kafka()

    # -- what is seen ---------------------------------------------------------------------------

    def _snapshot(self) -> Snapshot:
        if self._app.crash_reason is not None:
            self._health.fail(self._app.crash_reason)
        self._looks += 1
        consumer = self._consumer()
        assigned = set() if consumer is None else self._assigned(consumer)
        owned = self._partitions.owned
        return Snapshot(
            number=self._looks,
            joined=bool(assigned) or self._app.unassigned,
            rebalancing=self._app.rebalancing,
            unclaimed=tuple(f"{tp.topic}-{tp.partition}" for tp in sorted(assigned - set(owned))),
            partitions=()
            if consumer is None
            else tuple(self._progress(partition, consumer) for partition in owned.values()),
            attempts=tuple(
                Attempt(a.name, a.of, a.began_at, a.error)
                for a in self._partitions.attempts
                if a.error is not None or time.monotonic() - a.began_at > _SLOW_S
            ),
            redis=self._redis,
            kafka=self._kafka,
        )

    def _consumer(self) -> BatchConsumer | None:
        consumer = self._app.consumer
        return consumer if isinstance(consumer, BatchConsumer) and consumer.connected else None

    def _assigned(self, consumer: BatchConsumer) -> set[TP]:
        return {tp for tp in consumer.assignment() if consumer.is_batched(tp.topic)}

    def _progress(self, partition: OwnedPartition, consumer: BatchConsumer) -> PartitionProgress:
        tp, counted, stored = partition.tp, partition.next_offset, partition.store.offset
        fetched, position = consumer.fetched(tp) or (counted, counted)
        end = self._ends.get(tp, position)
        lag = consumer.lag(tp, counted if stored is None else stored)
        if position < end:
            lag = max(lag, end - (counted if stored is None else stored))
        return PartitionProgress(
            name=partition.store.name,
            chain=partition.chain,
            stored=stored,
            counted=counted,
            fetched=fetched,
            position=position,
            end=end,
            lag=lag,
            lost=partition.lost,
            topic=tp.topic,
            partition=tp.partition,
            open_sessions=partition.engine.open_sessions,
        )

    # -- asking Kafka ---------------------------------------------------------------------------

    async def _ask_kafka(self) -> None:
        partitions = set(self._partitions.owned)
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S + 1):
                client = await self._connected_kafka()
                if not partitions:
                    await client.topics()
                    return
                asked = [TopicPartition(tp.topic, tp.partition) for tp in partitions]
                ends = await client.end_offsets(asked)
        except BaseException:
            # A connection that is in doubt is not asked again.
            await self._disconnect_kafka()
            raise
        self._ends = {TP(tp.topic, tp.partition): end for tp, end in ends.items()}

    async def _connected_kafka(self) -> AIOKafkaConsumer:
        if self._kafka_client is None:
            options = client_options(self._settings.kafka)
            options["request_timeout_ms"] = int(_ANSWER_WITHIN_S * 1000)
            # Without a group it fetches nothing. Open transactions are not waited for: their
            # records are not to be counted yet.
            client = AIOKafkaConsumer(**options, isolation_level="read_committed")
            self._kafka_client = client
            await client.start()
        return self._kafka_client

    async def _disconnect_kafka(self) -> None:
        client, self._kafka_client = self._kafka_client, None
        if client is not None:
            await client.stop()

    # -- telling --------------------------------------------------------------------------------

    def _tell(self, now: float) -> None:
        report = self._health.ready()
        since = self._unready_since
        if report.ok:
            if since is not None and self._told_at >= since:
                log.info("ready again after %.0f s", now - since)
            self._unready_since = None
        elif since is None:
            self._unready_since = now
        elif now - max(since + _TELL_AFTER_S - _TELL_EVERY_S, self._told_at) >= _TELL_EVERY_S:
            log.warning("not ready for %.0f s: %s", now - since, report.failures())
            self._told_at = now


def _words(error: BaseException) -> str:
    if isinstance(error, KafkaTimeoutError) or (isinstance(error, TimeoutError) and not str(error)):
        return f"not within {_ANSWER_WITHIN_S:.0f} s"
    return " ".join(str(error).split()) or type(error).__name__
