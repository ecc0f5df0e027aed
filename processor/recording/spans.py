"""Which offsets of which partitions are recorded, as Kafka says at the start."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from processor.settings import KafkaSettings
from processor.streaming.kafka import client_options
from schemas.events import EventType


class RecordingError(Exception):
    """Events cannot be recorded; the message says why and what to do."""


class RequestError(ValueError):
    """What is asked for cannot be meant."""


@dataclass(slots=True)
class Span:
    """A partition and what is read of it.

    Attributes:
        event_type: of its topic.
        start: the first offset.
        end: the one behind the last that is known; grows where the log is followed.
        position: the offset to be read next.
        passed: the rest of it cannot be wanted any more.
    """

    event_type: EventType
    start: int
    end: int
    position: int
    passed: bool = False

    @property
    def has_more(self) -> bool:
        """Whether more is known to come."""
        return self.position < self.end and not self.passed


Spans = Mapping[TopicPartition, Span]


async def partitions_of(
    kafka: KafkaSettings, types: Collection[EventType], suffix: str = ""
) -> dict[TopicPartition, EventType]:
    """The partitions of the topics of some types, in order; nothing is created.

    Args:
        kafka: where.
        types: whose topics.
        suffix: behind the topics' names, for those of dead letters.

    Raises:
        RecordingError: a topic is missing.
        aiokafka.errors.KafkaError: the broker is away or refuses.
    """
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await admin.start()
        # All topics: asked for by name, a missing one may be created.
        described = {topic["topic"]: topic for topic in await admin.describe_topics()}
    finally:
        await admin.close()
    wanted = {kafka.topic_prefix + t.topic + suffix: t for t in EventType if t in types}
    if missing := [name for name in wanted if name not in described]:
        raise RecordingError(
            f"there is no topic {', '.join(missing)} in Kafka at {kafka.bootstrap}: correct "
            "kafka.topic_prefix, leave the type out (--type), or run cxpulse topics create"
        )
    return {
        TopicPartition(name, number): event_type
        for name, event_type in wanted.items()
        for number in sorted(part["partition"] for part in described[name]["partitions"])
    }


async def spans_of(
    consumer: AIOKafkaConsumer,
    partitions: Mapping[TopicPartition, EventType],
    from_ms: int | None,
) -> dict[TopicPartition, Span]:
    """From the first record of a time, or of the log, to the end as it is now.

    Open transactions are behind the end: whether they will be committed is not known.
    """
    ends = await consumer.end_offsets(list(partitions))
    if from_ms is None:
        starts: Mapping[TopicPartition, int] = await consumer.beginning_offsets(list(partitions))
    else:
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, from_ms))
        starts = {
            partition: ends[partition]
            if (at := found.get(partition)) is None or at.offset < 0
            # One that is not committed yet may be the first of its time.
            else min(at.offset, ends[partition])
            for partition in partitions
        }
    return {
        partition: Span(event_type, starts[partition], ends[partition], starts[partition])
        for partition, event_type in partitions.items()
    }
