"""One partition's state in Redis: claim it, flush changes to it, admit segments.

Every flush is one script call that checks the writer's fence, applies the deltas and stores the
next offset, all or nothing. A flush may be sent again after a lost answer: it carries a sequence
number, and the second try finds the first one's.
"""

import re
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic_core import to_json
from redis.asyncio import Redis

from processor.core.bases import CELL
from processor.core.changes import Changes
from processor.core.config import EngineConfig
from processor.core.panes import Tier
from processor.core.segments import SegmentSet
from processor.state.completeness import WHOLE, Completeness
from processor.state.customers import Remembering, StoredCustomers, encode_customers
from processor.state.keys import Keys, PartitionKeys
from processor.state.replies import raw, text
from processor.state.samples import LONG_BYTES, LongFields, encode_samples
from processor.state.scripts import Script, source
from processor.state.sessions import encode_sessions

_EXACT_IN_LUA: Final = 1 << 53
"""Lua's numbers are doubles: a larger delta travels as text, which Redis takes as well."""
_LONG_NUMBER: Final = re.compile(rb":-?\d{16}")
"""What looks in JSON like a number that may be beyond: none has fewer digits."""

REMEMBERING: Final = Remembering(
    ttl_ms=EngineConfig().customer_ttl_ms, most=EngineConfig().customers_max
)
"""How long customers are remembered unless it is configured."""

_SCAN_COUNT: Final = 1000
_PRUNE_EVERY_MS: Final = 10_000
_LIST_EVERY_S: Final = 30.0
LOG_LENGTH: Final = 256
"""Flushes kept in a partition's log for readers; one that falls further behind loads afresh."""


class Fenced(Exception):  # noqa: N818 - not an error of ours: another owner has taken over
    """Another worker has claimed the partition; nothing was written."""


class OffsetMoved(Exception):  # noqa: N818 - a finding about the store
    """The store's offset is not the one this owner left: Redis was rolled back or written to."""


@dataclass(frozen=True, slots=True)
class StoredGeneration:
    """A generation of remembered ids, as stored."""

    number: int
    ids: bytes
    contents: bytes


@dataclass(slots=True)
class Claim:
    """What a partition's new owner starts from.

    Attributes:
        epoch: the fence of this ownership.
        offset: the next offset to read, ``None`` where nothing was ever stored.
        clock_ms: the event clock at the last flush, 0 where there was none.
        panes: names ``<pane_ms>:<start_ms>`` of the panes there are.
        generations: remembered ids, oldest first.
        sessions: encoded sessions by keyed hash.
        completeness: what the counts lack.
        topic_id: of the topic that was counted; empty where the broker did not tell it.
        bases: the running bases' cell: series → counter → count.
    """

    epoch: int
    offset: int | None
    clock_ms: int
    completeness: Completeness = WHOLE
    topic_id: str = ""
    panes: set[str] = field(default_factory=set)
    generations: list[StoredGeneration] = field(default_factory=list)
    sessions: dict[bytes, bytes] = field(default_factory=dict)
    bases: dict[str, dict[str, int]] = field(default_factory=dict)


