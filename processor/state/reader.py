"""Reads all partitions' panes and follows their flushes: what the publisher merges.

Each partition is loaded once, together with its place in its log in one transaction, and followed
from there delta by delta. A reader that missed an entry (it fell behind, or Redis was rolled back)
is told to load afresh.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from processor.core.rollup import PaneDeltas, merge_deltas
from processor.core.totals import RollingTotals
from processor.state.keys import Keys
from processor.state.replies import text

_LOAD_TRIES: Final = 20
_FOLLOW_COUNT: Final = 100


@dataclass(slots=True)
class PartitionView:
    """How far a partition has been read.

    Attributes:
        topic: its topic.
        partition: its number.
        entry_id: the last log entry applied.
        entry: that entry's number; they follow one another without a gap.
        clock_ms: the partition's event clock, 0 before its first event.
        watermark_ms: its watermark.
        open_sessions: its sessions that are not closed.
    """

    topic: str
    partition: int
    entry_id: str = "0-0"
    entry: int = 0
    clock_ms: int = 0
    watermark_ms: int = 0
    open_sessions: int = 0

    def update(self, status: dict[str, int]) -> None:
        """Take over what a flush said of its partition."""
        self.clock_ms = status["clock"]
        self.watermark_ms = status["watermark"]
        self.open_sessions = status["open_sessions"]


class StateReader:
    """Merges the panes of all partitions into rolling totals.

    Args:
        redis: a client with bounded time-outs.
        keys: key names of the deployment.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._views: dict[str, PartitionView] = {}

    @property
    def clock_ms(self) -> int:
        """The latest event clock of any partition, 0 before the first event."""
        return max((view.clock_ms for view in self._views.values()), default=0)

    @property
    def watermark_ms(self) -> int:
        """The event-time watermark: that of the partition that is furthest behind."""
        return min((v.watermark_ms for v in self._views.values() if v.clock_ms), default=0)

    @property
    def open_sessions(self) -> int:
        """Sessions that are not closed, over all partitions."""
        return sum(view.open_sessions for view in self._views.values())

    async def follow(self, totals: RollingTotals) -> bool:
        """Apply what was flushed since the last call, and load partitions that are new.

        Returns:
            False where an entry was missed: start again with fresh totals and a fresh reader.
        """
        await self._load_new(totals)
        behind = list(self._views.values())
        flushed: PaneDeltas = {}  # of all partitions together: most of them count in the same panes
        while behind:
            pipeline = self._redis.pipeline(transaction=False)
            for view in behind:
                log = self._keys.partition(view.topic, view.partition).log
                pipeline.xread({log: view.entry_id}, count=_FOLLOW_COUNT)
            replies = zip(behind, await pipeline.execute(), strict=True)
            behind = []
            for view, reply in replies:
                entries = list(_entries(reply))
                for entry_id, fields in entries:
                    number = int(fields[b"n"])
                    if number != view.entry + 1:
                        return False
                    merge_deltas(flushed, decode_deltas(fields[b"deltas"]))
                    view.update(json.loads(fields[b"status"]))
                    view.entry, view.entry_id = number, entry_id
                if len(entries) == _FOLLOW_COUNT:
                    behind.append(view)
        totals.apply(flushed)
        return True

    async def _load_new(self, totals: RollingTotals) -> None:
        for member in await self._redis.smembers(self._keys.partitions):
            name = text(member)
            if name not in self._views:
                topic, _, number = name.rpartition(" ")
                view = PartitionView(topic, int(number))
                totals.apply(await self._load(view))
                self._views[name] = view

    async def _load(self, view: PartitionView) -> PaneDeltas:
        keys = self._keys.partition(view.topic, view.partition)
        for _ in range(_LOAD_TRIES):
            expected = sorted(map(text, await self._redis.smembers(keys.panes)))
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.hmget(keys.meta, "log", "clock", "watermark", "open_sessions")
            pipeline.xrevrange(keys.log, count=1)
            pipeline.smembers(keys.panes)
            for name in expected:
                pipeline.hgetall(keys.pane(name))
            meta, last, panes, *contents = await pipeline.execute()
            if not set(map(text, panes)) <= set(expected):
                continue  # a pane began in between: once more, with it
            log, clock, watermark, open_sessions = (int(field or 0) for field in meta)
            view.update({"clock": clock, "watermark": watermark, "open_sessions": open_sessions})
            view.entry = log
            view.entry_id = last[0][0].decode() if last else "0-0"
            return _panes(expected, contents)
        raise TimeoutError(f"{view.topic}-{view.partition}: panes change faster than they load")


def decode_deltas(payload: bytes) -> PaneDeltas:
    """The deltas of a log entry, as they were flushed."""
    deltas: PaneDeltas = {}
    for name, by_series in json.loads(payload).items():
        pane_ms, start = map(int, name.split(":"))
        deltas[pane_ms, start] = {
            series: {measure: int(n) for measure, n in measures.items()}
            for series, measures in by_series.items()
        }
    return deltas


def _panes(names: Iterable[str], contents: Iterable[dict[bytes, bytes]]) -> PaneDeltas:
    panes: PaneDeltas = {}
    for name, fields in zip(names, contents, strict=True):
        pane_ms, start = map(int, name.split(":"))
        by_series = panes.setdefault((pane_ms, start), {})
        for field, count in fields.items():
            series, _, measure = field.decode().rpartition("|")
            by_series.setdefault(series, {})[measure] = int(count)
    return panes


def _entries(reply: Any) -> Iterable[tuple[str, dict[bytes, bytes]]]:
    # A list of [stream, entries] with protocol 2, a mapping with protocol 3.
    streams = reply.items() if isinstance(reply, dict) else reply
    for _, entries in streams:
        batch = entries[0] if entries and isinstance(entries[0], list) else entries
        for entry_id, fields in batch:
            yield entry_id.decode(), fields
