"""`Partitions` on a real Redis, with a log in memory instead of Kafka's consumer."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from faust.types import TP
from redis.asyncio import Redis

from processor.core.config import EngineConfig
from processor.core.segments import Segmentation
from processor.state.base_register import BaseRegister
from processor.state.keys import Keys
from processor.state.partition import PartitionStore, SegmentRegister
from processor.streaming.deadletter import DeadLetter, DeadLetters
from processor.streaming.fetching import RecordBatch
from processor.streaming.partitions import Partitions
from schemas.events import EventType

if TYPE_CHECKING:
    from processor.streaming.transport import BatchConsumer

SURVEYS = TP("surveys", 0)
TIMESTAMP_MS = time.time_ns() // 1_000_000 - 90_000
"""Of every record of a log in memory."""


def now_ms() -> int:
    """The clock."""
    return time.time_ns() // 1_000_000


def answer(
    number: int,
    *,
    event_id: str | None = None,
    channel: str | None = None,
    seconds_ago: int = 60,
) -> bytes:
    """One NPS answer."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_ms() / 1000 - seconds_ago))
    dimensions = f',"dimensions":{{"channel":"{channel}"}}' if channel else ""
    return (
        f'{{"type":"survey_response","event_id":"{event_id or f"e{number}"}",'
        f'"occurred_at":"{when}","survey":"nps","score":9{dimensions}}}'
    ).encode()


@dataclass(slots=True)
class LoggedRecord:
    """A record as the fetcher leaves it."""

    offset: int
    value: bytes | None
    timestamp: int = TIMESTAMP_MS
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass(eq=False)
class LogConsumer:
    """Reads a log in memory where it was sought to: what `Partitions` asks of a consumer.

    Attributes:
        log: the partition's records.
        assigned: whether Kafka would say that the partition is ours.
        start: the first offset that was not removed from the log.
        committed: what the group has committed.
        topic_id: the topic's.
        is_old: no record is as young as any time that is asked for.
    """

    partitions: Partitions
    log: list[bytes | None] = field(default_factory=list)
    assigned: bool = True
    position: int = 0
    chain: int = 0
    seeks: int = 0
    start: int = 0
    committed: int = 0
    topic_id: str = "the first"
    is_old: bool = False
    held: set[TP] = field(default_factory=set)

    async def perform_seek(self) -> None:
        """As the transport: claim, seek, follow."""
        await self.assign({SURVEYS} if self.assigned else set())

    async def assign(self, tps: set[TP]) -> None:
        """What a rebalance does."""
        offsets = await self.partitions.claim(tps, cast("BatchConsumer", self))
        for tp, offset in offsets.items():
            self.seeks += 1
            self.chain += 1
            self.position = offset
            self.partitions.claimed(tp, self.chain)

    async def deliver(self, most: int = 1_000_000) -> None:
        """Fetch what is there and hand it to the agent's function."""
        await self.partitions.process(self.fetch(most))

    async def deliver_to(self, tp: TP) -> None:
        """The same as if it were another partition's log, in the chain of that one."""
        partition = self.partitions.owned[tp]
        batch = self.fetch()
        await self.partitions.process(
            replace(batch, topic=tp.topic, partition=tp.partition, chain=partition.chain)
        )

    def fetch(self, most: int = 1_000_000) -> RecordBatch:
        """The next batch."""
        begin, self.position = self.position, min(len(self.log), self.position + most)
        records: list[Any] = [
            LoggedRecord(offset, self.log[offset]) for offset in range(begin, self.position)
        ]
        return RecordBatch(*SURVEYS, self.chain, begin, self.position, records)

    async def earliest_offsets(self, *tps: TP) -> Mapping[TP, int]:
        """The log's start."""
        return dict.fromkeys(tps, self.start)

    async def highwaters(self, *tps: TP) -> Mapping[TP, int]:
        """The log's end."""
        return dict.fromkeys(tps, len(self.log))

    async def committed_offsets(self, tps: Collection[TP]) -> Mapping[TP, int]:
        """What the group has committed."""
        return dict.fromkeys(tps, self.committed)

    async def records_at(self, times: Mapping[TP, int]) -> Mapping[TP, tuple[int, int]]:
        """Every record's timestamp is `TIMESTAMP_MS`, unless the log is old."""
        has_records = self.start < len(self.log) and not self.is_old
        return {
            tp: (self.start, TIMESTAMP_MS)
            for tp, time_ms in times.items()
            if has_records and time_ms <= TIMESTAMP_MS
        }

    async def topic_ids(self, topics: Collection[str]) -> Mapping[str, str]:
        """The topic's id."""
        return dict.fromkeys(topics, self.topic_id)

    def has_read_to(self, _tp: TP, offset: int, end: int) -> bool:
        """There are no transactions."""
        return offset >= end

    async def rewind(self, _tp: TP, offset: int) -> int:
        """Seek one partition."""
        self.position = offset
        self.chain += 1
        return self.chain

    def hold(self, tp: TP) -> None:
        """Fetch no more."""
        self.held.add(tp)

    def let_go(self, tps: Iterable[TP]) -> None:
        """Fetch again."""
        self.held.difference_update(tps)

    def is_idle(self, _tp: TP) -> bool:
        """Whether all was fetched."""
        return self.position == len(self.log)

    def lag(self, _tp: TP, offset: int) -> int:
        """To the log's end."""
        return len(self.log) - offset

    def assignment(self) -> set[TP]:
        """What is ours."""
        return {SURVEYS} if self.assigned else set()


class KeptLetters(DeadLetters):
    """Keeps dead letters in a list."""

    def __init__(self) -> None:
        self.kept: list[DeadLetter] = []

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Keep them."""
        self.kept += letters


class _Table:
    """The pane table without its Faust app."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis, self._keys = redis, keys

    def partition(self, topic: str, partition: int) -> PartitionStore:
        return PartitionStore(self._redis, self._keys, topic, partition, EngineConfig().tiers)


def owning(
    redis: Redis,
    prefix: str,
    letters: DeadLetters | None = None,
    *,
    owner: str = "a",
    event_type: EventType = EventType.SURVEY_RESPONSE,
    clock: Callable[[], int] = now_ms,
) -> LogConsumer:
    """One worker's partitions, and the consumer that feeds them: surveys, unless told otherwise."""
    keys, config = Keys(prefix), EngineConfig()
    segmentation = Segmentation(config.segment_sets, config.segment_cap)
    partitions = Partitions(
        topics={SURVEYS.topic: event_type},
        config=config,
        table=cast("Any", _Table(redis, keys)),
        base_register=BaseRegister(
            redis, keys, detail_ms=config.base_detail_ms, too_late_ms=config.too_late_after_ms
        ),
        register=SegmentRegister(redis, keys, segmentation.sets, segmentation.cap),
        segmentation=segmentation,
        dead_letters=letters or KeptLetters(),
        owner=owner,
        flush_interval_s=0.05,
        idle_after_s=60,
        now_ms=clock,
    )
    return LogConsumer(partitions)
