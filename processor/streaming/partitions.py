"""The partitions that this worker owns: claim, fold, flush, give up.

The agent folds a batch into its partition's engine; a flush task writes what has gathered, with
the next offset, in one fenced script call a partition. A batch that does not follow its
partition's claim is stale, from before a rebalance or a rewind, and is dropped: its records are
fetched again.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from aiokafka.errors import KafkaError
from faust.types import TP
from redis.exceptions import RedisError

from processor.core.changes import Changes
from processor.core.config import EngineConfig
from processor.core.engine import PartitionEngine
from processor.core.segments import Segmentation
from processor.metrics.measures import PLANS, count_session
from processor.state.cancelling import cancel_until_done
from processor.state.partition import Fenced, OffsetMoved, PartitionStore, SegmentRegister
from processor.state.table import PaneTable
from processor.streaming.deadletter import DeadLetter, DeadLetters
from processor.streaming.progress import Attempt, Awaited
from processor.streaming.transport import BatchConsumer, RecordBatch
from schemas.events import EventType

log = logging.getLogger(__name__)

_T = TypeVar("_T")

MAX_PENDING_EVENTS: Final = 100_000
"""More events than this wait for a flush in one partition: its agent waits, too."""

RECLAIM_AFTER_S: Final = 5.0
"""A partition that another worker claimed, but Kafka goes on assigning to us, is claimed back after
this long: time enough for the rebalance that would have taken it away."""

_HEARTBEAT_S: Final = 1.0
_RETRY_FIRST_S: Final = 0.05
_RETRY_MAX_S: Final = 2.0


class LogReplacedError(RuntimeError):
    """A partition's log is not the one that was counted: going on would count wrongly."""


@dataclass(slots=True, eq=False)
class OwnedPartition:
    """One partition while it is ours."""

    tp: TP
    store: PartitionStore
    engine: PartitionEngine
    next_offset: int
    chain: int = 0
    letters: list[DeadLetter] = field(default_factory=list)
    lost: bool = False
    flushed: asyncio.Event = field(default_factory=asyncio.Event)
    active_at: float = field(default_factory=time.monotonic)
    beat_at: float = 0.0
    events: int = 0
    missed: int = 0

    def resume(self, log_start: int, log_end: int) -> None:
        """Decide where to read on: where the stored counts end, if the log still has that place.

        Raises:
            LogReplacedError: the log ends before that.
        """
        stored = self.store.offset
        if stored is not None and stored > log_end:
            raise LogReplacedError(
                f"{self.store.name}: counted up to offset {stored}, but the topic ends at "
                f"{log_end}: it was made again or cut, and its offsets mean other events now. "
                "To count it from its start, use another redis.prefix"
            )
        self.next_offset = log_start if stored is None else max(stored, log_start)
        self.missed = 0 if stored is None else self.next_offset - stored
        if self.missed:
            log.warning(
                "%s: %d records went from the log before they were counted: see its retention",
                self.store.name,
                self.missed,
            )

    def lose(self) -> None:
        """Not ours any more: nothing is written for it, and nobody waits for it."""
        self.lost = True
        self.flushed.set()


