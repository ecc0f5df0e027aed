"""Reads all partitions' panes and follows their flushes: what the publisher merges.

Each partition is loaded once, a few panes at a time, each time with their place in the partition's
log in one transaction. What was flushed meanwhile is followed in between: an entry of the log adds
to the panes that were loaded before it, the others hold it already. So a leader never has all
panes in its memory as Redis tells them. From there on it follows delta by delta. A reader that
missed an entry (it fell behind, or Redis was rolled back or emptied) is told to load afresh.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from processor.core.rollup import Cell, PaneDeltas, merge_deltas
from processor.core.sampled_panes import PaneSamples
from processor.core.totals import RollingTotals
from processor.state.completeness import NEVER, WHOLE, Completeness
from processor.state.keys import Keys
from processor.state.pace import Pace
from processor.state.pipelines import read_at_once, read_each
from processor.state.replies import text
from processor.state.samples import MARK, add_field, decode_samples, merge_samples

_FIRST_PANES: Final = 8
_PANES_AT_ONCE: Final = 256
_FIELDS_AT_ONCE: Final = 50_000
"""About how many counters are read in one round trip: some megabytes."""

_FOLLOW_COUNT: Final = 100
_TEXT_VALUE: Final = b':"'
"""In every log entry with a delta that is told as text, as Lua's numbers would not hold it."""

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

    def follows(self, fields: Mapping[bytes, bytes]) -> bool:
        """Whether an entry of the log is the one behind the last that was applied."""
        return int(fields[b"n"]) == self.entry + 1 and text(fields[b"after"]) == self.entry_id

    def took(self, entry_id: bytes | str, fields: Mapping[bytes, bytes]) -> None:
        """Note that an entry is applied."""
        self.update(json.loads(fields[b"status"]))
        self.entry, self.entry_id = int(fields[b"n"]), text(entry_id)


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
                    if not view.follows(fields):
                        return False
                    merge_deltas(flushed, decode_deltas(fields[b"deltas"]))
                    merge_samples(observed, decode_samples(fields.get(b"samples", b"")))
                    view.took(entry_id, fields)
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
                if not await self._load(view, totals):
                    return False
                self._views[name] = view
        return True

    def _log(self, view: PartitionView) -> str:
        return self._keys.partition(view.topic, view.partition).log

    async def _load(self, view: PartitionView, totals: RollingTotals) -> bool:
        """Load all panes of a partition; False where an entry of its log was missed meanwhile."""
        keys = self._keys.partition(view.topic, view.partition)
        place = ("HMGET", keys.meta, "log", "log_id")
        (offset, log, log_id, *status), panes = await read_at_once(
            self._redis,
            keys.meta,
            [("HMGET", keys.meta, "offset", "log", "log_id", *_STATUS), ("SMEMBERS", keys.panes)],
        )
        view.update({name: int(n or 0) for name, n in zip(_STATUS, status, strict=True)})
        if offset is None:
            view.completeness = None
        view.entry, view.entry_id = int(log or 0), text(log_id or "0-0")
        loading = _Loading(sorted(map(text, panes)))
        pace, at_once = Pace(), _FIRST_PANES
        while names := loading.waiting[:at_once]:
            (log, log_id), *contents = await read_at_once(
                self._redis, keys.meta, [place, *(("HGETALL", keys.pane(name)) for name in names)]
            )
            read = int(log or 0), text(log_id or "0-0")
            if read[0] < view.entry or (read[0] == view.entry and read[1] != view.entry_id):
                return False  # Redis went back to an earlier state
            loading.loaded(names, read[0])
            for name, fields in zip(names, contents, strict=True):
                deltas, samples = _pane(name, fields)
                totals.apply(deltas)
                totals.observe(samples)
                await pace.rest()
            if read[0] > view.entry and not await self._catch_up(view, totals, loading):
                return False
            fields_each = max(1, sum(map(len, contents)) // len(names))
            at_once = min(_PANES_AT_ONCE, max(1, _FIELDS_AT_ONCE // fields_each))
        return True

    async def _catch_up(
        self, view: PartitionView, totals: RollingTotals, loading: "_Loading"
    ) -> bool:
        """Add what was flushed since the last look to the panes that were loaded before it."""
        while True:
            since = ("XRANGE", self._log(view), f"({view.entry_id}", "+", "COUNT", _FOLLOW_COUNT)
            (entries,) = await read_each(self._redis, [since])
            for entry_id, fields in entries:
                if not view.follows(fields):
                    return False
                view.took(entry_id, fields)
                deltas = decode_deltas(fields[b"deltas"])
                totals.apply({c: d for c, d in deltas.items() if loading.lacks(c, view.entry)})
                samples = decode_samples(fields.get(b"samples", b""))
                totals.observe({c: s for c, s in samples.items() if loading.lacks(c, view.entry)})
            if len(entries) < _FOLLOW_COUNT:
                return True


class _Loading:
    """Which panes of a partition are loaded, each as of which entry of the log.

    Args:
        waiting: the names of all panes there are at the beginning.
    """

    def __init__(self, waiting: list[str]) -> None:
        self.waiting = waiting
        self._as_of: dict[Cell, int] = {}
        self._waiting = set(map(_cell, waiting))

    def loaded(self, names: Collection[str], entry: int) -> None:
        """Note that the next panes were read, with all entries up to this one."""
        del self.waiting[: len(names)]
        for cell in map(_cell, names):
            self._waiting.discard(cell)
            self._as_of[cell] = entry

    def lacks(self, cell: Cell, entry: int) -> bool:
        """Whether an entry is to be added to a pane: what is read later holds it already."""
        return cell not in self._waiting and self._as_of.get(cell, 0) < entry


def decode_deltas(payload: bytes) -> PaneDeltas:
    """The deltas of a log entry, as they were flushed."""
    deltas: PaneDeltas = {_cell(name): found for name, found in json.loads(payload).items()}
    if _TEXT_VALUE in payload:
        for by_series in deltas.values():
            for measures in by_series.values():
                measures.update({measure: int(n) for measure, n in measures.items()})
    return deltas


def _pane(name: str, fields: Mapping[bytes, bytes]) -> tuple[PaneDeltas, PaneSamples]:
    pane_ms, start = _cell(name)
    by_series: dict[str, dict[str, int]] = {}
    samples: PaneSamples = {}
    for field, value in fields.items():
        if field.startswith(_SAMPLE):
            add_field(samples.setdefault((pane_ms, start), {}), field, value)
            continue
        series, _, measure = field.decode().rpartition("|")
        by_series.setdefault(series, {})[measure] = int(value)
    return {(pane_ms, start): by_series}, samples


def _cell(name: str) -> Cell:
    pane_ms, start = map(int, name.split(":"))
    return pane_ms, start
