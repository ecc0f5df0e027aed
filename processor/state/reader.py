"""Reads all partitions' panes and follows their flushes: what the publisher merges.

Each partition is loaded once, together with its place in its log in one transaction, and followed
from there delta by delta. A reader that missed an entry (it fell behind, or Redis was rolled back
or emptied) is told to load afresh.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from processor.core.rollup import PaneDeltas, merge_deltas
from processor.core.sampled_panes import PaneSamples
from processor.core.totals import RollingTotals
from processor.state.completeness import NEVER, WHOLE, Completeness
from processor.state.keys import Keys
from processor.state.pace import Pace
from processor.state.pipelines import read_at_once, read_each
from processor.state.replies import text
from processor.state.samples import MARK, add_field, decode_samples, merge_samples

_LOAD_TRIES: Final = 20
_FOLLOW_COUNT: Final = 100
_SAMPLE: Final = MARK.encode()
_STATUS: Final = ("clock", "watermark", "open_sessions", "complete_from", "rebuild_to")
"""What a flush says of its partition, in its log entry and in the partition's meta."""


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
        completeness: what its counts lack; ``None`` before its owner has stored anything.
    """

    topic: str
    partition: int
    entry_id: str = "0-0"
    entry: int = 0
    clock_ms: int = 0
    watermark_ms: int = 0
    open_sessions: int = 0
    completeness: Completeness | None = None

    def update(self, status: dict[str, int]) -> None:
        """Take over what a flush said of its partition."""
        self.clock_ms = status["clock"]
        self.watermark_ms = status["watermark"]
        self.open_sessions = status["open_sessions"]
        # What an earlier version stored does not say it.
        self.completeness = Completeness(
            status.get("complete_from", 0), status.get("rebuild_to", 0)
        )


class StateReader:
    """Merges the panes of all partitions into rolling totals.

    Args:
        redis: a client with bounded time-outs.
        keys: key names of the deployment.
        topics: whose partitions to read; those of a topic that is not configured any more stay in
            the register and would hold the watermark back. All, unless given.
    """

    def __init__(self, redis: Redis, keys: Keys, topics: Collection[str] | None = None) -> None:
        self._redis = redis
        self._keys = keys
        self._topics = topics
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

    @property
    def rebuilding(self) -> int:
        """Partitions whose lost counts are being made again."""
        return sum(bool(v.completeness and v.completeness.rebuild_to) for v in self._views.values())

    def unclaimed(self, partitions: Mapping[str, int]) -> dict[str, int]:
        """How many partitions of each topic nothing is stored of yet, where there are such.

        Args:
            partitions: how many partitions each topic has.
        """
        stored = Counter(v.topic for v in self._views.values() if v.completeness is not None)
        return {t: count - stored[t] for t, count in partitions.items() if count > stored[t]}

    def complete_from_ms(self, partitions: Mapping[str, int]) -> dict[str, int]:
        """By topic the time from which all of its events are counted; never while some are not.

        Args:
            partitions: how many partitions each topic has.
        """
        found = dict.fromkeys(self.unclaimed(partitions), NEVER)
        for view in self._views.values():
            whole_from_ms = (view.completeness or WHOLE).whole_from_ms
            found[view.topic] = max(found.get(view.topic, 0), whole_from_ms)
        return found

    async def follow(self, totals: RollingTotals) -> bool:
        """Apply what was flushed since the last call, and load partitions that are new.

        Returns:
            False where an entry was missed or a partition vanished: start again with fresh totals
            and a fresh reader.
        """
        if not await self._load_new(totals):
            return False
        behind, pace = list(self._views.values()), Pace()
        # Of all partitions together: most of them count in the same panes.
        flushed: PaneDeltas = {}
        observed: PaneSamples = {}
        while behind:
            since = [
                ("XRANGE", self._log(view), f"({view.entry_id}", "+", "COUNT", _FOLLOW_COUNT)
                for view in behind
            ]
            replies = zip(behind, await read_each(self._redis, since), strict=True)
            behind = []
            for view, entries in replies:
                for entry_id, fields in entries:
                    number = int(fields[b"n"])
                    if number != view.entry + 1 or text(fields[b"after"]) != view.entry_id:
                        return False
                    merge_deltas(flushed, decode_deltas(fields[b"deltas"]))
                    merge_samples(observed, decode_samples(fields.get(b"samples", b"")))
                    view.update(json.loads(fields[b"status"]))
                    view.entry, view.entry_id = number, text(entry_id)
                    await pace.rest()
                if len(entries) == _FOLLOW_COUNT:
                    behind.append(view)
        for cell, by_series in flushed.items():
            totals.apply({cell: by_series})
            await pace.rest()
        totals.observe(observed)
        return True

    async def _load_new(self, totals: RollingTotals) -> bool:
        names = {text(member) for member in await self._redis.smembers(self._keys.partitions)}
        if not self._views.keys() <= names:
            return False  # Redis was emptied
        for name in names - self._views.keys():
            topic, _, number = name.rpartition(" ")
            if self._topics is None or topic in self._topics:
                view = PartitionView(topic, int(number))
                pace = Pace()
                for pane, fields in await self._load(view):
                    deltas, samples = _pane(pane, fields)
                    totals.apply(deltas)
                    totals.observe(samples)
                    await pace.rest()
                self._views[name] = view
        return True

    def _log(self, view: PartitionView) -> str:
        return self._keys.partition(view.topic, view.partition).log

    async def _load(self, view: PartitionView) -> list[tuple[str, dict[bytes, bytes]]]:
        """All panes of a partition at one place of its log, by name."""
        keys = self._keys.partition(view.topic, view.partition)
        for _ in range(_LOAD_TRIES):
            expected = sorted(map(text, await self._redis.smembers(keys.panes)))
            (offset, log, log_id, *status), panes, *contents = await read_at_once(
                self._redis,
                keys.meta,
                [
                    ("HMGET", keys.meta, "offset", "log", "log_id", *_STATUS),
                    ("SMEMBERS", keys.panes),
                    *(("HGETALL", keys.pane(name)) for name in expected),
                ],
            )
            if not set(map(text, panes)) <= set(expected):
                continue  # a pane began in between: once more, with it
            view.update({name: int(n or 0) for name, n in zip(_STATUS, status, strict=True)})
            if offset is None:
                view.completeness = None
            view.entry = int(log or 0)
            view.entry_id = text(log_id or "0-0")
            return list(zip(expected, contents, strict=True))
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


def _pane(name: str, fields: Mapping[bytes, bytes]) -> tuple[PaneDeltas, PaneSamples]:
    pane_ms, start = map(int, name.split(":"))
    by_series: dict[str, dict[str, int]] = {}
    samples: PaneSamples = {}
    for field, value in fields.items():
        if field.startswith(_SAMPLE):
            add_field(samples.setdefault((pane_ms, start), {}), field, value)
            continue
        series, _, measure = field.decode().rpartition("|")
        by_series.setdefault(series, {})[measure] = int(value)
    return {(pane_ms, start): by_series}, samples
