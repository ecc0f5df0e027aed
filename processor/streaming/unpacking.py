"""The records of a partition's fetch, a Kafka batch at a time.

aiokafka takes every record through a generator, an iterator and a copy of its own, which takes
twice as long as reading it. Here its unpacking goes on as it does, with all that it knows of
checksums, transactions and offsets, but is given each Kafka batch as if it were one record; the
records in it are then listed at once, at C speed.
"""

import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


class _Batch:
    """A Kafka batch that has one record: itself."""

    __slots__ = ("_batch", "offset")

    def __init__(self, batch: Any) -> None:
        self._batch = batch
        self.offset = batch.next_offset - 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator["_Batch"]:
        yield self

    def __next__(self) -> Any:
        # What aiokafka reads of a control batch, which is not compressed.
        return next(self._batch)

    def records(self) -> list[Any]:
        return list(self._batch)


@dataclass(frozen=True, slots=True)
class _Batches:
    """aiokafka's ``MemoryRecords`` with such batches."""

    memory: Any

    def has_next(self) -> Any:
        return self.memory.has_next()

    def next_batch(self) -> _Batch:
        return _Batch(self.memory.next_batch())


class Unread:
    """What a fetch brought of one partition and was not handed out yet.

    Its :meth:`getall` stands for that of the aiokafka ``FetchResult``, and does the same.

    Args:
        result: of which nothing was read.
    """

    def __init__(self, result: Any) -> None:
        # The result has this: a cycle would hold the fetch until a collection.
        self._result: Any = weakref.proxy(result)
        self._source = result._partition_records  # noqa: SLF001 - as in all of this class
        self._source._records = _Batches(self._source._records)  # noqa: SLF001
        self._source._consumer_record = _as_it_is  # noqa: SLF001
        self._rest: list[Any] = []
        self._end: int = self._source.next_fetch_offset

    def getall(self, max_records: int | None = None) -> list[Any]:
        """The next records, raw; none where the partition was sought meanwhile, or is paused.

        Args:
            max_records: the most to return.

        Raises:
            aiokafka.errors.CorruptRecordException: A batch is not as it was sent.
        """
        result, source = self._result, self._source
        if not result.has_more() or not result.check_assignment(result._topic_partition):  # noqa: SLF001
            return []
        limit = sys.maxsize if max_records is None else max_records
        found, ended = self._rest, False
        while len(found) < limit:
            begin = source.next_fetch_offset
            batch = next(source, None)
            self._end = source.next_fetch_offset
            if batch is None:
                ended = True
                break
            records = batch.records()
            if records and records[0].offset < begin:  # fetched from the middle of a batch
                records = [record for record in records if record.offset >= begin]
            found = found + records if found else records
        found, self._rest = found[:limit], found[limit:]
        # What is handed out ends between two batches, or in the midst of one.
        source.next_fetch_offset = found[-1].offset + 1 if self._rest else self._end
        result._update_position()  # noqa: SLF001
        if ended and not self._rest:
            result._partition_records = None  # noqa: SLF001
        return found


def unpack_in_batches(result: Any) -> None:
    """Have aiokafka's ``FetchResult`` hand out its records as :class:`Unread` does."""
    if "getall" not in vars(result) and result.has_more():
        result.getall = Unread(result).getall


def _as_it_is(_tp: Any, record: Any) -> Any:
    return record
