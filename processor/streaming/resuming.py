"""Where a claimed partition is read on from, and what its counts lack of its events then.

Offsets of a partition, and where what is stored may stand against its log::

                       start             end
    |    removed        |     the log     |   not written yet
    0 ------------------+-----------------+---------------------->
              gap            goes on          another log: stop

Nothing stored is the start of a new deployment, unless the group has committed an offset: then the
counts are lost, and are made again from the log, as far back as any window reaches.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from faust.types import TP

from processor.core.config import EngineConfig
from processor.state.completeness import Completeness
from processor.state.partition import PartitionStore
from schemas.events import EventType
from schemas.timestamps import format_rfc3339

log = logging.getLogger(__name__)

_ANY_TIME_MS: Final = 0


class LogReplacedError(RuntimeError):
    """A partition's log is not the one that was counted: going on would count wrongly."""


class Log(Protocol):
    """What is asked of a partition's log."""

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Where each begins."""

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Where each ends."""

    async def committed_offsets(self, tps: list[TP]) -> Mapping[TP, int]:
        """What the group has committed, 0 where that is nothing."""

    async def records_at(self, times: Mapping[TP, int]) -> Mapping[TP, tuple[int, int]]:
        """Offset and timestamp (ms) of the first record not older than a time."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """How a partition goes on.

    Attributes:
        offset: the next to read.
        completeness: what the counts lack.
        missed: records that went from the log before they were counted.
        is_rebuild: counts were lost and are made again.
    """

    offset: int
    completeness: Completeness
    missed: int = 0
    is_rebuild: bool = False


@dataclass(frozen=True, slots=True)
class _Edges:
    start: int
    end: int


class Resumer:
    """Decides how claimed partitions go on; remembers how far this process had counted each.

    Args:
        topics: event type by topic.
        config: how far windows reach back, and what times are allowed.
    """

    def __init__(self, topics: Mapping[str, EventType], config: EngineConfig) -> None:
        self._topics = topics
        self._config = config
        self._counted: dict[TP, int] = {}

    def released(self, tp: TP, store: PartitionStore) -> None:
        """Remember how far a partition was counted: Kafka's committed offset follows later."""
        self._counted[tp] = store.offset or 0

    async def resume(
        self, stores: Mapping[TP, PartitionStore], consumer: Log, now_ms: int
    ) -> dict[TP, Resumption]:
        """Decide for all claimed partitions.

        Raises:
            LogReplacedError: a log ends before what was counted of it.
            aiokafka.errors.KafkaError: the broker is away.
        """
        if not stores:
            return {}
        starts = await consumer.earliest_offsets(*stores)
        ends = await consumer.highwaters(*stores)
        edges = {tp: _Edges(starts[tp], ends[tp]) for tp in stores}
        found = {
            tp: _go_on(store, edges[tp])
            for tp, store in stores.items()
            if store.offset is not None and store.offset >= edges[tp].start
        }
        new = [tp for tp, store in stores.items() if store.offset is None]
        committed = await consumer.committed_offsets(new) if new else {}
        lost = {tp: n for tp in new if (n := max(committed[tp], self._counted.get(tp, 0)))}
        reached = {tp: now_ms - self._reach_ms(tp) for tp in lost}
        since = await consumer.records_at(reached) if lost else {}
        offsets = {tp: since[tp][0] if tp in since else edges[tp].end for tp in lost}
        # Of all others something was removed, or nothing: the first record there is tells when.
        cut = [tp for tp in stores.keys() - found if offsets.get(tp, 0) <= edges[tp].start > 0]
        first = await consumer.records_at(dict.fromkeys(cut, _ANY_TIME_MS)) if cut else {}
        for tp, store in stores.items():
            if tp in found:
                continue
            first_ms = first[tp][1] if tp in first else None
            bound_ms = self.whole_after_ms(tp, first_ms, now_ms) if tp in cut else 0
            if tp not in lost:
                found[tp] = _begin(store, edges[tp], bound_ms)
            else:
                if tp not in cut and offsets[tp] > 0:
                    bound_ms = now_ms - self._retention_ms
                found[tp] = _rebuild(store.name, offsets[tp], edges[tp], bound_ms, lost[tp])
        return found

    def whole_after_ms(self, tp: TP, first_ms: int | None, now_ms: int) -> int:
        """The time after which no event can be that was removed from a log.

        A removed record is not newer than the first that is left, but for the disorder of their
        producers' clocks, which the allowed lateness is for; and no event is ahead of its
        record by more than the allowed skew, or it was refused. A session whose beginning was
        removed seems to begin within a timeout after that.

        Args:
            tp: the partition.
            first_ms: timestamp of the first record left, ``None`` where there is none.
            now_ms: nothing removed is newer.
        """
        config = self._config
        latest_ms = now_ms if first_ms is None else min(now_ms, first_ms + config.lateness_ms)
        return latest_ms + config.future_skew_ms + self._session_ms(tp)

    @property
    def _retention_ms(self) -> int:
        """Twice the longest window, and a pane: a reading compares with the window before."""
        return max(tier.retention_ms + tier.pane_ms for tier in self._config.tiers)

    def _reach_ms(self, tp: TP) -> int:
        """How old a record may be whose event, or session, some window still holds."""
        return self._retention_ms + self._config.future_skew_ms + self._session_ms(tp)

    def _session_ms(self, tp: TP) -> int:
        is_session = self._topics[tp.topic] is EventType.SESSION
        return self._config.session_timeout_ms if is_session else 0


def _go_on(store: PartitionStore, edges: _Edges) -> Resumption:
    """Where the stored counts end: the log still has that place."""
    offset, completeness = store.offset or 0, store.completeness
    if offset > edges.end:
        raise LogReplacedError(
            f"{store.name}: counted up to offset {offset}, but the topic ends at {edges.end}: it "
            "was made again or cut, and its offsets mean other events now. To count it from its "
            "start, use another redis.prefix"
        )
    if completeness.rebuild_to:
        log.warning(
            "%s: going on with making lost counts again, %d records to go",
            store.name,
            max(0, completeness.rebuild_to - offset),
        )
    return Resumption(offset, completeness)


def _begin(store: PartitionStore, edges: _Edges, bound_ms: int) -> Resumption:
    """At the log's start: nothing was counted, or what came next is gone."""
    completeness = replace(
        store.completeness,
        complete_from_ms=max(store.completeness.complete_from_ms, bound_ms),
    )
    missed = 0 if store.offset is None else edges.start - store.offset
    if missed:
        log.warning(
            "%s: %d records went from the log before they were counted: see its retention; "
            "readings that reach back before %s are incomplete",
            store.name,
            missed,
            format_rfc3339(bound_ms),
        )
    return Resumption(edges.start, completeness, missed)


def _rebuild(name: str, offset: int, edges: _Edges, bound_ms: int, counted: int) -> Resumption:
    """Counts were lost: make them again from as far back as is of use."""
    log.warning(
        "%s: counted up to offset %d, but Redis holds no counts: they are lost, and made again "
        "from offset %d, %d records; whole from %s",
        name,
        counted,
        offset,
        edges.end - offset,
        format_rfc3339(bound_ms) if bound_ms else "the log's beginning",
    )
    rebuild_to = edges.end if edges.end > offset else 0
    return Resumption(offset, Completeness(bound_ms, rebuild_to), is_rebuild=True)
