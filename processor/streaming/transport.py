"""A batching transport for Faust: one Faust event per fetched partition batch.

Faust's own consumer makes an event, an acknowledgement and several awaits of every record, about
70 µs each. This transport hands an agent the records of one partition's fetch as one event whose
value is a :class:`RecordBatch`; everything else of Faust (topics, agents, assignment, rebalance,
commits) works as it does. Topics that are not batch topics keep the ordinary per-record path, so an
app may have both.

Where the consumer starts to read is not Kafka's committed offset but what the app's
:class:`OffsetKeeper` says: the offset that was stored together with the counts.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, ClassVar, Final, Protocol, cast

import aiokafka
import faust
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from processor.streaming.bounded import within
from processor.streaming.fetching import BatchConsumerThread, RecordBatch
from processor.streaming.topic_ids import topic_ids

log = logging.getLogger(__name__)

HEARD_WITHIN_S: Final = 2.0
"""A fetch that finds nothing is answered after a fraction of this: later means that the broker, or
the fetching, is not well."""

_CLAIM_SHARE = 0.8
"""Of the bound on requests, which is also Faust's bound on a claim, how long a claim may take."""


class OffsetKeeper(Protocol):
    """Who knows where batch topics are read from, and how far they are done."""

    def keeps(self, topic: str) -> bool:
        """Whether the topic is a batch topic."""

    async def claim(self, assigned: set[TP], consumer: "BatchConsumer") -> Mapping[TP, int]:
        """Take partitions over: where to read each from."""

    def claimed(self, tp: TP, chain: int) -> None:
        """Batches of this chain are the ones that follow the claim."""

    def unclaimed(self) -> None:
        """The claim was given up before its end: to be made again, by ``perform_seek``."""

    def stored_offset(self, tp: TP) -> int | None:
        """The next offset of what is safely stored, for Kafka's committed offset."""


