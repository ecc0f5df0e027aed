"""The log as the peers get it: its first answers, and what their windows must say."""

import asyncio
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.events import write
from schemas.events import EventType

SIZE_MS: Final = 5 * 60_000

Counts = dict[tuple[int, str], tuple[int, int, int]]
"""Start of a window in ms and its segment → promoters, passives, detractors."""


@dataclass(frozen=True, slots=True)
class Log:
    """A topic of survey answers.

    Attributes:
        topic: its name.
        events: how many there are.
        expected: what the hopping windows over them must say.
    """

    topic: str
    events: int
    expected: Counts


class Answer(NamedTuple):
    """What of an answer counts: when it was given, in ms, through which channel, and its score."""

    at_ms: int
    channel: str
    score: int


def answer_of(record: bytes) -> Answer:
    """The answer in a record, without looking whether it is valid."""
    event = json.loads(record)
    at_ms = round(datetime.fromisoformat(event["occurred_at"]).timestamp() * 1000)
    return Answer(at_ms, event["dimensions"]["channel"], event["score"])


def hopping(records: Iterable[bytes], step_ms: int) -> Counts:
    """All windows of five minutes, a step apart, by brute force: each answer, window by window."""
    counts: dict[tuple[int, str], list[int]] = {}
    for record in records:
        at_ms, channel, score = answer_of(record)
        kind = 0 if score >= 9 else 1 if score >= 7 else 2
        start_ms = at_ms // step_ms * step_ms
        while start_ms + SIZE_MS > at_ms:
            counts.setdefault((start_ms, channel), [0, 0, 0])[kind] += 1
            start_ms -= step_ms
    return {window: (one[0], one[1], one[2]) for window, one in counts.items()}


def prepared(
    bootstrap: str, topic_prefix: str, events: int, *, partitions: int | None, step_ms: int
) -> Log:
    """The first answers of a log, and what is expected of them.

    Args:
        bootstrap: ``host:port`` of the broker.
        topic_prefix: of the log, as `benchmarks.events.produce` got it.
        events: how many of its answers.
        partitions: how many the topic is to have; as many as the log for ``None``.
        step_ms: between the starts of windows.

    Raises:
        ValueError: the log has fewer answers.
    """
    topic = topic_prefix + EventType.SURVEY_RESPONSE.topic
    return asyncio.run(_prepared(bootstrap, topic, events, partitions, step_ms))


async def _prepared(
    bootstrap: str, topic: str, events: int, partitions: int | None, step_ms: int
) -> Log:
    by_partition = await _read(bootstrap, topic)
    length = sum(map(len, by_partition))
    if length < events:
        raise ValueError(f"{topic} has {length:,} answers, fewer than {events:,}")
    records = _in_turn(by_partition)[:events]
    expected = hopping((record for _, record in records), step_ms)
    if length == events and partitions is None:
        return Log(topic, events, expected)
    count = len(by_partition) if partitions is None else partitions
    copy = f"{topic}.first-{events}-in-{count}-{uuid.uuid4().hex[:8]}"
    await _write(bootstrap, copy, count, records)
    return Log(copy, events, expected)


async def _read(bootstrap: str, topic: str) -> list[list[bytes]]:
    """All records of a topic, by partition."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        of_topic = sorted(consumer.assignment())
        ends = await consumer.end_offsets(of_topic)
        records: dict[TopicPartition, list[bytes]] = {one: [] for one in of_topic}
        while any([await consumer.position(one) < ends[one] for one in of_topic]):
            for one, batch in (await consumer.getmany(timeout_ms=1000)).items():
                records[one] += [record.value for record in batch]
        return list(records.values())
    finally:
        await consumer.stop()


def _in_turn(by_partition: Sequence[Sequence[bytes]]) -> list[tuple[int, bytes]]:
    """Partition and record, in the order that a log was written in: a record of each in turn."""
    longest = max(map(len, by_partition))
    return [
        (number, records[place])
        for place in range(longest)
        for number, records in enumerate(by_partition)
        if place < len(records)
    ]


async def _write(
    bootstrap: str, topic: str, count: int, records: Sequence[tuple[int, bytes]]
) -> None:
    """Create a topic and write it, as logs are written."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, count, 1)])
    finally:
        await admin.close()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, compression_type="lz4", max_batch_size=256 * 1024
    )
    await producer.start()
    try:
        await write(producer, "", ((topic, number % count, record) for number, record in records))
    finally:
        await producer.stop()
