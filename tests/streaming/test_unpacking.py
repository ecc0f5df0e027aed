"""What a fetch brought, handed out a Kafka batch at a time: the same as aiokafka's own way."""

import gc
import weakref
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.streaming.unpacking import unpack_in_batches

TP = TopicPartition("survey-response", 3)
ABORT, COMMIT = b"\x00\x00\x00\x00", b"\x00\x00\x00\x01"
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


@dataclass
class Position:
    """What a fetch result needs to know of an assignment."""

    position: int
    active: bool = True
    paused: bool = False

    def state_value(self, tp: TopicPartition) -> "Position":
        assert tp == TP
        return self

    def consumed_to(self, offset: int) -> None:
        self.position = offset


@dataclass
class Log:
    """A partition's log as a broker sends it."""

    end: int = 0
    batches: list[tuple[int, bytes]] = field(default_factory=list)
    aborted: list[tuple[int, int]] = field(default_factory=list)

    def batch(
        self,
        offsets: list[int],
        *,
        codec: int = 0,
        producer: int = -1,
        transactional: bool = False,
        control: bytes | None = None,
    ) -> None:
        """Add a batch; ``offsets`` count from its base: a compacted log leaves some out."""
        builder = DefaultRecordBatchBuilder(2, codec, transactional, producer, 0, 0, 1 << 20)
        for offset in offsets:
            value = b"value %d" % (self.end + offset)
            builder.append(offset, 1_700_000_000_000 + offset, control, value, [("h", b"1")])
        packed = bytearray(builder.build())
        packed[0:8] = self.end.to_bytes(8, "big")
        if control is not None:
            packed[22] |= 0x20
            _sign(packed)
        self.end += offsets[-1] + 1
        self.batches.append((self.end, bytes(packed)))

    def fetched(self, offset: int) -> tuple[FetchResult, Position]:
        """A fetch from an offset: of all batches that do not end before it."""
        position = Position(offset)
        data = b"".join(batch for end, batch in self.batches if end > offset)
        unread = PartitionRecords(
            TP, MemoryRecords(data), self.aborted, offset, None, None, True, READ_COMMITTED
        )
        return (
            FetchResult(TP, assignment=position, partition_records=unread, backoff=0),
            position,
        )


def _sign(packed: bytearray) -> None:
    packed[17:21] = calc_crc32c(memoryview(bytes(packed[21:]))).to_bytes(4, "big")


Read = tuple[int, bytes | None, bytes | None, int, list[Any]]


def read(record: Any) -> Read:
    """A record's fields, of aiokafka's class or raw."""
    headers = list(record.headers)
    return record.offset, record.key, record.value, record.timestamp, headers


def drain(
    result: FetchResult, position: Position, most: int | None
) -> list[tuple[list[Read], int]]:
    """All that a result hands out, with the position after each part."""
    parts: list[tuple[list[Read], int]] = []
    while result.has_more():
        records = result.getall(most)
        parts.append((list(map(read, records)), position.position))
    return parts


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Batches of any codec, with gaps, of several producers, some taken back."""
    log = Log(end=draw(st.sampled_from([0, 7])))
    for _ in range(draw(st.integers(1, 5))):
        offsets = sorted(draw(st.sets(st.integers(0, 12), min_size=1, max_size=8)))
        producer = draw(st.sampled_from([-1, 5, 6]))
        transactional = producer >= 0 and draw(st.booleans())
        begin = log.end
        codec = draw(st.sampled_from(sorted(CODECS.values())))
        log.batch(offsets, codec=codec, producer=producer, transactional=transactional)
        if transactional:
            aborts = draw(st.booleans())
            if aborts:
                log.aborted.append((producer, begin))
            log.batch(
                [0], producer=producer, transactional=True, control=ABORT if aborts else COMMIT
            )
    return log


@settings(max_examples=150, deadline=None)
@given(log=logs(), most=st.sampled_from([None, 1, 2, 3, 5, 100]), data=st.data())
def test_it_hands_out_what_aiokafka_does(log: Log, most: int | None, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, log.end))
    expected = drain(*log.fetched(start), most)
    result, position = log.fetched(start)
    unpack_in_batches(result)
    unpack_in_batches(result)  # as before every poll
    assert drain(result, position, most) == expected


def test_batches_of_the_old_format_are_read() -> None:
    builder = LegacyRecordBatchBuilder(1, 1, 1 << 20)
    for offset in range(3):
        builder.append(offset, 1_700_000_000_000, b"key", b"value %d" % offset)
    packed = builder.build()
    packed[0:8] = (2).to_bytes(8, "big")  # as a broker does: of the last
    log = Log(3, [(3, bytes(packed))])
    expected = drain(*log.fetched(1), None)
    result, position = log.fetched(1)
    unpack_in_batches(result)
    assert drain(result, position, None) == expected
    assert [offset for offset, *_ in expected[0][0]] == [1, 2]


def test_a_broken_batch_is_told_and_what_was_before_it_is_fetched_again() -> None:
    log = Log()
    log.batch([0, 1, 2])
    log.batch([0, 1])
    end, packed = log.batches[-1]
    log.batches[-1] = end, packed[:-1] + bytes([packed[-1] ^ 0xFF])
    result, position = log.fetched(0)
    unpack_in_batches(result)
    assert len(result.getall(2)) == 2
    with pytest.raises(CorruptRecordException):
        result.getall(2)
    assert position.position == 2
    assert result.getall(2) == []
    assert not result.has_more()


def test_nothing_is_handed_out_of_a_partition_that_is_sought_or_paused() -> None:
    log = Log()
    log.batch(list(range(9)))
    for change in ({"position": 0}, {"paused": True}, {"active": False}):
        result, position = log.fetched(0)
        unpack_in_batches(result)
        assert len(result.getall(4)) == 4
        vars(position).update(change)
        assert result.getall(4) == []
        assert not result.has_more()


def test_a_fetch_that_was_read_is_not_held_until_a_collection() -> None:
    log = Log()
    log.batch([0, 1, 2])
    result, _ = log.fetched(0)
    unpack_in_batches(result)
    gone = weakref.ref(result._partition_records)
    gc.disable()
    try:
        assert len(result.getall(100)) == 3
        del result
        assert gone() is None
    finally:
        gc.enable()
