"""The engine of one partition: records in; counter deltas, and what is stored with them, out.

Pure: the caller hands in the records and the time, and takes out the changes; whether they go to
Redis (live) or to a dict (replay) is not known here. The per-record path is columns and counting
at C speed; a batch with an event out of the allowed times, or written with another offset than
``Z``, is looked at event by event, with the same results.

The event clock runs in whole seconds: the start of the second of the latest event.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Final

import numpy as np
import xxhash

from processor.core.base_intake import BaseIntake
from processor.core.base_register import Answer
from processor.core.bases import CELL
from processor.core.changes import Changes, Rejected
from processor.core.config import EngineConfig
from processor.core.dedup import Deduplicator
from processor.core.event_times import SECOND, EventTimes, occurred_at, of_events
from processor.core.identity import keyed_digests
from processor.core.measures import CountSession, MeasurePlan
from processor.core.observing import Observing
from processor.core.panes import SECOND_MS
from processor.core.parsing import Batch, Parser, out_of_time
from processor.core.rollup import roll_up, spread
from processor.core.segments import Dimensions, Segmentation
from processor.core.session_history import BITS
from processor.core.sessions import Acted, Correction, Sessions
from processor.core.tally import Tally
from schemas.events import EventType
from schemas.timestamps import parse_rfc3339
from schemas.validators import ErrorCode

END_OF_TIME_MS: Final = 1 << 60
CUSTOMERS_HELD_MAX: Final = 100_000
"""Customers that an engine holds in memory, of those that are stored."""

_FOLD_TOGETHER: Final = 2_500
"""Records folded at a time: their objects stay in the processor's cache from step to step, which
takes a quarter less time than ten thousand at once. What a fold does once for all of them takes a
twentieth more time with a thousand."""

_last_character = itemgetter(-1)
_event_id = itemgetter("event_id")
_session_id = itemgetter("session_id")
_action = itemgetter("action")
_second = itemgetter(SECOND)


class PartitionEngine:
    """Counts the events of one partition of one event type.

    Args:
        event_type: the type of every event of this partition.
        plan: which counters an event adds.
        count_session: which counters a closed session adds; needed for session events only.
        config: windows, segments, lateness and limits.
        segmentation: shared by the partitions of a process.
        customers_held_max: customers held in memory; where none are stored, all that there are.

    Attributes:
        clock_ms: the event clock, 0 before the first event.
        earliest_ms: the second of the earliest event since this engine was made, ``None`` before.
    """

    def __init__(
        self,
        event_type: EventType,
        plan: MeasurePlan,
        config: EngineConfig,
        segmentation: Segmentation,
        *,
        count_session: CountSession | None = None,
        customers_held_max: int = CUSTOMERS_HELD_MAX,
    ) -> None:
        self.event_type = event_type
        self.config = config
        self.clock_ms = 0
        self.earliest_ms: int | None = None
        self.segmentation = segmentation
        self.dedup = Deduplicator(config.dedup_horizon_ms, config.dedup_max_ids)
        self.sessions: Sessions | None = None
        if event_type is EventType.SESSION:
            self.sessions = Sessions(
                segmentation.names,
                timeout_ms=config.session_timeout_ms,
                longest_ms=config.session_longest_ms,
                lateness_ms=config.lateness_ms,
            )
        self._count_session = count_session
        self._tiers = config.tiers
        self._parser = Parser(event_type, config.max_record_bytes)
        self._times = EventTimes()
        self._tally = Tally(plan, segmentation)
        self._observing = Observing(
            event_type, plan, config, segmentation, customers_held_max=customers_held_max
        )
        self._bases: BaseIntake | None = None
        if plan.base is not None:
            self._bases = BaseIntake(plan.base, config, segmentation)
        self._looks_at_each = (
            self._bases is not None or self.sessions is not None or self._observing.is_needed
        )
        self._corrections: dict[tuple[int, Dimensions], defaultdict[str, int]] = {}
        self._stats: Counter[str] = Counter()
        self._settled_ms = 0

    def restore(
        self,
        *,
        clock_ms: int,
        generations: Iterable[tuple[int, bytes, bytes]],
        sessions: Iterable[tuple[bytes, bytes]],
        bases: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        """Go on from stored state.

        Args:
            clock_ms: the event clock it was stored with.
            generations: (number, ids, record fingerprints) of remembered ids, oldest first.
            sessions: encoded sessions by keyed hash.
            bases: the bases' cell: series → counter → count.
        """
        self.clock_ms = clock_ms
        for number, ids, contents in generations:
            self.dedup.restore(number, ids, contents)
        if self.sessions is not None:
            self.sessions.restore(sessions, self.watermark_ms)
        if self._bases is not None and bases:
            self._bases.restore(bases)

    @property
    def watermark_ms(self) -> int:
        """No event before it is expected any more; 0 before the first event."""
        return max(0, self._settled_ms, self.clock_ms - self.config.lateness_ms)

    @property
    def pending_events(self) -> int:
        """Events counted since the last :meth:`take`."""
        return self._stats["counted"]

    @property
    def open_sessions(self) -> int:
        """Sessions that are not closed; 0 for events of another type."""
        return 0 if self.sessions is None else self.sessions.open_count

    @property
    def has_changes(self) -> bool:
        """Whether :meth:`take` would give anything but the clock."""
        based = self._bases is not None and self._bases.has_changes
        return bool(self._stats or self._tally or self._corrections or based)

    def fold(self, records: Sequence[bytes | None], now_ms: int) -> list[Rejected]:
        """Validate, de-duplicate and count a batch of records.

        Args:
            records: the raw values, in the partition's order.
            now_ms: the time that events may not be far ahead of.

        Returns:
            The records that were refused; every other was counted or was a repeat.
        """
        if len(records) <= _FOLD_TOGETHER:
            return self._fold(records, now_ms)
        rejected: list[Rejected] = []
        for begin in range(0, len(records), _FOLD_TOGETHER):
            part = self._fold(records[begin : begin + _FOLD_TOGETHER], now_ms)
            rejected += (Rejected(begin + r.position, r.error) for r in part)
        return rejected

    def advance(self, clock_ms: int) -> None:
        """Move the event clock on without events, as an idle partition's does."""
        self.clock_ms = max(self.clock_ms, clock_ms - clock_ms % SECOND_MS)
        self.settle(self.watermark_ms)

    def settle(self, watermark_ms: int) -> None:
        """Take the caller's word that no event before ``watermark_ms`` is to come any more."""
        self._settled_ms = max(self._settled_ms, watermark_ms)
        if self.sessions is not None:
            self._correct(self.sessions.advance(self.watermark_ms))

    def close_sessions(self) -> None:
        """Close every open session, as if its timeout had passed: the end of a log."""
        if self.sessions is not None:
            self._correct(self.sessions.advance(END_OF_TIME_MS))

    def settle_bases(self, answer: Answer) -> None:
        """Take in what the register answered to the inquiry of a :meth:`take` before."""
        if self._bases is not None:
            self._bases.settle(answer, self.clock_ms)

    def unknown_customers(self) -> list[int]:
        """Customers to be learned of before :meth:`unknown_segments` and :meth:`take`."""
        return self._observing.unknown_customers()

    def learn_customers(self, stored: Mapping[int, bytes | None]) -> None:
        """Take in what is stored of customers, ``None`` where that is nothing."""
        self._observing.learn_customers(stored)

    def unknown_segments(self) -> dict[int, list[str]]:
        """Segments that must be admitted or refused before :meth:`take`.

        Every customer must be known.
        """
        # Observed is also an order of before, of which more is known now: of another's segment.
        observed = self._observing.settle(self.clock_ms)
        unknown = self.segmentation.unknown(chain((d for _, d in self._corrections), observed))
        for index, seen in self._tally.segments():
            if found := self.segmentation.unknown_in(index, seen):
                # A dictionary keeps the order: of a million values none is looked for in a list.
                unknown[index] = list(dict.fromkeys((*unknown.get(index, ()), *found)))
        return unknown

    def take(self) -> Changes:
        """Everything that changed since the last call; the engine goes on from here.

        Raises:
            KeyError: a customer is not known.
        """
        samples, customers = self._observing.take(self.clock_ms)
        corrections, self._corrections = self._corrections, {}
        stats, self._stats = self._stats, Counter()
        ids, forgotten_generations = self.dedup.take_fresh()
        sessions: dict[bytes, bytes] = {}
        forgotten_sessions: list[bytes] = []
        if self.sessions is not None:
            sessions, forgotten_sessions = self.sessions.take_changes()
        seconds = self._tally.drain()
        counted = ((second, d, found.items()) for (second, d), found in corrections.items())
        spread(counted, self.segmentation, seconds)
        deltas = roll_up(seconds, self._tiers, self.clock_ms)
        inquiry = None
        if self._bases is not None:
            if points := self._bases.take():
                deltas[CELL] = points
            inquiry = self._bases.inquire(self.clock_ms)
        return Changes(
            deltas=deltas,
            ids=ids,
            forgotten_generations=forgotten_generations,
            sessions=sessions,
            forgotten_sessions=forgotten_sessions,
            stats=stats,
            clock_ms=self.clock_ms,
            watermark_ms=self.watermark_ms,
            open_sessions=self.open_sessions,
            samples=samples,
            customers=customers,
            inquiry=inquiry,
        )

    # -- the way of a batch -------------------------------------------------------------------

    def _fold(self, records: Sequence[bytes | None], now_ms: int) -> list[Rejected]:
        batch, rejected = self._parser.parse(records)
        if rejected:
            self._stats["rejected"] += len(rejected)
        clock_before_ms = self.clock_ms
        if batch.events:
            batch = self._place_in_time(batch, now_ms, rejected)
        if batch.events:
            self._count(self._first_occurrences(batch, clock_before_ms))
        if self.sessions is not None:
            self._correct(self.sessions.advance(self.watermark_ms))
        return rejected

    def _place_in_time(self, batch: Batch, now_ms: int, rejected: list[Rejected]) -> Batch:
        """Find each event's second, refuse those out of the allowed times, move the clock."""
        texts = list(map(occurred_at, batch.events))
        if set(map(_last_character, texts)) == {"Z"}:
            seconds = self._times.of_all(list(map(_second, texts)))
            if seconds is not None:  # else find the event that it came with
                earliest, latest = int(seconds.min()), int(seconds.max())
                clock_ms = max(self.clock_ms, latest)
                on_time = (
                    latest + SECOND_MS <= now_ms + self.config.future_skew_ms
                    and earliest >= clock_ms - self.config.too_late_after_ms
                )
                if on_time:
                    batch.seconds = seconds
                    self.clock_ms = clock_ms
                    self._saw(earliest)
                    return batch
        return self._place_one_by_one(batch, texts, now_ms, rejected)

    def _saw(self, second_ms: int) -> None:
        if self.earliest_ms is None or second_ms < self.earliest_ms:
            self.earliest_ms = second_ms

    def _place_one_by_one(
        self, batch: Batch, texts: list[str], now_ms: int, rejected: list[Rejected]
    ) -> Batch:
        keep: list[int] = []
        seconds: list[int] = []
        latest_allowed_ms = now_ms + self.config.future_skew_ms
        for i, text in enumerate(texts):
            try:
                time_ms = parse_rfc3339(text)
            except ValueError:
                rejected.append(self._parser.explain(batch.positions[i], batch.records[i]))
                self._stats["rejected"] += 1
                continue
            if time_ms > latest_allowed_ms:
                rejected.append(out_of_time(batch.positions[i], ErrorCode.TOO_FAR_AHEAD))
                self._stats["rejected"] += 1
                continue
            second_ms = time_ms - time_ms % SECOND_MS
            if second_ms < self.clock_ms - self.config.too_late_after_ms:
                rejected.append(out_of_time(batch.positions[i], ErrorCode.TOO_LATE))
                self._stats["late_dropped"] += 1
                continue
            self.clock_ms = max(self.clock_ms, second_ms)
            self._saw(second_ms)
            seconds.append(second_ms)
            keep.append(i)
        placed = batch.select(keep)
        placed.seconds = np.array(seconds, np.int64)
        return placed

    def _first_occurrences(self, batch: Batch, clock_before_ms: int) -> Batch:
        """Drop the repeats, each judged by the clock at its own arrival.

        A batch of a slow log may span days. Judged by its end, ids that its beginning repeats
        would be forgotten before they are looked for, and what counts would depend on where one
        batch ends and the next begins.
        """
        keep: list[int] = []
        for begin, end, clock_ms in self._generations_in(batch, clock_before_ms):
            kept, repeats, conflicts = self.dedup.filter(
                list(map(_event_id, batch.events[begin:end])), batch.records[begin:end], clock_ms
            )
            keep.extend(range(begin, end) if kept is None else [begin + i for i in kept])
            if repeats:
                self._stats["repeats"] += repeats
                self._stats["conflicts"] += conflicts
        return batch if len(keep) == len(batch.events) else batch.select(keep)

    def _generations_in(self, batch: Batch, clock_before_ms: int) -> Iterable[tuple[int, int, int]]:
        """Slices of a batch in which the clock stays in one generation of ids, with that clock."""
        generation_of = self.dedup.generation_of
        if generation_of(clock_before_ms) == generation_of(self.clock_ms):
            return [(0, len(batch.events), self.clock_ms)]
        slices: list[tuple[int, int, int]] = []
        begin, clock_ms = 0, clock_before_ms
        for i, time_ms in enumerate(batch.seconds.tolist()):
            if time_ms > clock_ms:
                if i > begin and generation_of(time_ms) != generation_of(clock_ms):
                    slices.append((begin, i, clock_ms))
                    begin = i
                clock_ms = time_ms
        slices.append((begin, len(batch.events), clock_ms))
        return slices

    def _count(self, batch: Batch) -> None:
        lazily = self._tally.add(batch.seconds, batch.events)
        self._stats["counted"] += len(batch.events)
        if not self._looks_at_each:
            return
        dimensions = list(lazily)
        if self._bases is not None:
            self._bases.add(batch.events, dimensions)
        if self.sessions is not None:
            self._correct(self.sessions.act(self._acted(batch, dimensions), self.watermark_ms))
        if self._observing.is_needed:
            self._observing.add(batch.events, of_events(batch), dimensions)

    def _acted(self, batch: Batch, dimensions: Iterable[Dimensions]) -> Iterable[Acted]:
        events = batch.events
        return zip(
            keyed_digests(map(_session_id, events), self.config.identity_key, 16),
            of_events(batch),
            map(BITS.__getitem__, map(_action, events)),
            map(xxhash.xxh3_64_intdigest, map(str.encode, map(_event_id, events))),
            dimensions,
            strict=True,
        )

    def _correct(self, corrections: Iterable[Correction]) -> None:
        count_session = self._count_session
        if count_session is None:
            raise AssertionError("session events need count_session")
        for outcome, sign in corrections:
            first_ms, _, _, _, dimensions = outcome
            place = first_ms - first_ms % SECOND_MS, dimensions
            counted = self._corrections.get(place)
            if counted is None:
                counted = self._corrections[place] = defaultdict(int)
            for measure, n in count_session(outcome):
                counted[measure] += sign * n
