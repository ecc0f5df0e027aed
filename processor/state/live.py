"""Reads what is published and how far the partitions are: what a live display needs, and no more.

Every read is absolute, so a reader that missed some or was started late shows the same as others.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import Redis

from processor.state.keys import Keys
from processor.state.pipelines import read_at_once, read_each
from processor.state.replies import text

_STAT: Final = "stat:"

DEAD_LETTERS: Final = ("rejected", "late_dropped")
"""Stats of events that went to a dead-letter topic."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the publisher said at its last tick.

    Attributes:
        revision: number of the tick; only grows.
        as_of: the event-time watermark behind the readings, RFC 3339.
        clock_ms: the event time at which the windows end, epoch milliseconds.
        published_at_ms: wall-clock time of the tick, epoch milliseconds.
        open_sessions: sessions that are not closed, over all partitions.
        leader: names the publisher: the lease's epoch and holder.
        rebuilding: partitions whose lost counts are being made again.
        unclaimed: partitions that no worker has stored anything of yet.
    """

    revision: int
    as_of: str
    clock_ms: int
    published_at_ms: int
    open_sessions: int
    leader: str
    rebuilding: int = 0
    unclaimed: int = 0


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """How far one partition is.

    Attributes:
        topic: its topic.
        partition: its number.
        offset: the next offset to count, 0 before the first flush.
        lag: records behind the log's end at the last flush.
        clock_ms: its event clock, epoch milliseconds; 0 before its first event.
        watermark_ms: its watermark, epoch milliseconds.
        stats: events by outcome, since the state began: ``counted``, ``repeats``, ….
        complete_from_ms: windows that begin before it may lack events; 0 where none does.
        rebuilding: lost counts are being made again from the log.
    """

    topic: str
    partition: int
    offset: int
    lag: int
    clock_ms: int
    watermark_ms: int
    stats: Mapping[str, int]
    complete_from_ms: int = 0
    rebuilding: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything read at about one instant.

    Attributes:
        rows: readings as JSON-ready fields, by reading key.
        status: the publisher's last tick, ``None`` before the first.
        partitions: every partition that was ever claimed, by topic and number.
    """

    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    status: Status | None = None
    partitions: tuple[PartitionProgress, ...] = ()

    @property
    def stats(self) -> Counter[str]:
        """Events by outcome, over all partitions."""
        total: Counter[str] = Counter()
        for partition in self.partitions:
            total.update(partition.stats)
        return total

    @property
    def lag(self) -> int:
        """Records that are not counted yet, over all partitions."""
        return sum(partition.lag for partition in self.partitions)

    @property
    def records(self) -> int:
        """The sum of the offsets: its growth is the number of records read."""
        return sum(partition.offset for partition in self.partitions)

    @property
    def dead_letters(self) -> int:
        """Events that went to a dead-letter topic, since the state began."""
        stats = self.stats
        return sum(stats[name] for name in DEAD_LETTERS)


class LiveReadings:
    """Reads readings, the publisher's status and the partitions' progress from Redis.

    Args:
        redis: a client with bounded time-outs; its owner closes it.
        keys: key names of the deployment.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def read(self, wanted: Callable[[str], bool] | None = None) -> Snapshot:
        """Read all there is now.

        Args:
            wanted: which reading keys to decode, ``metric|window|segment``; all by default.
                Decoding is most of the cost where there are many segments.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        keys = self._keys
        readings, status = await read_at_once(
            self._redis, keys.status, [("HGETALL", keys.readings), ("HGETALL", keys.status)]
        )
        return Snapshot(
            rows=_rows(readings, wanted),
            status=status_of(status),
            partitions=await self.partitions(),
        )

    async def status(self) -> Status | None:
        """What the publisher said at its last tick, ``None`` before the first.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        fields: Any = await self._redis.hgetall(self._keys.status)
        return status_of(fields)

    async def partitions(self) -> tuple[PartitionProgress, ...]:
        """How far every partition is that was ever claimed, by topic and number.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        members = await self._redis.smembers(self._keys.partitions)
        names = sorted(_partition_names(members))
        metas = await read_each(
            self._redis, [("HGETALL", self._keys.partition(*name).meta) for name in names]
        )
        return tuple(_partition(*name, meta) for name, meta in zip(names, metas, strict=True))


def _rows(
    readings: Mapping[bytes, bytes], wanted: Callable[[str], bool] | None
) -> dict[str, Mapping[str, Any]]:
    named = ((text(key), payload) for key, payload in readings.items())
    return {key: json.loads(row) for key, row in named if wanted is None or wanted(key)}


def status_of(fields: Mapping[bytes, bytes]) -> Status | None:
    """The status that the publisher's hash tells, ``None`` where there is none."""
    if not fields:
        return None
    return Status(
        revision=int(fields[b"revision"]),
        as_of=text(fields[b"as_of"]),
        clock_ms=int(fields[b"clock"]),
        published_at_ms=int(fields[b"published_at"]),
        open_sessions=int(fields[b"open_sessions"]),
        leader=text(fields[b"leader"]),
        rebuilding=int(fields.get(b"rebuilding", 0)),
        unclaimed=int(fields.get(b"unclaimed", 0)),
    )


def _partition_names(members: Iterable[bytes | str]) -> list[tuple[str, int]]:
    split = (text(member).rpartition(" ") for member in members)
    return [(topic, int(number)) for topic, _, number in split]


def _partition(topic: str, number: int, meta: Mapping[bytes, bytes]) -> PartitionProgress:
    fields = {text(name): value for name, value in meta.items()}
    return PartitionProgress(
        topic=topic,
        partition=number,
        offset=int(fields.get("offset") or 0),
        lag=int(fields.get("lag", 0)),
        clock_ms=int(fields.get("clock", 0)),
        watermark_ms=int(fields.get("watermark", 0)),
        stats={
            name.removeprefix(_STAT): int(count)
            for name, count in fields.items()
            if name.startswith(_STAT)
        },
        complete_from_ms=int(fields.get("complete_from", 0)),
        rebuilding=bool(int(fields.get("rebuild_to", 0))),
    )
