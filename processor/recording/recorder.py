"""Event topics into a log file."""

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from processor.recording.files import Compression, WholeFile
from processor.recording.lines import Reason, as_line, position_line, reject_line
from processor.recording.merging import Merger
from processor.recording.outcome import Progress, Recording
from processor.recording.spans import RecordingError, RequestError, Span, partitions_of, spans_of
from processor.settings import KafkaSettings
from processor.streaming.kafka import client_options
from processor.streaming.refusal import explained
from schemas.events import EventType

Path = str | os.PathLike[str]

HELD_BYTES: Final = 32 * 1024 * 1024
"""Values that wait for those of other partitions; aiokafka holds one fetch of each beside."""

_FETCH_BYTES: Final = 32 * 1024 * 1024
_FETCH_BYTES_OF_PARTITION: Final = 1024 * 1024
_LEAST_FETCH_BYTES: Final = 64 * 1024
_POLL_MS: Final = 200
_HOLD_S: Final = 1.0
"""Followed records wait so long for earlier ones of other partitions."""
_TELL_S: Final = 1.0
_LOG_APPEND_TIME: Final = 1


async def record(
    kafka: KafkaSettings,
    out: Path,
    *,
    types: Collection[EventType] | None = None,
    from_ms: int | None = None,
    to_ms: int | None = None,
    follow: bool = False,
    duration_s: float | None = None,
    rejects: Path | None = None,
    positions: Path | None = None,
    compression: Compression | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: asyncio.Event | None = None,
) -> Recording:
    """Copy event topics into a log file, each value as it is, ordered by timestamp.

    ``from_ms`` and ``to_ms`` are of the records' timestamps in Kafka, which is when they were sent
    unless the producer said otherwise; ``replay`` selects by the events' own time. What a
    transaction has not committed is left out. No group is joined, nothing committed or created.

    It ends where the log ended at the start; at ``to_ms``, waiting for it if it is still to come;
    after ``duration_s``; or, with ``follow``, when it is told to stop.

    Args:
        kafka: where from, and how to get in.
        out: the log file, `-` for standard output; there when it is complete, until then
            ``<out>.partial``.
        types: whose topics; those that are configured where ``None``.
        from_ms: the earliest timestamp; ``None`` for the log's start.
        to_ms: the end of the timestamps, not included.
        follow: go on with what is still to come.
        duration_s: how long to go on; with or without ``follow``.
        rejects: a file that gets what cannot be a line of the log, with its bytes.
        positions: a file whose lines say where those of the log stand in Kafka.
        compression: of the log; by the end of its name where ``None``.
        progress: called about once a second, and at the end.
        stop: ends it in order when set, with a whole file of what was read so far.

    Returns:
        What became of every record.

    Raises:
        RecordingError: a topic is missing, or does not hold any more what it held at the start.
        KafkaRefusedError: a broker does not let us in.
        aiokafka.errors.KafkaError: the broker is away or refuses.
        OSError: a file cannot be written, or another process writes it.
        RequestError: the times are in the wrong order, or two files are one.
    """
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise RequestError("the end of the time to record is not after its start")
    _require_different((out, rejects, positions))
    stop = stop or asyncio.Event()
    async with explained(kafka):
        partitions = await partitions_of(kafka, kafka.types if types is None else types)
        fair = _FETCH_BYTES // max(1, len(partitions))
        consumer = AIOKafkaConsumer(
            **client_options(kafka),
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="none",  # what was deleted under our hands is to be told
            max_partition_fetch_bytes=max(_LEAST_FETCH_BYTES, min(_FETCH_BYTES_OF_PARTITION, fair)),
        )
        try:
            await consumer.start()
            consumer.assign(list(partitions))
            spans = await spans_of(consumer, partitions, from_ms)
            for partition, span in spans.items():
                consumer.seek(partition, span.start)
            with ExitStack() as stack:
                # The log is entered first: it gets its name last, when the others have theirs.
                log = stack.enter_context(WholeFile(out, compression))
                files = _Files(
                    log,
                    None if rejects is None else stack.enter_context(WholeFile(rejects)),
                    None if positions is None else stack.enter_context(WholeFile(positions)),
                )
                recorder = _Recorder(
                    consumer=consumer,
                    spans=spans,
                    files=files,
                    from_ms=from_ms,
                    to_ms=to_ms,
                    until_s=_until_s(to_ms, duration_s, follow=follow),
                    patience_s=kafka.request_timeout_s,
                    progress=progress,
                )
                return await recorder.run(stop)
        finally:
            await consumer.stop()


