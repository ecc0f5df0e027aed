"""Logs on a real Kafka, written as producers write them: lz4, in batches, without keys."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.workloads import PARTITIONS, Located, mixed_events, shares, survey_events
from schemas.events import EventType

if TYPE_CHECKING:
    from aiokafka.producer.message_accumulator import BatchBuilder

__all__ = ["PARTITIONS", "Located", "create", "mixed_events", "produce", "shares", "survey_events"]

_UNDER_WAY = 64
"""Batches that are sent and not acknowledged: a long log need not be in memory."""


async def create(bootstrap: str, prefix: str) -> None:
    """Create the topics of all event types."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(prefix + t.topic, PARTITIONS, 1) for t in EventType])
    await admin.close()


async def produce(bootstrap: str, prefix: str, events: Iterable[Located]) -> tuple[int, int]:
    """Create the topics of a log and write it; returns its events, and bytes uncompressed."""
    await create(bootstrap, prefix)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, compression_type="lz4", max_batch_size=256 * 1024
    )
    await producer.start()
    try:
        return await write(producer, prefix, events)
    finally:
        await producer.stop()


async def write(
    producer: AIOKafkaProducer, prefix: str, events: Iterable[Located]
) -> tuple[int, int]:
    """Write a log to topics that are there; returns its events, and bytes uncompressed."""
    count = size = 0
    sent: list[asyncio.Future[object]] = []
    builders: dict[tuple[str, int], BatchBuilder] = {}

    async def send(place: tuple[str, int]) -> None:
        sent.append(await producer.send_batch(builders.pop(place), place[0], partition=place[1]))
        if len(sent) > _UNDER_WAY:
            await sent.pop(0)

    for topic, partition, record in events:
        count, size = count + 1, size + len(record)
        place = prefix + topic, partition
        if place not in builders:
            builders[place] = producer.create_batch()
        if builders[place].append(key=None, value=record, timestamp=None) is None:
            await send(place)
            builders[place] = producer.create_batch()
            builders[place].append(key=None, value=record, timestamp=None)
    for place in tuple(builders):
        await send(place)
    await asyncio.gather(*sent)
    return count, size