class Partitions:
    """Everything this worker owns; the offset keeper of the batching transport.

    Args:
        topics: event type by batch topic.
        config: the engine's configuration.
        table: the pane table.
        register: where segments are admitted for all workers.
        dead_letters: where refused records go.
        owner: names this worker in Redis.
        flush_interval_s: how long counts gather before they are written.
        idle_after_s: a caught-up partition without records for this long follows the clock.
        now_ms: wall clock in milliseconds.
    """

    def __init__(
        self,
        *,
        topics: Mapping[str, EventType],
        config: EngineConfig,
        table: PaneTable,
        register: SegmentRegister,
        segmentation: Segmentation,
        dead_letters: DeadLetters,
        owner: str,
        flush_interval_s: float,
        idle_after_s: float,
        now_ms: Callable[[], int],
    ) -> None:
        self._topics = topics
        self._config = config
        self._table = table
        self._register = register
        self._segmentation = segmentation
        self._dead_letters = dead_letters
        self._owner = owner
        self._flush_interval_s = flush_interval_s
        self._idle_after_s = idle_after_s
        self._now_ms = now_ms
        self._owned: dict[TP, OwnedPartition] = {}
        self._attempts: set[Attempt] = set()
        self._consumer: BatchConsumer | None = None
        self._reclaim_at: float | None = None
        self.events_total = 0
        self.stale_batches = 0

    @property
    def owned(self) -> Mapping[TP, OwnedPartition]:
        """Partitions by topic and number."""
        return self._owned

    @property
    def attempts(self) -> Collection[Attempt]:
        """Writes and claims that are under way, and those that have to be tried again."""
        return self._attempts

    # -- what the transport asks ----------------------------------------------------------------

    def keeps(self, topic: str) -> bool:
        """Whether the topic is one of ours."""
        return topic in self._topics

    async def claim(self, assigned: set[TP], consumer: BatchConsumer) -> Mapping[TP, int]:
        """Take over all assigned partitions and load their engines' state.

        Returns:
            Where to read each from: the offset stored with its counts, or its log's start.

        Raises:
            LogReplacedError: a log ends before what was counted of it.
        """
        self._consumer = consumer
        self.release(self._owned)
        self._reclaim_at = None
        claimed = await asyncio.gather(*(self._claim_one(tp) for tp in sorted(assigned)))
        if claimed:
            starts = await consumer.earliest_offsets(*assigned)
            ends = await consumer.highwaters(*assigned)
            for partition in claimed:
                partition.resume(starts[partition.tp], ends[partition.tp])
        self._owned = {p.tp: p for p in claimed}
        return {p.tp: p.next_offset for p in claimed}

    def claimed(self, tp: TP, chain: int) -> None:
        """Batches of this chain follow the claim."""
        partition = self._owned.get(tp)
        if partition is not None:  # else the worker stops in the middle of a rebalance
            partition.chain = chain

    def unclaimed(self) -> None:
        """The claim was given up before its end: it is made again."""
        self.release(self._owned)
        self._reclaim_at = time.monotonic()

    def stored_offset(self, tp: TP) -> int | None:
        """The next offset of what is stored, for Kafka's committed offset."""
        partition = self._owned.get(tp)
        return None if partition is None else partition.store.offset

    def release(self, tps: Iterable[TP]) -> None:
        """Give partitions up: what is not flushed yet is counted by the next owner."""
        for tp in list(tps):
            partition = self._owned.pop(tp, None)
            if partition is not None:
                partition.lose()

    # -- the way of a batch ---------------------------------------------------------------------

    async def process(self, batch: RecordBatch) -> None:
        """Fold a batch into its partition; waits while too much is waiting for a flush."""
        partition = self._owned.get(TP(batch.topic, batch.partition))
        if partition is None or partition.lost or partition.chain != batch.chain:
            self.stale_batches += 1
            return
        if batch.base_offset != partition.next_offset:
            await self._rewind(partition, batch)
            return
        rejected = partition.engine.fold(batch.values, self._now_ms())
        partition.letters += (
            DeadLetter(batch.topic, batch.partition, batch.records[r.position], r.error)
            for r in rejected
        )
        partition.next_offset = batch.next_offset
        partition.active_at = time.monotonic()
        partition.events += len(batch.records)
        self.events_total += len(batch.records)
        while _waiting(partition) > MAX_PENDING_EVENTS and not partition.lost:
            partition.flushed.clear()
            await partition.flushed.wait()

    async def _rewind(self, partition: OwnedPartition, batch: RecordBatch) -> None:
        """Fetch again from where the counts end: a batch in between was lost on its way here.

        Faust clears its queues when it resumes after a rebalance, also of what came just before.
        """
        log.warning(
            "%s: a batch begins at %s, the one before it ended at %s: fetching again from there",
            partition.store.name,
            batch.base_offset,
            partition.next_offset,
        )
        if self._consumer is not None:
            partition.chain = await self._consumer.rewind(partition.tp, partition.next_offset)

    # -- flushing -------------------------------------------------------------------------------

    async def flush_forever(self, sleep: Callable[[float], Awaitable[object]]) -> None:
        """Flush what has gathered, again and again, until cancelled.

        Each partition flushes by itself: one whose dead letters are refused holds up no other.
        """
        flights: dict[OwnedPartition, asyncio.Task[None]] = {}
        try:
            while True:
                began = time.monotonic()
                for partition in [p for p, flight in flights.items() if flight.done()]:
                    flights.pop(partition).result()
                for partition in self._owned.values():
                    if partition not in flights and self._is_due(partition):
                        flights[partition] = asyncio.create_task(self._flush(partition))
                await self._reclaim()
                await sleep(max(0.0, began + self._flush_interval_s - time.monotonic()))
        finally:
            await cancel_until_done(flights.values())

    async def flush_all(self) -> None:
        """Flush every partition that has something to say, once; not beside `flush_forever`."""
        due = [p for p in self._owned.values() if self._is_due(p)]
        await asyncio.gather(*(self._flush(p) for p in due))

    def _is_due(self, partition: OwnedPartition) -> bool:
        now = time.monotonic()
        if partition.lost:
            return False
        if self._is_idle(partition, now) and now - partition.beat_at >= _HEARTBEAT_S:
            partition.engine.advance(self._now_ms())
            partition.beat_at = now
            return True
        engine = partition.engine
        return engine.has_changes or bool(partition.letters)

    def _is_idle(self, partition: OwnedPartition, now: float) -> bool:
        return (
            now - partition.active_at >= self._idle_after_s
            and self._consumer is not None
            and self._consumer.caught_up(partition.tp)
        )

    async def _flush(self, partition: OwnedPartition) -> None:
        engine = partition.engine
        while unknown := engine.unknown_segments():
            for index, candidates in unknown.items():
                ask = partial(self._register.admit, index, candidates)
                answer = await self._persist(partition, ask)
                if answer is None:
                    return
                admitted, full = answer
                self._segmentation.learn(index, admitted, full=full)
        changes, letters, next_offset = engine.take(), partition.letters, partition.next_offset
        partition.letters = []
        if partition.missed:
            changes.stats["missed"], partition.missed = partition.missed, 0
        try:
            if letters:
                send = partial(self._dead_letters.send, letters)
                await self._persist(partition, send, of=Awaited.DEAD_LETTERS)
            await self._persist(partition, partial(self._store, partition, changes, next_offset))
        except BaseException:
            # What was taken may not be stored, and the engine has it no more: a later flush
            # would step over it.
            partition.lose()
            raise
        partition.flushed.set()

    async def _store(self, partition: OwnedPartition, changes: Changes, next_offset: int) -> None:
        consumer = self._consumer
        lag = 0 if consumer is None else consumer.lag(partition.tp, next_offset)
        try:
            await partition.store.flush(changes, next_offset, lag=lag)
        except Fenced as taken_over:
            log.info("%s", taken_over)
            partition.lose()
            self._reclaim_at = time.monotonic() + RECLAIM_AFTER_S
        except OffsetMoved as moved:
            log.warning("%s: reading again from there", moved)
            partition.lose()
            self._reclaim_at = time.monotonic()

    async def _reclaim(self) -> None:
        """Claim again what was lost in Redis and not in Kafka: else nobody would count it."""
        if self._consumer is None or self._reclaim_at is None:
            return
        if time.monotonic() < self._reclaim_at:
            return
        try:
            await self._consumer.perform_seek()
        except (RedisError, KafkaError, OSError, TimeoutError) as error:
            log.warning("partitions could not be claimed again: %s; trying again", error)
            self._reclaim_at = time.monotonic() + _RETRY_MAX_S

    async def _persist(
        self,
        partition: OwnedPartition,
        write: Callable[[], Awaitable[_T]],
        of: Awaited = Awaited.REDIS,
    ) -> _T | None:
        """Try until it is done or the partition is no longer ours; each try is bounded in time."""
        with self._attempting(partition.store.name, of) as attempt:
            return await _retried(attempt, write, lambda: partition.lost)

    @contextmanager
    def _attempting(self, name: str, of: Awaited) -> Iterator[Attempt]:
        attempt = Attempt(name, of, time.monotonic())
        self._attempts.add(attempt)
        try:
            yield attempt
        finally:
            self._attempts.discard(attempt)

    async def _claim_one(self, tp: TP) -> OwnedPartition:
        event_type = self._topics[tp.topic]
        store = self._table.partition(tp.topic, tp.partition)
        with self._attempting(store.name, Awaited.REDIS) as attempt:
            claim = await _retried(attempt, partial(store.claim, self._owner), lambda: False)
        assert claim is not None  # never given up; Faust gives up its rebalance after a while
        engine = PartitionEngine(
            event_type,
            PLANS[event_type],
            self._config,
            self._segmentation,
            count_session=count_session,
        )
        engine.restore(
            clock_ms=claim.clock_ms,
            generations=((g.number, g.ids, g.contents) for g in claim.generations),
            sessions=claim.sessions.items(),
        )
        return OwnedPartition(tp, store, engine, claim.offset or 0)


async def _retried(
    attempt: Attempt, write: Callable[[], Awaitable[_T]], is_given_up: Callable[[], bool]
) -> _T | None:
    delay = _RETRY_FIRST_S
    while not is_given_up():
        try:
            return await write()
        except (RedisError, KafkaError, OSError, TimeoutError) as error:
            attempt.error = str(error) or type(error).__name__
            log.warning("%s: %s; trying again in %.2f s", attempt.name, attempt.error, delay)
            await asyncio.sleep(delay)
            delay = min(2 * delay, _RETRY_MAX_S)
    return None


def _waiting(partition: OwnedPartition) -> int:
    return partition.engine.pending_events + len(partition.letters)