def _require_different(paths: Iterable[Path | None]) -> None:
    names = [os.path.realpath(os.fspath(path)) for path in paths if path is not None]
    if len(set(names)) < len(names):
        raise RequestError("the log, its rejects and its positions are files of their own")


def _until_s(to_ms: int | None, duration_s: float | None, *, follow: bool) -> float | None:
    """Until when, on the monotonic clock, the log is followed; ``None`` for not at all."""
    waits = [] if duration_s is None else [duration_s]
    if to_ms is not None:
        waits.append(to_ms / 1000 - time.time())
    if not waits:
        return float("inf") if follow else None
    wait_s = min(waits)
    return time.monotonic() + wait_s if wait_s > 0 else None


@dataclass(frozen=True, slots=True)
class _Files:
    log: WholeFile
    rejects: WholeFile | None
    positions: WholeFile | None

    def flush(self) -> None:
        for file in (self.log, self.rejects, self.positions):
            if file is not None:
                file.flush()


class _Recorder:
    def __init__(
        self,
        *,
        consumer: AIOKafkaConsumer,
        spans: dict[TopicPartition, Span],
        files: _Files,
        from_ms: int | None,
        to_ms: int | None,
        until_s: float | None,
        patience_s: float,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._consumer = consumer
        self._spans = spans
        self._files = files
        self._from_ms = from_ms
        self._to_ms = to_ms
        self._until_s = until_s
        self._patience_s = patience_s
        self._progress = progress
        self._merger: Merger[TopicPartition] = Merger(list(spans), HELD_BYTES)
        self._recording = Recording()
        self._began_s = self._told_s = self._moved_s = time.monotonic()

    @property
    def _following(self) -> bool:
        return self._until_s is not None

    async def run(self, stop: asyncio.Event) -> Recording:
        while True:
            if stop.is_set():
                self._recording.stopped = not self._following or self._until_s != float("inf")
                break
            if self._until_s is not None and time.monotonic() >= self._until_s:
                await self._end_here()
            if not self._following and not any(s.has_more for s in self._spans.values()):
                break
            await self._read(stop)
            self._write(self._ready())
            self._tell()
        self._write(list(self._merger.take()))
        self._tell(at_last=True)
        return self._recording

    async def _end_here(self) -> None:
        """Stop to follow: what is committed by now is the last."""
        ends = await self._consumer.end_offsets(list(self._spans))
        for partition, span in self._spans.items():
            span.end = ends[partition]
        self._until_s = None

    async def _read(self, stop: asyncio.Event) -> None:
        wanted = [
            partition
            for partition, span in self._spans.items()
            if (self._following or span.has_more) and self._merger.has_room(partition)
        ]
        try:
            batches = await self._poll(wanted, stop)
        except OffsetOutOfRangeError as error:
            await self._skip_deleted(list(error.args[0]))
            return
        now_s = time.monotonic()
        for partition, records in batches.items():
            for one in records:
                self._take_in(partition, one, now_s)
        moved = False
        for partition in wanted:
            span = self._spans[partition]
            position = await self._consumer.position(partition)
            moved = moved or position > span.position
            span.position = max(span.position, position)
            if self._following:  # open transactions behind it are not waited for
                span.end = max(span.end, self._consumer.last_stable_offset(partition) or 0)
        if moved or self._following:
            self._moved_s = now_s
        elif now_s - self._moved_s > self._patience_s:
            await self._require_the_rest()

    async def _poll(
        self, partitions: list[TopicPartition], stop: asyncio.Event
    ) -> dict[TopicPartition, list[Any]]:
        """What has come of some partitions; nothing when it is time to look up."""
        if not partitions:  # all of them have shown more than there is room for
            return {}
        polling = asyncio.ensure_future(self._consumer.getmany(*partitions, timeout_ms=_POLL_MS))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait((polling, stopping), return_when=asyncio.FIRST_COMPLETED)
            # At most the poll's own time: cancelled, it might take records with it.
            found: dict[TopicPartition, list[Any]] = await polling
            return found
        finally:
            stopping.cancel()
            with suppress(asyncio.CancelledError):
                await stopping

    def _take_in(self, partition: TopicPartition, one: Any, now_s: float) -> None:
        span = self._spans[partition]
        if span.passed or (not self._following and one.offset >= span.end):
            return
        if self._to_ms is not None and one.timestamp >= self._to_ms:
            # The broker's own times only grow; a producer's may be lower again.
            span.passed = one.timestamp_type == _LOG_APPEND_TIME
            self._recording.outside += 1
        elif self._from_ms is not None and one.timestamp < self._from_ms:
            self._recording.outside += 1
        else:
            size = len(one.value or b"") + len(one.key or b"")
            self._merger.add(partition, one, time_ms=one.timestamp, size=size, received_s=now_s)

    async def _skip_deleted(self, partitions: list[TopicPartition]) -> None:
        """Go on where the log begins now: its retention was faster than we are."""
        starts = await self._consumer.beginning_offsets(partitions)
        for partition in partitions:
            span, start = self._spans[partition], starts[partition]
            if start < span.position:
                raise RecordingError(
                    f"{partition.topic}, partition {partition.partition}: the log ends before "
                    f"offset {span.position}, which was there: the topic was made again or cut"
                )
            self._recording.lost += min(start, span.end) - span.position
            span.position = min(start, span.end)
            self._consumer.seek(partition, start)

    async def _require_the_rest(self) -> None:
        """Nothing comes, though there is more: find out why.

        Raises:
            RecordingError: it is not there any more.
            aiokafka.errors.KafkaError: the broker does not answer.
        """
        waiting = [partition for partition, span in self._spans.items() if span.has_more]
        for partition, end in (await self._consumer.end_offsets(waiting)).items():
            if end < self._spans[partition].end:
                raise RecordingError(
                    f"{partition.topic}, partition {partition.partition}: the log ends at offset "
                    f"{end} now, and not at {self._spans[partition].end}: the topic was made again"
                )
        self._moved_s = time.monotonic()

    def _ready(self) -> list[Any]:
        awaited = [partition for partition, span in self._spans.items() if span.has_more]
        before_s = time.monotonic() - _HOLD_S if self._following else None
        return list(self._merger.take(awaited, before_s))

    def _write(self, records: list[Any]) -> None:
        lines: list[bytes] = []
        places: list[bytes] = []
        rejects: list[bytes] = []
        for one in records:
            event_type = self._spans[TopicPartition(one.topic, one.partition)].event_type
            line = as_line(one.value, event_type)
            if isinstance(line, Reason):
                self._recording.rejected[line] += 1
                rejects.append(reject_line(one, line))
                continue
            lines.append(line)
            self._recording.saw(one.timestamp)
            if self._files.positions is not None:
                places.append(position_line(one))
        if lines:
            self._recording.bytes += self._files.log.write(lines)
            self._recording.lines += len(lines)
        if places and self._files.positions is not None:
            self._files.positions.write(places)
        if rejects and self._files.rejects is not None:
            self._files.rejects.write(rejects)

    def _tell(self, *, at_last: bool = False) -> None:
        now_s = time.monotonic()
        if not at_last and now_s - self._told_s < _TELL_S:
            return
        self._told_s = now_s
        if self._following:
            self._files.flush()
        if self._progress is not None:
            spans = self._spans.values()
            self._progress(
                Progress(
                    lines=self._recording.lines,
                    elapsed_s=now_s - self._began_s,
                    done=sum(min(span.position, span.end) - span.start for span in spans),
                    total=sum(span.end - span.start for span in spans),
                    following=self._following,
                )
            )
