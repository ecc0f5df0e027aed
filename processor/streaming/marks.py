"""Marks between the records of a replay: in them a log's own time comes with its events.

A replay through Kafka sends, between the events, records without a value and with the header
``cx.replay``. A worker that counts a replay (``worker.replay``) does what a mark says when it comes
to it, after all records before it and before all behind it; any other worker leaves marks out. ::

    events   e  e  e  [settle 12:00:10]  e  e  [settle 12:00:20]  e  [close]
                       |                        as of here, flushed at once
                       no event up to 12:00:10 is to come: what has timed out is closed

An event of a replay carries its place in the order of sending in the same header, so that one that
was interrupted knows what of it is in the log. To a worker it is an event like any other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from processor.core.engine import PartitionEngine
from processor.streaming.fetching import RecordBatch

HEADER: Final = "cx.replay"
"""The header of every record of a replay."""


class Act(StrEnum):
    """What a mark asks for."""

    ADVANCE = "advance"
    """The event clock of the type has come to a time."""
    SETTLE = "settle"
    """No event up to a time is to come any more; what was counted is written at once."""
    CLOSE = "close"
    """The log is at its end: open sessions are closed; what was counted is written at once."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark.

    Attributes:
        act: what it asks for.
        time_ms: the event time that it is about; 0 where it is about none.
        after: how many events were sent before it, to all partitions together.
    """

    act: Act
    time_ms: int
    after: int

    @property
    def is_barrier(self) -> bool:
        """Whether somebody waits until all before it is stored."""
        return self.act is not Act.ADVANCE

    def apply(self, engine: PartitionEngine) -> None:
        """Do to a partition's engine what the mark asks for; a second time changes nothing."""
        match self.act:
            case Act.ADVANCE:
                engine.advance(self.time_ms)
            case Act.SETTLE:
                engine.settle(self.time_ms)
            case Act.CLOSE:
                engine.close_sessions()

    def encode(self) -> bytes:
        """The header's value.

        >>> Mark(Act.SETTLE, 1500, 7).encode()
        b'7 settle 1500'
        """
        return f"{self.after} {self.act} {self.time_ms}".encode()


class Piece(NamedTuple):
    """Records of a batch up to a mark, or to its end.

    Attributes:
        records: raw records.
        values: their values.
        mark: what follows them, ``None`` at the end of the batch.
    """

    records: list[Any]
    values: list[bytes | None]
    mark: Mark | None


def pieces(batch: RecordBatch) -> Iterator[Piece]:
    """A batch, cut at its marks; in one piece where it has none, as all that is no replay."""
    values = batch.values
    if None not in values:
        yield Piece(batch.records, values, None)
        return
    begin = 0
    for position, value in enumerate(values):
        mark = mark_of(batch.records[position].headers) if value is None else None
        if mark is not None:
            yield Piece(batch.records[begin:position], values[begin:position], mark)
            begin = position + 1
    if begin < len(values):
        yield Piece(batch.records[begin:], values[begin:], None)


def mark_of(headers: Iterable[tuple[str, bytes]]) -> Mark | None:
    """The mark that a record without a value is, ``None`` if it is none.

    >>> mark_of([("cx.replay", b"7 settle 1500")])
    Mark(act=<Act.SETTLE: 'settle'>, time_ms=1500, after=7)
    """
    for name, value in headers:
        after, act, time_ms = (*value.decode(errors="replace").split(" "), "", "")[:3]
        if name == HEADER and act in set(Act) and after.isdigit() and time_ms.isdigit():
            return Mark(Act(act), int(time_ms), int(after))
    return None


def place_of(headers: Iterable[tuple[str, bytes]]) -> int | None:
    """How many events of the replay had been sent with this record; ``None`` if it is of none.

    >>> place_of([("cx.replay", b"12")]), place_of([("cx.replay", b"7 settle 1500")])
    (12, 7)
    """
    for name, value in headers:
        if name == HEADER and (first := value.split(b" ")[0]).isdigit():
            return int(first)
    return None
