"""Reads the stored panes of one series: the counters that are needed, from all partitions.

A pane's hash holds every series; so fields are asked for by name, many panes in one round trip.
Bases are read in one transaction with the panes that change them: what is counted back from all
there is must be of one instant.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar

from redis.asyncio import Redis

from processor.core.past import PastPanes
from processor.metrics.asked import Needs
from processor.state.completeness import Completeness
from processor.state.keys import Keys
from processor.state.pipelines import Command, read_at_once, read_each
from processor.state.replies import raw, text
from processor.state.samples import MARK
from schemas.readings import WHOLE, reading_key

_FIELDS_AT_ONCE: Final = 8_000
"""Fields asked for in one round trip: some milliseconds of Redis and of ours."""

_SAMPLES_AT_ONCE: Final = 64
"""Samples in one round trip: each may be of 160 KiB."""

_BASES: Final = "0:0"
_ALL_OF_IT: Final = 1_000_000_000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class StoredPartition:
    """How far a partition is, and what it lacks.

    Attributes:
        topic: its topic.
        number: its number.
        clock_ms: its event clock, 0 before its first event.
        completeness: ``None`` before its owner has stored anything.
    """

    topic: str
    number: int
    clock_ms: int
    completeness: Completeness | None


@dataclass(frozen=True, slots=True)
class SeriesPanes:
    """Which panes of which series.

    Attributes:
        series: its key.
        pane_ms: the tier.
        starts_ms: starts of panes.
    """

    series: str
    pane_ms: int
    starts_ms: Sequence[int]


class StoredHistory:
    """The panes of all partitions, as they are stored.

    Args:
        redis: a client with bounded time-outs; its owner closes it.
        keys: key names of the deployment.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def partitions(self, topics: Collection[str]) -> list[StoredPartition]:
        """The partitions of these topics that were ever claimed.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses; of all functions here.
        """
        members = sorted(map(text, await self._redis.smembers(self._keys.partitions)))
        names = [(topic, int(n)) for topic, _, n in (m.rpartition(" ") for m in members)]
        names = [(topic, number) for topic, number in names if topic in topics]
        fields = ("offset", "clock", "complete_from", "rebuild_to")
        metas = await read_each(
            self._redis, [("HMGET", self._keys.partition(*name).meta, *fields) for name in names]
        )
        found = []
        for name, (offset, *numbers) in zip(names, metas, strict=True):
            clock_ms, complete_from_ms, rebuild_to = (int(n or 0) for n in numbers)
            known = None if offset is None else Completeness(complete_from_ms, rebuild_to)
            found.append(StoredPartition(*name, clock_ms, known))
        return found

    async def status(self) -> Mapping[str, int]:
        """The publisher's revision, and the partitions nobody has stored anything of yet."""
        found = await self._redis.hmget(self._keys.status, ["revision", "unclaimed"])
        revision, unclaimed = (int(n or 0) for n in found)
        return {"revision": revision, "unclaimed": unclaimed}

    async def currencies(
        self,
        metrics: Iterable[str],
        windows: Iterable[str],
        segment: Mapping[str, str],
        candidates: Sequence[str],
    ) -> list[str]:
        """Those of the currencies in which one of these metrics was published."""
        asked = [
            (currency, reading_key(metric, window, segment, currency))
            for metric in metrics
            for window in windows
            for currency in candidates
        ]
        if not asked:
            return []
        stored = await read_each(
            self._redis, [("HMGET", self._keys.readings, *(key for _, key in asked))]
        )
        found = zip(asked, stored[0], strict=True)
        return sorted({currency for (currency, _), row in found if row is not None})

    async def panes(
        self,
        partitions: Sequence[StoredPartition],
        wanted: SeriesPanes,
        needs: Needs,
    ) -> PastPanes:
        """What is stored of a series in these panes, over all of the partitions.

        Args:
            partitions: of the topics that its measures come from.
            wanted: the panes.
            needs: what to read; bases need all panes up to the latest.
        """
        found = PastPanes()
        if needs.bases:
            for partition in partitions:
                await self._read_bases(partition, wanted, needs, found)
        counters = [] if needs.bases else sorted(needs.counters)
        samples = sorted(needs.samples)
        if not counters and not samples:
            return found
        fields = [f"{wanted.series}|{name}" for name in counters]
        fields += [f"{MARK}{wanted.series}|{name}" for name in samples]
        at_once = max(1, _FIELDS_AT_ONCE // len(fields))
        if samples:
            at_once = max(1, min(at_once, _SAMPLES_AT_ONCE // len(samples)))
        reads = (
            (start, ("HMGET", self._pane_key(partition, wanted.pane_ms, start), *fields))
            for start in wanted.starts_ms
            for partition in partitions
        )
        for chunk in _chunks(reads, at_once):
            replies = await read_each(self._redis, [command for _, command in chunk])
            for (start, _), values in zip(chunk, replies, strict=True):
                found.add(start, _counted(counters, values))
                for measure, packed in zip(samples, values[len(counters) :], strict=True):
                    if packed is not None:
                        found.observe(start, measure, raw(packed))
            await asyncio.sleep(0)  # others on this loop have their turn between round trips
        return found

    async def _read_bases(
        self,
        partition: StoredPartition,
        wanted: SeriesPanes,
        needs: Needs,
        found: PastPanes,
    ) -> None:
        counters = sorted(needs.counters)
        fields = [f"{wanted.series}|{name}" for name in counters]
        key = self._pane_key(partition, 0, 0)
        # The pattern holds no wildcard but its last: keys of series are percent-encoded.
        patterns = [
            f"{one}|{base}.*"
            for one in dict.fromkeys((wanted.series, WHOLE))
            for base in needs.bases
        ]
        commands: list[Command] = [
            ("HSCAN", key, 0, "MATCH", pattern, "COUNT", _ALL_OF_IT) for pattern in patterns
        ]
        commands += [
            ("HMGET", self._pane_key(partition, wanted.pane_ms, start), *fields)
            for start in wanted.starts_ms
        ]
        replies = await read_at_once(self._redis, key, commands)
        for _, stored in replies[: len(patterns)]:
            found.add_bases(_by_series(stored))
        for start, values in zip(wanted.starts_ms, replies[len(patterns) :], strict=True):
            found.add(start, _counted(counters, values))

    def _pane_key(self, partition: StoredPartition, pane_ms: int, start_ms: int) -> str:
        keys = self._keys.partition(partition.topic, partition.number)
        return keys.pane(_BASES if not pane_ms else f"{pane_ms}:{start_ms}")


def _counted(names: Sequence[str], values: Sequence[Any]) -> dict[str, int]:
    # Values of samples may follow.
    return {
        name: int(value) for name, value in zip(names, values, strict=False) if value is not None
    }


def _by_series(stored: Mapping[Any, Any]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for field, value in stored.items():
        series, _, name = text(field).rpartition("|")
        found.setdefault(series, {})[name] = int(value)
    return found


def _chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
