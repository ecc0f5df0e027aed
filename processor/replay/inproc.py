"""The whole processor in one process: lines in, readings out, on the engine that runs live."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydantic_core import from_json

from processor.core.base_register import Inquiry, LocalRegister
from processor.core.changes import Rejected
from processor.core.config import EngineConfig
from processor.core.engine import PartitionEngine
from processor.core.segments import Segmentation
from processor.core.totals import RollingTotals
from processor.metrics.own_definition import OwnMetric
from processor.metrics.present import Presenter, Row
from processor.metrics.registry import Metric
from processor.replay.routing import only_type_of, type_of
from processor.replay.typed import TypeEngines
from schemas.events import EventType
from schemas.readings import segment_key
from schemas.validators import InvalidEvent

UNKNOWN_TYPE: Final = "unknown"
"""The type, in counts of events, of a line whose type cannot be told."""

GATHERED_BYTES: Final = 16 * 1024 * 1024
"""Counts gather in the partitions for about this much input before they are spread to panes and
segments: what falls into the same second is then spread once."""


class InProcessEngine:
    """Counts raw lines of any type and gives readings, without Kafka or Redis.

    Memory depends on the windows, the segments and the de-duplication horizon, not on how much
    goes through.

    Args:
        config: windows, segments, lateness and limits.
        metrics: the catalogue in use.
        partitions: partitions per event type; the readings are the same for any number.
        low_sample_under: fewer observations than this are flagged.
        own: metrics of one's own, to be counted too.

    Attributes:
        totals: the rolling totals behind the readings.
        outcomes: event type → how many lines by outcome: ``counted``, ``repeats``, ``conflicts``
            (those of the repeats that say something else), ``rejected``, ``late``.

    Raises:
        ValueError: for less than one partition.
    """

    def __init__(
        self,
        config: EngineConfig,
        metrics: Mapping[str, Metric],
        *,
        partitions: int = 1,
        low_sample_under: int = 30,
        own: Sequence[OwnMetric] = (),
    ) -> None:
        if partitions < 1:
            raise ValueError("an engine has at least one partition")
        self.config = config
        self.totals = RollingTotals(config.windows)
        self.outcomes: dict[str, Counter[str]] = {}
        self._segmentation = Segmentation(config.segment_sets, config.segment_cap)
        self._room = [config.segment_cap] * len(self._segmentation.sets)
        self._partitions = partitions
        self._own = own
        self._gathering: list[bytes] = []
        self._gathering_bytes = 0
        self._types: dict[EventType, TypeEngines] = {}
        self._register = LocalRegister(config.base_detail_ms, config.too_late_after_ms)
        self._presenter = Presenter(
            metrics,
            self.totals,
            lateness_ms=config.lateness_ms,
            low_sample_under=low_sample_under,
        )

    @property
    def clock_ms(self) -> int:
        """The second of the latest event of any type, 0 before the first."""
        return max((engine.clock_ms for engine in self._engines()), default=0)

    @property
    def earliest_ms(self) -> int | None:
        """The second of the earliest event, ``None`` before the first."""
        times = [e.earliest_ms for e in self._engines() if e.earliest_ms is not None]
        return min(times, default=None)

    @property
    def open_sessions(self) -> int:
        """Sessions with an action and no close yet."""
        return sum(e.sessions.open_count for e in self._engines() if e.sessions is not None)

    @property
    def is_empty(self) -> bool:
        """Whether time alone cannot change any reading: all windows and sessions are empty."""
        return (
            not self.open_sessions
            and not self.totals.samples.pane_count
            and all(totals.is_empty for totals in self.totals.totals)
        )

    @property
    def horizon_shortened(self) -> int:
        """How often event ids had to be forgotten early, for want of room."""
        return sum(engine.dedup.shortened for engine in self._engines())

    def fold(self, lines: Sequence[bytes], now_ms: int) -> list[Rejected]:
        """Take in lines in order of arrival; empty ones are skipped.

        Args:
            lines: raw events of any type, best a thousand or so at a time.
            now_ms: the time that events may not be far ahead of.

        Returns:
            What was refused, by position in ``lines``, in order.
        """
        rejected: list[Rejected] = []
        for event_type, positions in self._by_type(lines, rejected).items():
            of_type = lines if positions is None else [lines[p] for p in positions]
            for refused in self._engines_of(event_type).fold(of_type, now_ms):
                at = refused.position if positions is None else positions[refused.position]
                rejected.append(Rejected(at, refused.error))
        self._gathering += lines
        self._gathering_bytes += sum(map(len, lines))
        if self._gathering_bytes >= GATHERED_BYTES:
            self._gather()
        rejected.sort(key=lambda refused: refused.position)
        return rejected

    def settle(self, watermark_ms: int) -> None:
        """Take the caller's word that no event before ``watermark_ms`` is to come any more."""
        for engine in self._engines():
            engine.settle(watermark_ms)

    def advance(self, time_ms: int) -> None:
        """Slide every window to the pane that holds ``time_ms``."""
        self.totals.advance(time_ms)

    def forget(self) -> None:
        """Drop what no reading from now on needs; windows stay, so that none may be read before.

        For a run that reads only at its end: sliding windows over every pane costs a third of the
        time of counting.
        """
        self.totals.forget(self.clock_ms)

    def changed(self, time_ms: int, revision: int) -> dict[str, Row]:
        """Readings at ``time_ms`` that say something new since the last call, by key in order."""
        self._gather()
        self.totals.advance(time_ms)
        return dict(sorted(self._presenter.changed(time_ms, revision).items()))

    def final(self, revision: int) -> dict[str, Row]:
        """Every reading at the end of the log, by key in order.

        Open sessions are closed, and the windows end with the pane of the latest event. Without
        any event there is no time to read at, and no reading.
        """
        for engine in self._engines():
            engine.close_sessions()
        self._gather()
        clock_ms = self.clock_ms
        if not clock_ms:
            return {}
        self.totals.advance(clock_ms)
        rows = self._presenter.everything(clock_ms, revision)
        for row in rows.values():
            row["provisional"] = False  # nothing is to come any more
        return rows

    def _engines(self) -> Iterator[PartitionEngine]:
        for of_type in self._types.values():
            yield from of_type.engines

    def _engines_of(self, event_type: EventType) -> TypeEngines:
        found = self._types.get(event_type)
        if found is None:
            found = self._types[event_type] = TypeEngines(
                event_type, self.config, self._segmentation, self._partitions, self._own
            )
        return found

    def _by_type(
        self, lines: Sequence[bytes], rejected: list[Rejected]
    ) -> dict[EventType, list[int] | None]:
        """Positions of the lines of each type; ``None`` stands for all lines."""
        if lines and (only := only_type_of(lines)) is not None:
            return {only: None}
        grouped: dict[EventType, list[int]] = {}
        for position, line in enumerate(lines):
            if not line:
                continue
            try:
                event_type = type_of(line)
            except InvalidEvent as error:
                rejected.append(Rejected(position, error))
                self._tally(UNKNOWN_TYPE)["rejected"] += 1
                continue
            group = grouped.get(event_type)
            if group is None:
                group = grouped[event_type] = []
            group.append(position)
        return dict(grouped)

    def _gather(self) -> None:
        """Move what the partitions counted into the totals."""
        lines, self._gathering, self._gathering_bytes = self._gathering, [], 0
        self._admit(lines)
        told: list[tuple[PartitionEngine, str, Inquiry]] = []
        for event_type, of_type in self._types.items():
            for number, engine in enumerate(of_type.engines):
                if engine.has_changes:
                    changes = engine.take()
                    self.totals.apply(changes.deltas)
                    self.totals.observe(changes.samples)
                    self._record(event_type, changes.stats)
                    if changes.inquiry is not None:
                        told.append((engine, f"{event_type}-{number}", changes.inquiry))
        self._settle_bases(told)

    def _settle_bases(self, told: list[tuple[PartitionEngine, str, Inquiry]]) -> None:
        """Let the partitions know of one another's snapshots: of all, before any is answered."""
        for _, name, inquiry in told:
            self._register.settle(name, inquiry)
        for engine, name, inquiry in told:
            engine.settle_bases(self._register.settle(name, inquiry))

    def _record(self, event_type: EventType, stats: Counter[str]) -> None:
        tally = self._tally(event_type)
        for outcome, n in stats.items():
            tally["late" if outcome == "late_dropped" else outcome] += n

    def _tally(self, event_type: str) -> Counter[str]:
        return self.outcomes.setdefault(str(event_type), Counter())

    def _admit(self, lines: Sequence[bytes]) -> None:
        """Admit segments in order of arrival, over all types and partitions."""
        candidates: dict[int, dict[str, None]] = {}
        for engine in self._engines():
            # Nothing is stored: who is not held has not bought before.
            engine.learn_customers(dict.fromkeys(engine.unknown_customers()))
            for index, keys in engine.unknown_segments().items():
                candidates.setdefault(index, {}).update(dict.fromkeys(keys))
        for index, found in candidates.items():
            # Only where not all fit does it matter who came first.
            fit = len(found) <= self._room[index]
            ordered = list(found) if fit else self._in_order_of_arrival(index, found, lines)
            self._segmentation.admit_locally({index: ordered})
            self._room[index] = max(0, self._room[index] - len(ordered))

    def _in_order_of_arrival(
        self, index: int, keys: Mapping[str, None], lines: Sequence[bytes]
    ) -> list[str]:
        names = self._segmentation.sets[index]
        found: dict[str, None] = {}
        for line in lines:
            try:
                dimensions = from_json(line).get("dimensions") or {}
                key = segment_key({name: dimensions[name] for name in names})
            except (ValueError, KeyError, AttributeError, TypeError):
                continue  # refused, or without these dimensions
            if key in keys:
                found[key] = None
        return list({**found, **keys})