class BatchConsumer(driver.Consumer):
    """Faust's consumer, with batches for batch topics and offsets from the app's keeper."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Faust seeks after a rebalance and in the midst of one, we when a partition was lost: two
        # claims at once would fence each other.
        self._seeking = asyncio.Lock()
        self._held: set[TP] = set()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def keeper(self) -> OffsetKeeper:
        """The app's offset keeper."""
        return cast("BatchingApp", self.app).offset_keeper

    def is_batched(self, topic: str) -> bool:
        """Whether the topic's records come in batches."""
        return self.keeper.keeps(topic)

    async def rewind(self, tp: TP, offset: int) -> int:
        """Fetch a batch topic's partition again from ``offset``; the number of its new chain."""
        await self.seek_wait({tp: offset})
        return cast("BatchConsumerThread", self._thread).chains[tp].number

    def hold(self, tp: TP) -> None:
        """Fetch no more of a partition until `let_go`, or until it is claimed again."""
        self._held.add(tp)
        self.pause_partitions({tp})

    def let_go(self, tps: Iterable[TP]) -> None:
        """Fetch again what was held."""
        held = self._held.intersection(tps)
        self._held -= held
        self.resume_partitions(held & self.assignment())

    async def committed_offsets(self, tps: Collection[TP]) -> dict[TP, int]:
        """What the group has committed of partitions, 0 where that is nothing."""

        async def committed(consumer: aiokafka.AIOKafkaConsumer) -> dict[TP, int]:
            return {tp: await consumer.committed(TopicPartition(*tp)) or 0 for tp in tps}

        return cast("dict[TP, int]", await self._ask(committed))

    async def records_at(self, times: Mapping[TP, int]) -> dict[TP, tuple[int, int]]:
        """The first record of each partition that is not older than a time (ms).

        Returns:
            Its offset and its timestamp in ms; nothing for a partition without such a record.
        """

        async def found(consumer: aiokafka.AIOKafkaConsumer) -> dict[TP, tuple[int, int]]:
            wanted = {TopicPartition(*tp): time_ms for tp, time_ms in times.items()}
            found = await consumer.offsets_for_times(wanted)
            return {TP(*tp): (at.offset, at.timestamp) for tp, at in found.items() if at}

        return cast("dict[TP, tuple[int, int]]", await self._ask(found))

    async def topic_ids(self, topics: Collection[str]) -> dict[str, str]:
        """The broker's ids of topics, as far as it has them: another log has another id."""

        async def ids(consumer: aiokafka.AIOKafkaConsumer) -> dict[str, str]:
            return await topic_ids(consumer, topics)

        return cast("dict[str, str]", await self._ask(ids))

    async def _ask(self, question: Callable[[aiokafka.AIOKafkaConsumer], Awaitable[Any]]) -> Any:
        """Put a question to aiokafka's consumer in the thread that it lives in."""
        thread = cast("BatchConsumerThread", self._thread)
        return await thread.call_thread(question, thread._ensure_consumer())  # noqa: SLF001

    def has_read_to(self, tp: TP, offset: int, end: int) -> bool:
        """Whether no record is left between ``offset`` and ``end``, but marks of transactions."""
        state = self._fetch_state(tp)
        return offset >= end or (
            (self.caught_up(tp) and state.highwater >= end) and self.lag(tp, offset) == 0
        )

    def is_idle(self, tp: TP) -> bool:
        """Whether the broker has just said that it has no more of a partition.

        A broker that is away says nothing: what was written meanwhile is not late for it.
        """
        state = self._fetch_state(tp)
        return self.caught_up(tp) and state.timestamp > (time.time() - HEARD_WITHIN_S) * 1000

    def caught_up(self, tp: TP) -> bool:
        """Whether everything that the broker has said it holds of a partition was fetched."""
        state = self._fetch_state(tp)
        return (
            state is not None
            and state.highwater is not None
            and state.has_valid_position
            and state.position >= state.highwater
        )

    def lag(self, tp: TP, offset: int) -> int:
        """How many records of a partition there are from ``offset`` on, as of the last fetch.

        The marks of transactions take offsets, too: at the log's end they are not waited for.
        """
        state = self._fetch_state(tp)
        if state is None or state.highwater is None:
            return 0
        chain = cast("BatchConsumerThread", self._thread).chains.get(tp)
        if self.caught_up(tp) and chain is not None and chain.next_offset <= offset:
            return 0
        return max(0, cast("int", state.highwater) - offset)

    def partition_count(self, topic: str) -> int:
        """How many partitions a topic has, as the broker said last; 0 where it has not yet.

        Faust's own ``topic_partitions`` does not know it after a static member came back.
        """
        consumer = cast("BatchConsumerThread", self._thread)._ensure_consumer()  # noqa: SLF001
        return len(consumer.partitions_for_topic(topic) or ())

    @property
    def connected(self) -> bool:
        """Whether its thread has a connection: before that nothing can be asked of it."""
        return cast("BatchConsumerThread", self._thread)._consumer is not None  # noqa: SLF001

    def fetched(self, tp: TP) -> tuple[int, int] | None:
        """Where the last batch handed out ends, and where the fetcher stands.

        The fetcher is further: it reads ahead, and passes the marks of transactions. ``None``
        while the partition is not sought.
        """
        state = self._fetch_state(tp)
        chain = cast("BatchConsumerThread", self._thread).chains.get(tp)
        if state is None or chain is None or not state.has_valid_position:
            return None
        return chain.next_offset, cast("int", state.position)

    def _fetch_state(self, tp: TP) -> Any:
        consumer = cast("BatchConsumerThread", self._thread)._ensure_consumer()  # noqa: SLF001
        subscription = consumer._subscription.subscription  # noqa: SLF001
        if subscription is None or subscription.assignment is None:
            return None
        key = TopicPartition(tp.topic, tp.partition)
        if key not in subscription.assignment.tps:
            return None
        return subscription.assignment.state_value(key)

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        if not isinstance(record, RecordBatch):
            return super()._to_message(tp, record)
        last = record.records[-1]
        return ConsumerMessage(
            record.topic,
            record.partition,
            record.next_offset - 1,
            last.timestamp / 1000.0,
            last.timestamp_type,
            [],
            None,
            cast("bytes", record),
            None,
            tp=TP(record.topic, record.partition),
            generation_id=self.app.consumer_generation_id,
        )

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek ordinary topics to Kafka's offsets, batch topics to the keeper's.

        A claim that takes too long is given up for now and made again by its keeper: where it took
        longer than Faust waits, Faust would end its recovery for good, and never resume.
        """
        if not self.assignment():  # aiokafka asserts that there is one
            await self.keeper.claim(set(), self)
            return {}
        limit_s = _CLAIM_SHARE * self.app.conf.broker_request_timeout
        try:
            return await within(limit_s, self._seek_to_stored(), "claiming partitions")
        except (TimeoutError, KafkaTimeoutError) as error:
            log.warning("%s: trying again", error)
            self.keeper.unclaimed()
            return {}

    async def _seek_to_stored(self) -> Mapping[TP, int]:
        async with self._seeking:
            offsets = dict(await super().seek_to_committed())
            batched = {tp for tp in self.assignment() if self.is_batched(tp.topic)}
            stored = await self.keeper.claim(batched, self)
            await self.seek_wait(stored)
            chains = cast("BatchConsumerThread", self._thread).chains
            for tp in stored:
                self.keeper.claimed(tp, chains[tp].number)
            self.let_go(stored)
            return {**offsets, **stored}

    def _new_offset(self, tp: TP) -> int | None:
        if not self.is_batched(tp.topic):
            return super()._new_offset(tp)
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return self.keeper.stored_offset(tp)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if not self.is_batched(tp.topic):  # between batches every offset is a gap, and none is
            await super()._add_gap(tp, offset_from, offset_to)


class BatchTransport(driver.Transport):
    """The transport of a :class:`BatchingApp`."""

    Consumer: ClassVar[type[BatchConsumer]] = BatchConsumer


class RawSchema(faust.Schema):  # type: ignore[type-arg]  # not generic when it runs
    """Hands values on as they are: batches here, and decoding is not Faust's."""

    def loads_key(
        self,
        app: Any,
        message: Any,
        *,
        loads: Callable[..., Any] | None = None,
        serializer: Any = None,
    ) -> Any:
        """The key, undecoded."""
        del app, loads, serializer
        return message.key

    def loads_value(
        self,
        app: Any,
        message: Any,
        *,
        loads: Callable[..., Any] | None = None,
        serializer: Any = None,
    ) -> Any:
        """The value, undecoded."""
        del app, loads, serializer
        return message.value


class BatchingApp(faust.App):
    """A Faust app on the batching transport.

    Attributes:
        offset_keeper: decides which topics come in batches, and from where.
    """

    offset_keeper: OffsetKeeper

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)
