"""Producing to topics and reading them to their end."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from processor.settings import KafkaSettings
from processor.streaming.topics import create_missing
from tests.harness.events import LoggedEvent
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment

_AT_ONCE: Final = 5_000
_SLICE_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Record:
    """A record to send."""

    topic: str
    key: bytes | None
    value: bytes | None
    timestamp_ms: int | None = None
    headers: Sequence[tuple[str, bytes]] = ()


async def create_topics(deployment: Deployment, partitions: int = 4) -> None:
    """The topics of a deployment, as a worker creates them."""
    settings = KafkaSettings(
        bootstrap=deployment.bootstrap,
        topic_prefix=deployment.topic_prefix,
        readings_topic=deployment.readings_topic,
        partitions=partitions,
    )
    await create_missing(settings, {"bootstrap_servers": deployment.bootstrap})


@asynccontextmanager
async def producing(deployment: Deployment, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A producer of large batches, each record acknowledged and none twice."""
    producer = AIOKafkaProducer(
        bootstrap_servers=deployment.bootstrap,
        **{
            "enable_idempotence": True,
            "compression_type": "lz4",
            "linger_ms": 10,
            "max_batch_size": 256 * 1024,
            **options,
        },
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def send_all(producer: AIOKafkaProducer, records: Iterable[Record]) -> int:
    """Sends records in order and returns how many, when the broker has them all."""
    pending: list[asyncio.Future[Any]] = []
    sent = 0
    for record in records:
        pending.append(
            await producer.send(
                record.topic,
                key=record.key,
                value=record.value,
                timestamp_ms=record.timestamp_ms,
                headers=list(record.headers),
            )
        )
        sent += 1
        if len(pending) >= _AT_ONCE:
            await asyncio.gather(*pending)
            pending.clear()
    await asyncio.gather(*pending)
    return sent


async def send(deployment: Deployment, records: Iterable[Record], **options: Any) -> int:
    """Sends records with a producer of their own."""
    async with producing(deployment, **options) as producer:
        return await send_all(producer, records)


async def send_paced(
    deployment: Deployment, log: Sequence[LoggedEvent], over_s: float, **options: Any
) -> int:
    """Sends a log in order, spread evenly over a time; how many records that were."""
    slices = max(1, round(over_s / _SLICE_S))
    began, sent = time.monotonic(), 0
    async with producing(deployment, **options) as producer:
        for number in range(slices):
            part = log[len(log) * number // slices : len(log) * (number + 1) // slices]
            records = (Record(deployment.topic(e.topic), e.key, e.value) for e in part)
            sent += await send_all(producer, records)
            await asyncio.sleep(max(0.0, began + (number + 1) * _SLICE_S - time.monotonic()))
    return sent


async def read_each(deployment: Deployment, topic: str, **options: Any) -> AsyncIterator[Any]:
    """Everything that a topic holds now, partition by partition in order."""
    # Without a group it is assigned all partitions when it starts.
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=deployment.bootstrap, auto_offset_reset="earliest", **options
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        for part in sorted(ends, key=lambda p: p.partition):
            # Control records move the position and are not returned.
            while await consumer.position(part) < ends[part]:
                batch = await consumer.getmany(part, timeout_ms=1_000)
                for record in batch.get(part, ()):
                    if record.offset < ends[part]:
                        yield record
    finally:
        await consumer.stop()


async def read_all(deployment: Deployment, topic: str, **options: Any) -> list[Any]:
    """The same in one list."""
    return [record async for record in read_each(deployment, topic, **options)]


async def end_offsets(
    deployment: Deployment, topics: Iterable[str], **options: Any
) -> dict[tuple[str, int], int]:
    """Where the partitions' logs end now; options are the consumer's."""
    consumer = AIOKafkaConsumer(bootstrap_servers=deployment.bootstrap, **options)
    await consumer.start()
    try:
        parts = [
            TopicPartition(topic, number)
            for topic in topics
            for number in await _partitions(consumer, topic)
        ]
        return {
            (p.topic, p.partition): end for p, end in (await consumer.end_offsets(parts)).items()
        }
    finally:
        await consumer.stop()


async def until_committed(deployment: Deployment, topic: str) -> None:
    """Returns when all that a topic holds now can be read by those who read what is committed.

    A commit is answered a moment before the broker has marked it in the log.
    """
    ends = await end_offsets(deployment, [topic])

    async def committed() -> bool:
        found = await end_offsets(deployment, [topic], isolation_level="read_committed")
        return all(found[part] >= end for part, end in ends.items())

    await eventually(committed, what="the last transaction marked")


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    await consumer._client._wait_on_metadata(topic)
    return set(consumer._client.cluster.partitions_for_topic(topic) or ())
