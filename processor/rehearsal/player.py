"""A log through Kafka, with readings as one process takes them.

Events go out in the order in which `processor.replay.player` counts them, up to the time of the
next reading. Then each partition that has something to say gets a mark with that time, and when
all have stored their counts up to it, the reading is taken of what is stored. ::

    events sent  . .. . |t1  ..  . . |t2          (held back until the watermark is behind t)
    partition 0  . .   .|    .   .   |
    partition 1    .    |     .    . |
                        mark         mark, stored -> reading at t2

A partition that got no event since its last mark, and has no open session, has nothing to say.
"""

import asyncio
import heapq
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from processor.core.config import EngineConfig
from processor.metrics.present import Row
from processor.rehearsal.progress import Past
from processor.rehearsal.segments import Admission
from processor.rehearsal.sender import Sender
from processor.rehearsal.standing import Says, Standing
from processor.replay.inproc import InProcessEngine
from processor.replay.outcome import Rejects
from processor.replay.pacing import Pacer
from processor.replay.selection import PlacedLine
from processor.streaming.marks import Act

_SENT_AT_ONCE: Final = 5_000


class Taken(NamedTuple):
    """One reading of all series that have something new to say.

    Attributes:
        number: of the reading; with a pause of the log, numbers are left out.
        rows: by key, in order.
        said: what to remember of them.
        skip: how many numbers are left out behind it.
        is_final: it is the one at the end of the log.
    """

    number: int
    rows: Mapping[str, Row]
    said: Mapping[str, Says]
    skip: int = 0
    is_final: bool = False


@dataclass(slots=True)
class Player:
    """Sends a log and takes its readings.

    Attributes:
        lines: valid lines and others, in the order of the log.
        paths: the logs, for rejects.
        config: the engine's configuration.
        every_ms: event time between readings; ``None`` for those at the end alone.
        now_ms: the time that events may not be far ahead of.
        sender: sends.
        standing: waits, and takes the readings.
        admission: admits segments.
        refuser: says what is wrong with lines that are not valid.
        rejects: takes what it says.
        pacer: when events are due.
        past: what an interrupted run has done.
        count: lines taken in.
    """

    lines: Iterator[PlacedLine]
    paths: Sequence[str]
    config: EngineConfig
    every_ms: int | None
    now_ms: Callable[[], int]
    sender: Sender
    standing: Standing
    admission: Admission
    refuser: InProcessEngine
    rejects: Rejects
    pacer: Pacer
    past: Past
    count: int = 0
    _began_s: float | None = None
    _abreast_ms: int | None = None

    async def readings(self) -> AsyncIterator[Taken]:
        """Send everything, and yield the readings that were not taken before."""
        number = 0
        if self.every_ms is None:
            for batch in _batched(self.lines):
                await self._send([line for line in batch if self._is_valid(line)])
        else:
            async for number, taken in self._periodic(self.every_ms):  # noqa: B007 - used below
                if taken is not None:
                    yield taken
        await self._barrier(Act.CLOSE, 0)
        rows = await self.standing.final(number + 1)
        yield Taken(number + 1, rows, {}, is_final=True)

    async def _periodic(self, every_ms: int) -> AsyncIterator[tuple[int, Taken | None]]:
        """As the replay in one process: its order and its numbers are the same."""
        lateness_ms = self.config.lateness_ms
        held: list[PlacedLine] = []
        number = tick_ms = latest_ms = 0
        for batch in _batched(self.lines):
            for line in batch:
                if not self._is_valid(line):
                    continue
                heapq.heappush(held, line)
                if not number:
                    tick_ms = -(-held[0].time_ms // every_ms) * every_ms
                latest_ms = max(latest_ms, line.time_ms)
                while latest_ms - lateness_ms > tick_ms:
                    number += 1
                    await self._send(_due(held, tick_ms))
                    tick_ms += every_ms
                    if number <= self.past.number:
                        self.sender.dirty.clear()  # it was waited for then
                        skip = self.past.skips.get(number, 0)
                    else:
                        await self._barrier(Act.SETTLE, tick_ms - every_ms)
                        rows = await self.standing.changed(tick_ms - every_ms, number)
                        skip = 0
                        if self.standing.is_empty and held:
                            # Nothing can change before the next event, here or still to come.
                            quiet_until_ms = min(held[0].time_ms, latest_ms - lateness_ms)
                            skip = max(0, (quiet_until_ms - tick_ms) // every_ms)
                        yield number, Taken(number, rows, self.standing.said(rows), skip)
                    number, tick_ms = number + skip, tick_ms + skip * every_ms
        await self._send(_due(held, latest_ms))
        yield number, None

    def _is_valid(self, line: PlacedLine) -> bool:
        self.count += 1
        if line.is_valid:
            return True
        for refused in self.refuser.fold([line.raw], self.now_ms()):
            self.rejects.add(self.paths[line.log], line.number, refused)
        return False

    async def _send(self, lines: Iterable[PlacedLine]) -> None:
        for batch in _batched(lines):
            await self.admission.admit(line.raw for line in batch)
            for line in batch:
                if not self.sender.is_catching_up:
                    await self._keep_abreast(line.time_ms)
                    await self._until_due(line.time_ms)
                await self.sender.send(line.raw, line.time_ms)

    async def _keep_abreast(self, time_ms: int) -> None:
        """Let no partition fall further behind than it would be waited for.

        Partitions tell one another their snapshots of bases, and wait for one that is behind, but
        not for longer than events may be late. Here they read at their own pace.
        """
        if self._abreast_ms is None:
            self._abreast_ms = time_ms
        elif time_ms - self._abreast_ms > self.config.too_late_after_ms // 2:
            self._abreast_ms = time_ms
            await self._barrier(Act.SETTLE, 0)

    async def _until_due(self, time_ms: int) -> None:
        due_s = self.pacer.due_s(time_ms)
        if self._began_s is None:
            self._began_s = time.monotonic()
        if (left_s := self._began_s + due_s - time.monotonic()) > 0:
            await asyncio.sleep(left_s)

    async def _barrier(self, act: Act, time_ms: int) -> None:
        """Mark every partition that has something to say, and wait until that is stored."""
        tps = self.sender.dirty | self.standing.with_open_sessions
        if tps:
            await self.standing.reached(await self.sender.mark(act, time_ms, tps))


def _due(held: list[PlacedLine], time_ms: int) -> Iterator[PlacedLine]:
    """Take those up to a time from the heap, in order."""
    while held and held[0].time_ms <= time_ms:
        yield heapq.heappop(held)


def _batched(lines: Iterable[PlacedLine]) -> Iterator[list[PlacedLine]]:
    iterator = iter(lines)
    while batch := list(islice(iterator, _SENT_AT_ONCE)):
        yield batch
