"""The benchmark's log: survey events of about 220 bytes on a real Kafka."""

import asyncio
import json
import random
import time
import uuid
from collections.abc import Iterator

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.timestamps import format_rfc3339

CHANNELS = ("email", "web", "app", "sms", "phone")
PRODUCTS = ("basic", "plus", "pro", "team")
EVENTS_PER_SECOND_OF_EVENT_TIME = 1_000


def survey_events(count: int, seed: int = 1) -> Iterator[bytes]:
    """``count`` NPS answers that end now, 1,000 a second of event time."""
    rng = random.Random(seed)
    start_ms = time.time_ns() // 1_000_000 - count * 1000 // EVENTS_PER_SECOND_OF_EVENT_TIME
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
        yield json.dumps(event, separators=(",", ":")).encode()


async def produce(bootstrap: str, topic: str, count: int, partitions: int = 4) -> int:
    """Write the log, lz4, in batches as producers do; returns its bytes before compression."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, partitions, 1)])
    await admin.close()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, compression_type="lz4", max_batch_size=256 * 1024
    )
    await producer.start()
    size = 0
    try:
        sent: list[asyncio.Future[object]] = []
        builders = [producer.create_batch() for _ in range(partitions)]
        for i, event in enumerate(survey_events(count)):
            size += len(event)
            partition = i % partitions
            if builders[partition].append(key=None, value=event, timestamp=None) is None:
                sent.append(
                    await producer.send_batch(builders[partition], topic, partition=partition)
                )
                builders[partition] = producer.create_batch()
                builders[partition].append(key=None, value=event, timestamp=None)
        for partition, builder in enumerate(builders):
            sent.append(await producer.send_batch(builder, topic, partition=partition))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return size
