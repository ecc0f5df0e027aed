"""Sends events and marks in the order of the replay, each once, also over an interruption.

Every record says how many events were sent up to it. The last record of a partition therefore
tells which of the events, in the same order again, it has already. ::

    partition 0   e1  e3  e4 |      sent again: those after 4
    partition 1   e2  e6 |          sent again: those after 6
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner
from faust.types import TP

from processor.core.config import EngineConfig
from processor.core.dedup import Deduplicator
from processor.core.panes import SECOND_MS
from processor.replay.routing import type_of
from processor.settings import KafkaSettings
from processor.streaming.kafka import client_options
from processor.streaming.marks import HEADER, Act, Mark, place_of
from schemas.events import EventType, kafka_key
from schemas.validators import fast_validator

_UNDER_WAY_MAX: Final = 5_000
_FETCH_MS: Final = 1_000
_MARK_KEY: Final = HEADER.encode()
"""The producer wants a value or a key."""

_partition_of = DefaultPartitioner()


def replay_producer(kafka: KafkaSettings) -> AIOKafkaProducer:
    """Keeps the order within a partition, and appends nothing twice."""
    return AIOKafkaProducer(
        **client_options(kafka),
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        max_batch_size=256 * 1024,
    )


class Sender:
    """Sends to the topics of the events' types.

    Args:
        producer: was started.
        topics: topic by event type.
        partitions: how many each topic has.
        config: the engine's configuration.
        places: how many events of the replay were sent up to the last record of a partition, for
            those that have any.

    Attributes:
        sent: events that are in the topics.
        dirty: partitions with records that no barrier follows yet.
        clock_ms: the second of the latest event, by event type.
        earliest_ms: the second of the earliest event, ``None`` before it.
    """

    def __init__(
        self,
        producer: AIOKafkaProducer,
        topics: Mapping[EventType, str],
        partitions: Mapping[str, int],
        config: EngineConfig,
        places: Mapping[TP, int],
    ) -> None:
        self._producer = producer
        self._topics = topics
        self._numbers = {topic: list(range(count)) for topic, count in partitions.items()}
        self._places = places
        self._last_place = max(places.values(), default=0)
        self._validators = {event_type: fast_validator(event_type) for event_type in EventType}
        self._generation_of = Deduplicator(config.dedup_horizon_ms).generation_of
        self._under_way: list[asyncio.Future[Any]] = []
        self.sent = 0
        self.dirty: set[TP] = set()
        self.clock_ms: dict[EventType, int] = {}
        self.earliest_ms: int | None = None

    @property
    def is_catching_up(self) -> bool:
        """Whether an earlier run has sent more than this one has come to."""
        return self.sent < self._last_place

    async def send(self, raw: bytes, time_ms: int) -> None:
        """Send a valid event.

        Args:
            raw: as it is in the log.
            time_ms: its `occurred_at`.

        Raises:
            aiokafka.errors.KafkaError: the broker is away, or refused an event.
        """
        event_type = type_of(raw)
        await self._follow(event_type, time_ms - time_ms % SECOND_MS)
        topic = self._topics[event_type]
        key = kafka_key(self._validators[event_type](raw)).encode()
        numbers = self._numbers[topic]
        tp = TP(topic, _partition_of(key, numbers, numbers))
        self.sent += 1
        self.dirty.add(tp)
        if self.sent > self._places.get(tp, 0):
            await self._append(tp, key, raw, b"%d" % self.sent)

    async def mark(self, act: Act, time_ms: int, tps: Collection[TP]) -> dict[TP, int]:
        """Send a barrier to partitions, and wait until Kafka has it and all before it.

        Returns:
            By partition the offset behind the mark.
        """
        value = Mark(act, time_ms, self.sent).encode()
        marks = {tp: await self._append(tp, _MARK_KEY, None, value) for tp in sorted(tps)}
        await self.acknowledged()
        self.dirty.clear()
        return {tp: sent.result().offset + 1 for tp, sent in marks.items()}

    async def acknowledged(self) -> None:
        """Wait until Kafka has all that was sent."""
        under_way, self._under_way = self._under_way, []
        if under_way:
            await asyncio.wait(under_way)
        # Every failure is fetched, or the loop would complain of those that nobody looked at.
        failures = [error for sent in under_way if (error := sent.exception()) is not None]
        if failures:
            raise failures[0]

    async def _follow(self, event_type: EventType, second_ms: int) -> None:
        """Where ids are forgotten is the same for all partitions of a type, however few it sees."""
        if self.earliest_ms is None or second_ms < self.earliest_ms:
            self.earliest_ms = second_ms
        clock_ms = self.clock_ms.get(event_type, 0)
        if second_ms <= clock_ms:
            return
        self.clock_ms[event_type] = second_ms
        if self._generation_of(second_ms) == self._generation_of(clock_ms):
            return
        value = Mark(Act.ADVANCE, second_ms, self.sent).encode()
        topic = self._topics[event_type]
        for number in self._numbers[topic]:
            tp = TP(topic, number)
            if self.sent >= self._places.get(tp, 0):
                await self._append(tp, _MARK_KEY, None, value)

    async def _append(
        self, tp: TP, key: bytes, value: bytes | None, header: bytes
    ) -> "asyncio.Future[Any]":
        if len(self._under_way) >= _UNDER_WAY_MAX:
            await self.acknowledged()
        sent: asyncio.Future[Any] = await self._producer.send(
            tp.topic, key=key, value=value, partition=tp.partition, headers=[(HEADER, header)]
        )
        self._under_way.append(sent)
        return sent


async def places_in(kafka: KafkaSettings, tps: Collection[TP]) -> dict[TP, int | None]:
    """What the last record of each partition says of the events sent up to it.

    Returns:
        Partitions that hold records; ``None`` for one whose last record is of no replay.

    Raises:
        aiokafka.errors.KafkaError: the broker is away.
    """
    consumer = AIOKafkaConsumer(**client_options(kafka), enable_auto_commit=False)
    await consumer.start()
    try:
        parts = [TopicPartition(*tp) for tp in tps]
        consumer.assign(parts)
        ends = {part: end for part, end in (await consumer.end_offsets(parts)).items() if end}
        found: dict[TP, int | None] = {}
        for part, end in ends.items():
            consumer.seek(part, end - 1)
            while TP(*part) not in found:
                for record in (await consumer.getmany(part, timeout_ms=_FETCH_MS)).get(part, ()):
                    found[TP(*part)] = place_of(record.headers)
        return found
    finally:
        await consumer.stop()
