"""Dead letters looked at, and sent again to the topics they came from.

What was sent again is remembered in Kafka, as the committed offsets of a group of its own: up to
where all letters were, and in the commit's metadata, up to where those of single codes were. A
repeat goes on from there. A run that breaks off between sending and committing sends up to
`AT_ONCE` letters a second time: an event counts once all the same, as long as its id is remembered
(``engine.dedup_horizon``, of event time).
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import OffsetAndMetadata
from pydantic import TypeAdapter, ValidationError

from processor.recording.spans import Span, Spans, partitions_of, spans_of
from processor.settings import KafkaSettings
from processor.streaming.deadletter import SUFFIX
from processor.streaming.kafka import client_options, durable_producer
from processor.streaming.refusal import explained
from schemas.events import EventType

GROUP_SUFFIX: Final = "-dlq-retry"
AT_ONCE: Final = 500
"""Letters that are sent, acknowledged and committed together."""

_HEADER: Final = "cx.error."
_POLL_MS: Final = 500
_BY_CODE: Final = TypeAdapter(dict[str, int])


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of a dead-letter topic.

    Attributes:
        place: where the letter stands.
        offset: there.
        topic: where it came from.
        partition: there; ``None`` where its header is missing or no number.
        source_offset: there; the same.
        code: what kind of rule it broke, "" where that is not said.
        field: the field that broke it.
        message: one sentence about it.
        time_ms: the timestamp of the original record.
        key: of the original record.
        value: of the original record, or its beginning.
        headers: of the original record.
        size: how many bytes the original value had.
        is_cut: only its beginning was kept.
    """

    place: TopicPartition
    offset: int
    topic: str
    partition: int | None
    source_offset: int | None
    code: str
    field: str
    message: str
    time_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    size: int
    is_cut: bool

    @classmethod
    def of(cls, record: Any) -> "Letter":
        """Read a record of a dead-letter topic."""
        reasons = {
            n: v.decode(errors="replace") for n, v in record.headers if n.startswith(_HEADER)
        }
        cut = _number(reasons.get("cx.error.truncated"))
        own_ms = _number(reasons.get("cx.error.timestamp"))
        return cls(
            place=TopicPartition(record.topic, record.partition),
            offset=record.offset,
            # Not the header: anybody who can write a letter could name any topic there.
            topic=record.topic.removesuffix(SUFFIX),
            partition=_number(reasons.get("cx.error.partition")),
            source_offset=_number(reasons.get("cx.error.offset")),
            code=reasons.get("cx.error.code", ""),
            field=reasons.get("cx.error.field", ""),
            message=reasons.get("cx.error.message", ""),
            time_ms=record.timestamp if own_ms is None else own_ms,
            key=record.key,
            value=record.value,
            headers=tuple((n, v) for n, v in record.headers if not n.startswith(_HEADER)),
            size=len(record.value or b"") if cut is None else cut,
            is_cut=cut is not None,
        )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


async def letters(
    kafka: KafkaSettings,
    *,
    types: Collection[EventType] | None = None,
    codes: Collection[str] = (),
) -> AsyncIterator[Letter]:
    """The dead letters that there are now, topic by topic, in order.

    Args:
        kafka: where.
        types: of events; those that are configured where ``None``.
        codes: only these; all where empty.

    Raises:
        RecordingError: a topic is missing.
        aiokafka.errors.KafkaError: the broker is away or refuses.
    """
    async with _reading(kafka, types, group=None) as (consumer, spans):
        for place, span in spans.items():
            async for batch in _batches(consumer, place, span):
                for letter in batch:
                    if not codes or letter.code in codes:
                        yield letter


@dataclass(slots=True)
class Retried:
    """What became of the letters.

    Attributes:
        sent: sent again, or with a dry run those that would be, by topic.
        cut: not sent, because only the beginning of their value was kept.
    """

    sent: Counter[str] = field(default_factory=Counter)
    cut: int = 0


async def retry(
    kafka: KafkaSettings,
    *,
    types: Collection[EventType] | None = None,
    codes: Collection[str] = (),
    limit: int | None = None,
    dry_run: bool = False,
) -> Retried:
    """Send dead letters again: key, value, headers, partition and timestamp as they were.

    Letters that come while it runs, such as those of events that are refused again, are for the
    next time.

    Args:
        kafka: where.
        types: of events; those that are configured where ``None``.
        codes: only these; all where empty.
        limit: how many at most.
        dry_run: only count.

    Raises:
        RecordingError: a topic is missing.
        aiokafka.errors.KafkaError: the broker is away or refuses.
    """
    retried = Retried()
    wanted = frozenset(codes)
    group = kafka.group + GROUP_SUFFIX
    async with _reading(kafka, types, group) as (consumer, spans), _sending(kafka) as producer:
        known = await _remembered(kafka, consumer, spans, group)
        for place, span in spans.items():
            so_far = known[place]
            consumer.seek(place, max(span.start, so_far.all))
            span.position = max(span.start, so_far.all)
            async for batch in _batches(consumer, place, span):
                left = None if limit is None else limit - retried.sent.total()
                due = [one for one in batch if so_far.is_due(one, wanted)]
                sending = [one for one in due if not one.is_cut][:left]
                is_last = left is not None and len(sending) == left
                end = sending[-1].offset + 1 if is_last and sending else batch[-1].offset + 1
                if left != 0:
                    retried.cut += sum(one.is_cut and one.offset < end for one in due)
                    retried.sent.update(one.topic for one in sending)
                    so_far.passed(end, wanted)
                    if not dry_run:
                        await _send(producer, sending)
                        await consumer.commit({place: so_far.to_commit()})
                if is_last:
                    return retried
    return retried


