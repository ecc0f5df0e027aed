"""One partition's flush: learn what it needs to know, send its dead letters, write its changes.

::

    engine --unknown customers, segments--> Redis --answers--> engine
    engine --take--> dead letters --acknowledged--> changes and next offset, one write
"""

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from processor.core.base_register import Inquiry
from processor.core.segments import Segmentation
from processor.state.base_register import BaseRegister
from processor.state.partition import SegmentRegister
from processor.streaming.attempts import Attempts
from processor.streaming.counters import WorkerCounters
from processor.streaming.deadletter import DeadLetters
from processor.streaming.owned import OwnedPartition
from processor.streaming.progress import Awaited
from processor.streaming.transport import BatchConsumer

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Flusher:
    """Writes what partitions have gathered.

    Args:
        segmentation: shared by the partitions of a process.
        register: where segments are admitted for all workers.
        base_register: where partitions tell one another of snapshots.
        dead_letters: where refused records go.
        attempts: where what has to be tried again is known.
        counters: where flushes are counted.
    """

    def __init__(
        self,
        *,
        segmentation: Segmentation,
        register: SegmentRegister,
        base_register: BaseRegister,
        dead_letters: DeadLetters,
        attempts: Attempts,
        counters: WorkerCounters,
    ) -> None:
        self._segmentation = segmentation
        self._register = register
        self._base_register = base_register
        self._dead_letters = dead_letters
        self._attempts = attempts
        self._counters = counters

    async def flush(self, partition: OwnedPartition, consumer: BatchConsumer | None) -> None:
        """Write all that a partition has gathered, with the next offset; tries until it is done.

        One at a time for a partition. Where it is no longer ours it is marked as lost, and nothing
        is written.

        Raises:
            Fenced: another worker owns it.
            OffsetMoved: the store is not as this worker left it.
        """
        async with partition.flushing:
            if not partition.lost:
                await self._flush(partition, consumer)

    async def _flush(self, partition: OwnedPartition, consumer: BatchConsumer | None) -> None:
        began, engine = time.monotonic(), partition.engine
        while not await self._is_ready(partition):
            if partition.lost:
                return
        changes, letters, next_offset = engine.take(), partition.letters, partition.next_offset
        partition.letters = []
        if is_rebuilt(partition, consumer):
            partition.end_rebuild()
        completeness, partition.tells = partition.completeness, False
        changes.stats += partition.untold
        partition.untold.clear()
        try:
            if letters:
                send = partial(self._dead_letters.send, letters)
                await self._persist(partition, send, of=Awaited.DEAD_LETTERS)
            lag = 0 if consumer is None else consumer.lag(partition.tp, next_offset)
            write = partial(
                partition.store.flush, changes, next_offset, lag=lag, completeness=completeness
            )
            stored = await self._persist(partition, partial(_done, write))
        except BaseException:
            # What was taken may not be stored, and the engine has it no more: a later flush
            # would step over it.
            partition.lose()
            raise
        partition.flushed.set()
        if stored:
            codes = [letter.error.code for letter in letters]
            took_s = time.monotonic() - began
            self._counters.flushed(engine.event_type, changes.stats, codes, took_s)
        if changes.inquiry is not None:
            count = 0 if consumer is None else consumer.partition_count(partition.tp.topic)
            await self._settle_bases(partition, changes.inquiry, count)

    async def _settle_bases(self, partition: OwnedPartition, inquiry: Inquiry, count: int) -> None:
        ask = partial(self._base_register.settle, partition.store.name, inquiry, count)
        answer = await self._persist(partition, ask)
        if answer is not None:
            partition.engine.settle_bases(answer)

    async def _is_ready(self, partition: OwnedPartition) -> bool:
        """Learn what must be known of what was folded: False if something was, to ask again.

        While it asks more may be folded.
        """
        engine = partition.engine
        if customers := engine.unknown_customers():
            stored = await self._persist(partition, partial(partition.store.customers, customers))
            engine.learn_customers(stored or {})
            return False
        unknown = engine.unknown_segments()
        for index, candidates in unknown.items():
            ask = partial(self._register.admit, index, candidates)
            answer = await self._persist(partition, ask)
            if answer is None:
                return False
            admitted, full = answer
            self._segmentation.learn(index, admitted, full=full)
        return not unknown

    async def _persist(
        self,
        partition: OwnedPartition,
        write: Callable[[], Awaitable[_T]],
        of: Awaited = Awaited.REDIS,
    ) -> _T | None:
        return await self._attempts.until_done(
            partition.store.name, write, of=of, is_given_up=lambda: partition.lost
        )


async def _done(write: Callable[[], Awaitable[None]]) -> bool:
    """Whether it was written: what is given up is not."""
    await write()
    return True


def is_rebuilt(partition: OwnedPartition, consumer: BatchConsumer | None) -> bool:
    """Whether a partition whose counts were lost has them all again."""
    end = partition.completeness.rebuild_to
    return (
        end > 0
        and consumer is not None
        and consumer.has_read_to(partition.tp, partition.next_offset, end)
    )
