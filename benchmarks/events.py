"""The benchmarks' logs on a real Kafka: survey answers alone, and all eight types as they come."""

import asyncio
import json
import random
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from processor.simulation import DEFAULT_MIX, encode, simulate
from schemas.events import EventType, kafka_key
from schemas.timestamps import format_rfc3339

if TYPE_CHECKING:
    from aiokafka.producer.message_accumulator import BatchBuilder

CHANNELS = ("email", "web", "app", "sms", "phone")
PRODUCTS = ("basic", "plus", "pro", "team")
EVENTS_PER_SECOND_OF_EVENT_TIME = 1_000
PARTITIONS = 4

Located = tuple[str, int, bytes]
"""An event's topic without its prefix, its partition, and its record."""


def _start_ms(count: int) -> int:
    """When a log of so many events begins that shall end now."""
    return time.time_ns() // 1_000_000 - count * 1000 // EVENTS_PER_SECOND_OF_EVENT_TIME


def survey_events(count: int, seed: int = 1) -> Iterator[Located]:
    """``count`` NPS answers that end now, 1,000 a second of event time."""
    rng = random.Random(seed)
    start_ms = _start_ms(count)
    for i in range(count):
        event = {
            "type": "survey_response",
            "event_id": str(uuid.UUID(int=rng.getrandbits(128))),
            "occurred_at": format_rfc3339(start_ms + i * 1000 // EVENTS_PER_SECOND_OF_EVENT_TIME),
            "customer_id": f"c{rng.randrange(100_000)}",
            "survey": "nps",
            "score": rng.randrange(11),
            "dimensions": {"channel": rng.choice(CHANNELS), "product": rng.choice(PRODUCTS)},
        }
        record = json.dumps(event, separators=(",", ":")).encode()
        yield EventType.SURVEY_RESPONSE.topic, i % PARTITIONS, record


def mixed_events(count: int, seed: int = 1) -> Iterator[Located]:
    """``count`` simulated events of all types that end now, 1,000 a second of event time."""
    endless = simulate(
        seed=seed,
        rate=EVENTS_PER_SECOND_OF_EVENT_TIME,
        start_ms=_start_ms(count),
        duration_s=None,
        daily_rhythm=False,
    )
    for event in islice(endless, count):
        partition = zlib.crc32(kafka_key(event).encode()) % PARTITIONS
        yield EventType(event["type"]).topic, partition, encode(event)


def shares() -> str:
    """The shares of the mixed log, largest first."""
    total = sum(DEFAULT_MIX.values())
    ordered = sorted(DEFAULT_MIX.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {100 * share / total:.1f} %" for name, share in ordered)


async def produce(bootstrap: str, prefix: str, events: Iterable[Located]) -> int:
    """Write a log, lz4, in batches as producers do; returns its bytes before compression."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(prefix + t.topic, PARTITIONS, 1) for t in EventType])
    await admin.close()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, compression_type="lz4", max_batch_size=256 * 1024
    )
    await producer.start()
    size = 0
    try:
        sent: list[asyncio.Future[object]] = []
        builders: dict[tuple[str, int], BatchBuilder] = {}
        for topic, partition, record in events:
            size += len(record)
            place = prefix + topic, partition
            if place not in builders:
                builders[place] = producer.create_batch()
            if builders[place].append(key=None, value=record, timestamp=None) is None:
                sent.append(
                    await producer.send_batch(builders[place], place[0], partition=partition)
                )
                builders[place] = producer.create_batch()
                builders[place].append(key=None, value=record, timestamp=None)
        for (topic, partition), builder in builders.items():
            sent.append(await producer.send_batch(builder, topic, partition=partition))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return size