@dataclass(slots=True)
class _Remembered:
    """Up to where letters of a partition were sent again: of all codes, and of some."""

    all: int
    by_code: dict[str, int]

    def is_due(self, letter: Letter, wanted: frozenset[str]) -> bool:
        if wanted and letter.code not in wanted:
            return False
        return letter.offset >= max(self.all, self.by_code.get(letter.code, 0))

    def passed(self, offset: int, wanted: frozenset[str]) -> None:
        if wanted:
            for code in wanted:
                self.by_code[code] = max(offset, self.by_code.get(code, 0))
        else:
            self.all = max(offset, self.all)
        self.by_code = {code: at for code, at in self.by_code.items() if at > self.all}

    def to_commit(self) -> OffsetAndMetadata:
        return OffsetAndMetadata(self.all, json.dumps(self.by_code) if self.by_code else "")

    @classmethod
    def of(cls, committed: OffsetAndMetadata | None, end: int) -> "_Remembered":
        # Behind the end of the log it is about a topic that was made again since.
        if committed is None or not 0 <= committed.offset <= end:
            return cls(0, {})
        try:
            by_code = _BY_CODE.validate_json(committed.metadata or "{}")
        except ValidationError:  # a tool that moved the group by hand has its own words there
            by_code = {}
        return cls(committed.offset, {code: at for code, at in by_code.items() if at <= end})


async def _remembered(
    kafka: KafkaSettings, consumer: AIOKafkaConsumer, spans: Spans, group: str
) -> Mapping[TopicPartition, _Remembered]:
    for place in spans:  # returns when the group's coordinator is there to be asked
        await consumer.committed(place)
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await admin.start()
        found = await admin.list_consumer_group_offsets(group, partitions=list(spans))
    finally:
        await admin.close()
    return {place: _Remembered.of(found.get(place), span.end) for place, span in spans.items()}


async def _send(producer: AIOKafkaProducer, batch: Collection[Letter]) -> None:
    """Send letters, and return when the broker has them all."""
    deliveries = []
    for letter in batch:
        there = await producer.partitions_for(letter.topic)
        # Where it was, whichever way its producer chose: with the others of its key.
        partition = letter.partition if letter.partition in there else None
        delivery = await producer.send(
            letter.topic,
            key=letter.key,
            value=letter.value,
            headers=list(letter.headers),
            timestamp_ms=letter.time_ms,
            partition=partition,
        )
        deliveries.append(delivery)
    if not deliveries:
        return
    await asyncio.wait(deliveries)
    # Every failure is fetched, or the loop would complain of those that nobody looked at.
    failures = [error for delivery in deliveries if (error := delivery.exception()) is not None]
    if failures:
        raise failures[0]


@asynccontextmanager
async def _sending(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    producer = durable_producer(kafka)
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def _reading(
    kafka: KafkaSettings, types: Collection[EventType] | None, group: str | None
) -> AsyncIterator[tuple[AIOKafkaConsumer, dict[TopicPartition, Span]]]:
    """A consumer of the dead letters that there are now; it joins no group."""
    async with explained(kafka):
        places = await partitions_of(kafka, kafka.types if types is None else types, SUFFIX)
        consumer = AIOKafkaConsumer(
            **client_options(kafka),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        try:
            await consumer.start()
            consumer.assign(list(places))
            spans = await spans_of(consumer, places, None)
            for place, span in spans.items():
                consumer.seek(place, span.start)
            yield consumer, spans
        finally:
            await consumer.stop()


async def _batches(
    consumer: AIOKafkaConsumer, place: TopicPartition, span: Span
) -> AsyncIterator[list[Letter]]:
    """The letters of a partition up to the end that it had at the start."""
    while span.has_more:
        found = await consumer.getmany(place, timeout_ms=_POLL_MS, max_records=AT_ONCE)
        batch = [Letter.of(one) for one in found.get(place, ()) if one.offset < span.end]
        if batch:
            yield batch
        span.position = await consumer.position(place)
        if not found:
            await consumer.end_offsets([place])  # raises where nobody answers any more
