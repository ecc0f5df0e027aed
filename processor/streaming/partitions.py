"""The partitions that this worker owns: claim, fold, flush, give up.

The agent folds a batch into its partition's engine; a flush task writes what has gathered, with
the next offset, in one fenced script call a partition. A batch that does not follow its
partition's claim is stale, from before a rebalance or a rewind, and is dropped: its records are
fetched again.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from aiokafka.errors import KafkaError
from faust.types import TP
from redis.exceptions import RedisError

from processor.core.config import EngineConfig
from processor.core.engine import END_OF_TIME_MS
from processor.core.segments import Segmentation
from processor.metrics.own_definition import OwnMetric
from processor.state.base_register import BaseRegister
from processor.state.cancelling import cancel_until_done
from processor.state.partition import Fenced, OffsetMoved, SegmentRegister
from processor.state.table import PaneTable
from processor.streaming.attempts import RETRY_MAX_S, Attempts
from processor.streaming.bounded import within
from processor.streaming.claiming import Claimer
from processor.streaming.counters import WorkerCounters
from processor.streaming.deadletter import DeadLetter, DeadLetters
from processor.streaming.fetching import RecordBatch
from processor.streaming.flushing import Flusher, is_rebuilt
from processor.streaming.marks import pieces
from processor.streaming.owned import OwnedPartition
from processor.streaming.pacing import FlushPace
from processor.streaming.progress import Attempt
from processor.streaming.resuming import Resumer
from processor.streaming.topic_watch import TopicWatch
from processor.streaming.transport import BatchConsumer
from schemas.events import EventType

__all__ = ["OwnedPartition", "Partitions"]

log = logging.getLogger(__name__)

HOLD_AFTER_S: Final = 1.0
"""A partition that is full waits so long for its flush; then it is held, and the other partitions
of its topic go on without it."""

RECLAIM_AFTER_S: Final = 5.0
"""A partition that another worker claimed, but Kafka goes on assigning to us, is claimed back after
this long: time enough for the rebalance that would have taken it away."""

_HEARTBEAT_S: Final = 1.0


class Partitions:
    """Everything this worker owns; the offset keeper of the batching transport.

    Args:
        topics: event type by batch topic.
        config: the engine's configuration.
        table: the pane table.
        register: where segments are admitted for all workers.
        base_register: where partitions tell one another of snapshots.
        dead_letters: where refused records go.
        owner: names this worker in Redis.
        flush_interval_s: between two flushes of a partition that keeps up.
        idle_after_s: a caught-up partition without records for this long follows the clock.
        now_ms: wall clock in milliseconds.
        put_back: writes again what all workers share, where Redis has lost it.
        own: metrics of one's own, to be counted too.
        rehearses: counts a replay: does what its marks say, which are left out otherwise.
        counters: where it is counted what is done.
    """

    def __init__(
        self,
        *,
        topics: Mapping[str, EventType],
        config: EngineConfig,
        table: PaneTable,
        register: SegmentRegister,
        base_register: BaseRegister,
        segmentation: Segmentation,
        dead_letters: DeadLetters,
        owner: str,
        flush_interval_s: float,
        idle_after_s: float,
        now_ms: Callable[[], int],
        put_back: Callable[[], Awaitable[object]] | None = None,
        own: Sequence[OwnMetric] = (),
        rehearses: bool = False,
        counters: WorkerCounters | None = None,
    ) -> None:
        self._topics = topics
        self._pace = FlushPace(flush_interval_s)
        self._idle_after_s = idle_after_s
        self._now_ms = now_ms
        self._rehearses = rehearses
        self._due = asyncio.Event()
        self._owned: dict[TP, OwnedPartition] = {}
        self.counters = counters or WorkerCounters(topics.values())
        self._attempts = Attempts(self.counters)
        self._flusher = Flusher(
            segmentation=segmentation,
            register=register,
            base_register=base_register,
            dead_letters=dead_letters,
            attempts=self._attempts,
            counters=self.counters,
        )
        self._consumer: BatchConsumer | None = None
        self._reclaim_at: float | None = None
        self._resumer = Resumer(topics, config)
        self._topic_watch = TopicWatch()
        self._claimer = Claimer(
            topics=topics,
            config=config,
            table=table,
            register=register,
            segmentation=segmentation,
            topic_watch=self._topic_watch,
            attempts=self._attempts,
            owner=owner,
            put_back=put_back,
            own=own,
        )
        self.events_total = 0
        self.stale_batches = 0

    @property
    def owned(self) -> Mapping[TP, OwnedPartition]:
        """Partitions by topic and number."""
        return self._owned

    @property
    def attempts(self) -> Collection[Attempt]:
        """Writes and claims that are under way, and those that have to be tried again."""
        return self._attempts.under_way

    # -- what the transport asks ----------------------------------------------------------------

    def keeps(self, topic: str) -> bool:
        """Whether the topic is one of ours."""
        return topic in self._topics

    async def claim(self, assigned: set[TP], consumer: BatchConsumer) -> Mapping[TP, int]:
        """Take over all assigned partitions and load their engines' state.

        Returns:
            Where to read each from: the offset stored with its counts, or as
            :class:`~processor.streaming.resuming.Resumer` decides.

        Raises:
            LogReplacedError: a log is not the one that was counted.
        """
        self._consumer = consumer
        self.release(self._owned)
        self._reclaim_at = None
        await self._topic_watch.look_up(consumer, {tp.topic for tp in assigned})
        claimed = await asyncio.gather(*map(self._claimer.claim, sorted(assigned)))
        stores = {partition.tp: partition.store for partition in claimed}
        resumptions = await self._resumer.resume(stores, consumer, self._now_ms())
        for partition in claimed:
            partition.resume(resumptions[partition.tp])
        if any(resumption.is_rebuild for resumption in resumptions.values()):
            await self._claimer.restore_shared()
        self._owned = {p.tp: p for p in claimed}
        self.counters.claimed()
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
                self._resumer.released(tp, partition.store)

    # -- the way of a batch ---------------------------------------------------------------------

    async def process(self, batch: RecordBatch) -> None:
        """Fold a batch into its partition; waits while too much is waiting for a flush."""
        partition = self._owned.get(TP(batch.topic, batch.partition))
        if partition is None or partition.lost or partition.chain != batch.chain:
            self.stale_batches += 1
            self.counters.stale()
            return
        if partition.held:
            return  # it is fetched again
        if batch.base_offset != partition.next_offset:
            await self._rewind(partition, batch)
            return
        if batch.records[0].offset != batch.base_offset and not await self._follows(
            partition, batch
        ):
            return
        # Whoever replays has refused what is too far ahead of a now of its own.
        now_ms = END_OF_TIME_MS if self._rehearses else self._now_ms()
        for records, values, mark in pieces(batch):
            rejected = partition.engine.fold(values, now_ms) if values else []
            partition.letters += (
                DeadLetter(batch.topic, batch.partition, records[r.position], r.error)
                for r in rejected
            )
            if mark is not None and self._rehearses:
                mark.apply(partition.engine)
                partition.tells |= mark.is_barrier
        partition.next_offset = batch.next_offset
        partition.active_at = time.monotonic()
        partition.events += len(batch.records)
        self.events_total += len(batch.records)
        self.counters.folded(partition.engine.event_type, len(batch.records))
        if self._rest_s(partition, partition.active_at) <= 0:
            self._due.set()
        while partition.is_full and not partition.lost and not partition.held:
            partition.flushed.clear()
            try:
                await within(HOLD_AFTER_S, partition.flushed.wait(), "a flush")
            except TimeoutError:
                self._hold(partition)

    def _hold(self, partition: OwnedPartition) -> None:
        if self._consumer is not None and not partition.lost:
            log.warning("%s: held, as its flush does not come", partition.store.name)
            partition.held = True
            self._consumer.hold(partition.tp)

    async def _go_on(self, partition: OwnedPartition) -> None:
        """Fetch a held partition again, from where its counts end."""
        if self._consumer is not None and await self._seek(partition, self._consumer):
            partition.held = False
            self._consumer.let_go([partition.tp])

    async def _seek(self, partition: OwnedPartition, consumer: BatchConsumer) -> bool:
        """Go to where the counts end; False where that cannot be: it is claimed again."""
        try:
            partition.chain = await consumer.rewind(partition.tp, partition.next_offset)
        except (KafkaError, TimeoutError) as error:  # not ours in Kafka any more, or it is away
            self._claim_again(partition, error)
            return False
        return True

    def _claim_again(self, partition: OwnedPartition, why: object) -> None:
        log.warning("%s: %r; claiming it again", partition.store.name, why)
        partition.lose()
        self._reclaim_at = time.monotonic()

    async def _follows(self, partition: OwnedPartition, batch: RecordBatch) -> bool:
        """Whether a batch that leaves offsets out may be counted, and what it left out told.

        Marks of transactions take offsets, too. But where the log does not have the offset that
        was to be next, aiokafka goes on at its start.
        """
        first = batch.records[0]
        if first.offset < batch.base_offset:
            # The claim finds out what it is.
            self._claim_again(partition, f"its log went back to {first.offset}")
            return False
        if first.offset > batch.base_offset + 1 and self._consumer is not None:
            try:
                start = (await self._consumer.earliest_offsets(partition.tp))[partition.tp]
            except (KafkaError, TimeoutError) as error:
                self._claim_again(partition, error)
            if partition.lost:
                return False
            if start > batch.base_offset:
                missed = min(start, first.offset) - batch.base_offset
                partition.miss(
                    missed,
                    self._resumer.whole_after_ms(partition.tp, first.timestamp, self._now_ms()),
                )
        return True

    async def _rewind(self, partition: OwnedPartition, batch: RecordBatch) -> None:
        """Fetch again from where the counts end: a batch in between was lost on its way here.

        Faust clears its queues when it resumes after a rebalance, also of what came just before.
        """
        ends = f"begins at {batch.base_offset}, the one before it ended at {partition.next_offset}"
        log.warning("%s: a batch %s: fetching again from there", partition.store.name, ends)
        if self._consumer is not None:
            await self._seek(partition, self._consumer)

    async def watch_topics(self, sleep: Callable[[float], Awaitable[object]]) -> None:
        """Look now and then whether a topic was made again under its name, until cancelled.

        Raises:
            LogReplacedError: one was.
        """
        await self._topic_watch.watch_forever(sleep)

    # -- flushing -------------------------------------------------------------------------------

    async def flush_forever(self) -> None:
        """Flush what has gathered, again and again, until cancelled.

        Each partition flushes by itself: one whose dead letters are refused holds up no other.
        """
        flights: dict[OwnedPartition, asyncio.Task[None]] = {}
        try:
            while True:
                for partition in [p for p, flight in flights.items() if flight.done()]:
                    flights.pop(partition).result()
                now, rest_s = time.monotonic(), self._pace.interval_s
                for partition in self._owned.values():
                    if partition not in flights and self._is_due(partition):
                        left_s = self._rest_s(partition, now)
                        if left_s <= 0:
                            partition.flushed_at = now
                            flights[partition] = asyncio.create_task(self._flush(partition))
                        else:
                            rest_s = min(rest_s, left_s)
                await self._reclaim()
                with contextlib.suppress(TimeoutError):
                    await within(rest_s, self._due.wait(), "something to flush")
                self._due.clear()
        finally:
            await cancel_until_done(flights.values())

    async def flush_all(self) -> None:
        """Flush every partition that has something to say, once; not beside `flush_forever`."""
        due = [p for p in self._owned.values() if self._is_due(p)]
        await asyncio.gather(*(self._flush(p) for p in due))

    def _is_due(self, partition: OwnedPartition) -> bool:
        """Whether a partition has something to say."""
        now = time.monotonic()
        if partition.lost:
            return False
        if partition.tells or is_rebuilt(partition, self._consumer):
            return True
        if self._is_idle(partition, now) and now - partition.beat_at >= _HEARTBEAT_S:
            partition.engine.advance(self._now_ms())
            partition.beat_at = now
            return True
        engine = partition.engine
        # Marks of a replay move the offset and may change nothing: it is stored all the same.
        moved = partition.next_offset != (partition.store.offset or 0)
        return engine.has_changes or bool(partition.letters) or moved

    def _rest_s(self, partition: OwnedPartition, now: float) -> float:
        """How long what a partition has to say may wait; 0 or less where it is due."""
        if partition.tells or partition.is_full:
            return 0.0
        gathered = partition.next_offset - (partition.store.offset or 0)
        consumer = self._consumer
        waiting = 0 if consumer is None else consumer.lag(partition.tp, partition.next_offset)
        return self._pace.rest_s(now - partition.flushed_at, gathered, waiting)

    def _is_idle(self, partition: OwnedPartition, now: float) -> bool:
        return (
            now - partition.active_at >= self._idle_after_s
            and self._consumer is not None
            and self._consumer.is_idle(partition.tp)
        )

    async def _flush(self, partition: OwnedPartition) -> None:
        try:
            await self._flusher.flush(partition, self._consumer)
        except Fenced as taken_over:
            self.counters.lost()
            log.info("%s", taken_over)
            if self._owned.get(partition.tp) is partition:  # else it was claimed meanwhile
                self._reclaim_at = time.monotonic() + RECLAIM_AFTER_S
        except OffsetMoved as moved:
            self.counters.lost()
            log.warning("%s: reading again from there", moved)
            self._reclaim_at = time.monotonic()
        if partition.held and not partition.lost and not partition.is_full:
            await self._go_on(partition)
        if partition.tells or partition.is_full:
            self._due.set()

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
            self._reclaim_at = time.monotonic() + RETRY_MAX_S