class PartitionStore:
    """Reads and writes one partition's state as its owner.

    Args:
        redis: a client with bounded time-outs.
        keys: key names of the deployment.
        topic: the partition's topic.
        partition: its number.
        tiers: which panes are kept, and for how long.
        remembering: how long customers are remembered.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        topic: str,
        partition: int,
        tiers: Sequence[Tier],
        *,
        remembering: Remembering = REMEMBERING,
    ) -> None:
        self._redis = redis
        self._partitions_key = keys.partitions
        self.keys: PartitionKeys = keys.partition(topic, partition)
        self.name = f"{topic}-{partition}"
        self._topic, self._partition = topic, partition
        self._tiers = {tier.pane_ms: tier for tier in tiers}
        self._panes: set[str] = set()
        self._pruned_at_ms = 0
        self._epoch = 0
        self._seq = 0
        self._writer = ""
        self._list_at = 0.0
        self.offset: int | None = None
        self.completeness = WHOLE
        self._customers = StoredCustomers(redis, self.keys, remembering)
        self._long = LongFields(redis, self.keys)
        self._flush = Script(redis, source("flush"))
        self._claim = Script(redis, source("claim"))

    async def claim(self, owner: str, topic_id: str = "") -> Claim:
        """Take the partition over, fencing every earlier owner, and load what its engine needs.

        Args:
            owner: names the worker.
            topic_id: the id that the broker gave the topic, empty where it is not known.

        Raises:
            redis.exceptions.RedisError: Redis is away, full or read-only, or its user may not do
                all that a flush does.
        """
        reply = await self._claim(keys=[self.keys.meta, self.keys.probe], args=[owner, topic_id])
        meta = {bytes(k): bytes(v) for k, v in zip(reply[::2], reply[1::2], strict=True)}
        await self._list()
        self._epoch, self._seq = int(meta[b"epoch"]), 0
        # A Redis that went back to an earlier state gives an epoch twice, to two owners.
        self._writer = secrets.token_hex(4)
        self.offset = int(meta[b"offset"]) if meta.get(b"offset") else None
        self.completeness = Completeness(
            complete_from_ms=int(meta.get(b"complete_from", 0)),
            rebuild_to=int(meta.get(b"rebuild_to", 0)),
        )
        await self._customers.restore(meta)
        self._panes = {text(name) for name in await self._redis.smembers(self.keys.panes)}
        return Claim(
            epoch=self._epoch,
            offset=self.offset,
            clock_ms=int(meta.get(b"clock", b"0")),
            completeness=self.completeness,
            topic_id=text(meta.get(b"topic_id", b"")),
            panes=set(self._panes),
            generations=[g async for g in self._stored_generations()],
            sessions={
                raw(key): raw(value)
                async for key, value in self._redis.hscan_iter(
                    self.keys.sessions, count=_SCAN_COUNT
                )
            },
            bases=await self._stored_bases(),
        )

    async def customers(self, keys: Sequence[int]) -> dict[int, bytes | None]:
        """What is stored of customers, ``None`` where that is nothing.

        Raises:
            redis.exceptions.RedisError: Redis is away, or refuses.
        """
        return await self._customers.find(keys)

    async def flush(
        self,
        changes: Changes,
        next_offset: int,
        *,
        lag: int = 0,
        completeness: Completeness | None = None,
    ) -> None:
        """Write changes and the next offset, or nothing.

        Args:
            changes: what the engine gave.
            next_offset: the first offset that is not in them.
            lag: records behind the log's end, for whoever watches.
            completeness: what the counts lack from now on; as it was unless given.

        Raises:
            Fenced: another worker owns the partition now.
            OffsetMoved: the stored offset is not the one this owner wrote last.
            redis.exceptions.RedisError: Redis did not do it, or did not say so; try again with
                the same arguments.
        """
        lacks = self.completeness if completeness is None else completeness
        if time.monotonic() >= self._list_at:
            await self._list()
        drop_panes = self._prune(changes)
        merged, lengths = await self._long.merge()
        generation, drop_customers = self._customers.next(changes.clock_ms)
        if not changes.customers:
            generation, drop_customers = self._customers.newest, ()
        keys = self.keys
        arguments: list[Any] = [
            keys.base,
            self._epoch,
            f"{self._writer}:{self._seq + 1}",
            "" if self.offset is None else self.offset,
            next_offset,
            encode_deltas(changes),
            to_json(
                {
                    "clock": changes.clock_ms,
                    "watermark": changes.watermark_ms,
                    "open_sessions": changes.open_sessions,
                    "lag": lag,
                    "complete_from": lacks.complete_from_ms,
                    "rebuild_to": lacks.rebuild_to,
                }
            ),
            to_json(changes.stats),
            to_json(
                {
                    "panes": drop_panes,
                    "generations": changes.forgotten_generations,
                    "customers": list(drop_customers),
                }
            ),
            LOG_LENGTH,
            encode_samples(changes.samples),
            merged,
            LONG_BYTES,
            generation.number,
            generation.since_ms,
            encode_customers(changes.customers),
            encode_sessions(changes.sessions, changes.forgotten_sessions),
        ]
        for remembered in changes.ids:
            arguments += (
                remembered.generation,
                remembered.ids.tobytes(),
                remembered.contents.tobytes(),
            )
        status, *detail = await self._flush(
            keys=[
                *(keys.meta, keys.panes, keys.generations, keys.sessions, keys.log),
                *self._touched(changes, drop_panes),
                *(keys.pane(pane) for pane, _ in lengths),
                *map(keys.customers, [generation.number, *drop_customers]),
            ],
            args=arguments,
        )
        if status == b"fenced":
            raise Fenced(f"{self.name}: another worker owns this partition (epoch {detail[0]!r})")
        if status == b"moved":
            raise OffsetMoved(
                f"{self.name}: Redis holds offset {detail[0].decode() or 'none'}, "
                f"this worker left it at {self.offset}"
            )
        self._seq += 1
        self.offset = next_offset
        self.completeness = lacks
        for cells in (changes.deltas, changes.samples):
            self._panes.update(f"{pane_ms}:{start}" for pane_ms, start in cells)
        self._panes.difference_update(drop_panes)
        size, *long = detail or (self._customers.newest.size,)
        if changes.customers:
            self._customers.newest = replace(generation, size=int(size))
        self._long.told(long)
        self._long.merged(lengths, set(drop_panes))

    async def _list(self) -> None:
        # The publisher finds the partitions here; a name in it twice does no harm. In a cluster it
        # is another node that may forget it, so it is said again.
        await self._redis.sadd(self._partitions_key, f"{self._topic} {self._partition}")
        self._list_at = time.monotonic() + _LIST_EVERY_S

    def _touched(self, changes: Changes, drop_panes: list[str]) -> Iterator[str]:
        keys = self.keys
        for pane_ms, start in changes.deltas.keys() | changes.samples.keys():
            yield keys.pane(f"{pane_ms}:{start}")
        for name in drop_panes:
            yield keys.pane(name)
        for number in [r.generation for r in changes.ids] + changes.forgotten_generations:
            yield keys.ids(number)
            yield keys.contents(number)

    def _prune(self, changes: Changes) -> list[str]:
        if changes.clock_ms < self._pruned_at_ms + _PRUNE_EVERY_MS:
            return []
        self._pruned_at_ms = changes.clock_ms
        return [name for name in self._panes if not self._kept(name, changes.clock_ms)]

    def _kept(self, name: str, clock_ms: int) -> bool:
        pane_ms, start_ms = map(int, name.split(":"))
        tier = self._tiers.get(pane_ms)
        is_kept = tier is not None and tier.keeps(start_ms, clock_ms)
        return is_kept or (pane_ms, start_ms) == CELL

    async def _stored_bases(self) -> dict[str, dict[str, int]]:
        name = "{}:{}".format(*CELL)
        found: dict[str, dict[str, int]] = {}
        if name in self._panes:
            for counter, n in (await self._redis.hgetall(self.keys.pane(name))).items():
                series, _, measure = text(counter).rpartition("|")
                found.setdefault(series, {})[measure] = int(n)
        return found

    async def _stored_generations(self) -> AsyncIterator[StoredGeneration]:
        for number in sorted(map(int, await self._redis.smembers(self.keys.generations))):
            ids = await self._redis.get(self.keys.ids(number))
            contents = await self._redis.get(self.keys.contents(number))
            yield StoredGeneration(number, raw(ids), raw(contents))


def encode_deltas(changes: Changes) -> bytes:
    """The deltas as JSON for the script and the log."""
    by_pane = {f"{pane_ms}:{start}": deltas for (pane_ms, start), deltas in changes.deltas.items()}
    encoded = to_json(by_pane)
    if _LONG_NUMBER.search(encoded) is None:
        return encoded
    return to_json(
        {
            pane: {series: _in_lua_range(measures) for series, measures in by_series.items()}
            for pane, by_series in by_pane.items()
        }
    )


def _in_lua_range(measures: Mapping[str, int]) -> Mapping[str, int | str]:
    return {m: n if abs(n) < _EXACT_IN_LUA else str(n) for m, n in measures.items()}


class SegmentRegister:
    """The segments that all workers have agreed to keep apart.

    Args:
        redis: a client with bounded time-outs.
        keys: key names of the deployment.
        sets: the segment sets, in :class:`~processor.core.segments.Segmentation` order.
        cap: the most segments a set may have.
    """

    def __init__(self, redis: Redis, keys: Keys, sets: Sequence[SegmentSet], cap: int) -> None:
        self._keys = [keys.segments(names) for names in sets]
        self._cap = cap
        self._admit = Script(redis, source("admit"))

    async def admit(self, index: int, candidates: Sequence[str]) -> tuple[list[str], bool]:
        """Ask for segments of one set: those admitted, and whether the set is full now.

        Of a full set all segments are named, so that whoever asks knows those of others: it
        counts every other value as ``__other__`` from here on, and does not ask again.
        """
        full, *admitted = await self._admit(keys=[self._keys[index]], args=[self._cap, *candidates])
        return [segment.decode() for segment in admitted], bool(full)
