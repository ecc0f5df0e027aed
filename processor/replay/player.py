"""A log through the engine on its own time: readings as it goes, and at its end.

Periodic readings hold events back until the watermark has passed the time of the reading. ::

    events        · ··  · ·· ·    ·  ·· · ·|
                        |         |        latest event
    reading at t .......t         |
    watermark ....................latest - lateness > t: nothing up to t is to come any more

So a reading at *t* shows exactly the events up to *t*, whatever order they came in within the
lateness, and however they were cut into batches and spread over partitions.
"""

import heapq
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Final

from processor.core.changes import Rejected
from processor.core.config import EngineConfig
from processor.core.panes import SECOND_MS
from processor.metrics.own_definition import OwnMetric
from processor.metrics.present import Row
from processor.metrics.registry import Metric
from processor.replay.inproc import InProcessEngine
from processor.replay.log import LINES_PER_CHUNK, LogError, Position, read_log, require_readable
from processor.replay.merging import merged
from processor.replay.outcome import Rejects, Summary
from processor.replay.pacing import Pacer, paced_batches
from processor.replay.selection import PlacedLine, Selection, Sieve
from processor.replay.shifting import Shifter

DEFAULT_EVERY_MS: Final = 10 * SECOND_MS


def replay(
    paths: Sequence[str | os.PathLike[str]],
    *,
    config: EngineConfig,
    metrics: Mapping[str, Metric],
    every_ms: int | None = None,
    final: bool = False,
    now_ms: int | None = None,
    selection: Selection | None = None,
    rejects: Rejects | None = None,
    speed: float | None = None,
    max_gap_ms: int | None = None,
    shift_to_ms: int | None = None,
    position: Position | None = None,
    partitions: int = 1,
    batch_lines: int = LINES_PER_CHUNK,
    low_sample_under: int = 30,
    own: Sequence[OwnMetric] = (),
) -> "ReplayResult":
    """Replay event logs in this process.

    Several logs are merged by event time. The readings depend on the events alone: the same log,
    if its disorder is within the allowed lateness, gives the same rows whatever the batch size and
    the number of partitions.

    Args:
        paths: event logs, `-` for standard input.
        config: windows, segments, lateness and limits.
        metrics: the catalogue in use.
        every_ms: how much event time lies between readings; 10 s where ``None``.
        final: only the readings at the end, one per series.
        now_ms: the time that events may not be far ahead of; ``None`` for the clock.
        selection: which events take part; all where ``None``.
        rejects: takes the lines that are refused.
        speed: seconds of event time in one second; ``None`` for as fast as it goes. Readings come
            when the events come that make them due, and are the same at any speed.
        max_gap_ms: a pause of the log that is longer takes as long as this one would.
        shift_to_ms: when the first event shall have happened: all times of all events are moved
            by as much, and the readings with them. The selection and the check against the future
            look at the times as they stand in the log.
        position: is moved on with what is read.
        partitions: how many partitions an event type has.
        batch_lines: how many lines are folded at once.
        low_sample_under: fewer observations than this are flagged.
        own: metrics of one's own, to be counted too; ``metrics`` has them where they are read.

    Returns:
        The readings, to be iterated over once, and the summary.

    Raises:
        LogError: a log is missing or cannot be opened. (One that turns out to be cut off or
            damaged raises at the end of the iteration, after the readings of what could be read.)
        ValueError: no path, or a number that is not positive, or both ``every_ms`` and ``final``.
    """
    if not paths:
        raise ValueError("nothing to replay: name at least one log")
    if final and every_ms is not None:
        raise ValueError("readings are taken either periodically or only at the end")
    if batch_lines < 1 or (every_ms is not None and every_ms < 1):
        raise ValueError("the batch size and the time between readings must be positive")
    require_readable(paths)
    return ReplayResult(
        _Replay(
            paths=tuple(os.fspath(path) for path in paths),
            engine=InProcessEngine(
                config,
                metrics,
                partitions=partitions,
                low_sample_under=low_sample_under,
                own=own,
            ),
            sieve=Sieve(selection or Selection(), config),
            every_ms=None if final else every_ms or DEFAULT_EVERY_MS,
            now_ms=_clock if now_ms is None else lambda: now_ms,
            rejects=rejects or Rejects(),
            batch_lines=batch_lines,
            failures=[],
            position=Position() if position is None else position,
            pacer=None if speed is None else Pacer(speed, max_gap_ms),
            shifter=None if shift_to_ms is None else Shifter(shift_to_ms),
        )
    )


def _clock() -> int:
    return time.time_ns() // 1_000_000


class ReplayResult:
    """The readings of a replay, made as they are iterated over, once.

    Attributes:
        summary: what became of every line; complete when the iteration is.
    """

    def __init__(self, run: "_Replay") -> None:
        self._run = run
        self.summary = Summary(
            outcomes=run.engine.outcomes,
            rejected=run.rejects.by_code,
            shown=run.rejects.shown,
        )
        self._rows = self._play()

    def __iter__(self) -> Iterator[Row]:
        """The readings, sorted by key within one time.

        Raises:
            LogError: after the last of them, if a log could not be read to its end.
        """
        return self._rows

    def _play(self) -> Iterator[Row]:
        run, summary = self._run, self.summary
        began = time.perf_counter()
        for row in run.readings():
            summary.readings += 1
            yield row
        summary.seconds = time.perf_counter() - began
        summary.lines = run.lines
        summary.filtered = run.sieve.dropped
        summary.earliest_ms = run.engine.earliest_ms
        summary.latest_ms = run.engine.clock_ms or None
        summary.horizon_shortened = run.engine.horizon_shortened
        if run.failures:
            raise run.failures[0]


@dataclass(slots=True)
class _Replay:
    paths: tuple[str, ...]
    engine: InProcessEngine
    sieve: Sieve
    every_ms: int | None
    now_ms: Callable[[], int]
    rejects: Rejects
    batch_lines: int
    failures: list[LogError]
    position: Position
    pacer: Pacer | None
    shifter: Shifter | None
    lines: int = 0

    def readings(self) -> Iterator[Row]:
        revision = 0
        if self.every_ms is not None:
            for revision, rows in self._periodic(self.every_ms):  # noqa: B007 - used below
                yield from rows.values()
        elif self._is_plain:
            self._fold_whole_chunks()
        else:
            for batch in self._batches():
                self._fold(batch)
                self.engine.forget()
        yield from self.engine.final(revision + 1).values()

    @property
    def _is_plain(self) -> bool:
        """One log, everything in it as it is, as fast as it goes."""
        as_it_is = self.sieve.takes_all and self.shifter is None and self.pacer is None
        return as_it_is and len(self.paths) == 1

    def _fold_whole_chunks(self) -> None:
        """The short way: nothing is left out, moved or held back."""
        (path,) = self.paths
        chunks = read_log(path, lines_per_chunk=self.batch_lines, position=self.position)
        try:
            for chunk in chunks:
                self.lines += len(chunk.lines) - chunk.lines.count(b"")
                for refused in self.engine.fold(chunk.lines, self.now_ms()):
                    self.rejects.add(path, chunk.first_line + refused.position, refused)
                self.engine.forget()
        except LogError as error:
            self.failures.append(error)

    def _periodic(self, every_ms: int) -> Iterator[tuple[int, dict[str, Row]]]:
        lateness_ms = self.engine.config.lateness_ms
        held: list[PlacedLine] = []
        number = 0
        tick_ms = latest_ms = 0
        for batch in self._batches():
            self._fold([line for line in batch if not line.is_valid])
            for line in batch:
                if not line.is_valid:
                    continue
                heapq.heappush(held, line)
                if not number:
                    tick_ms = -(-held[0].time_ms // every_ms) * every_ms
                latest_ms = max(latest_ms, line.time_ms)
                while latest_ms - lateness_ms > tick_ms:
                    number += 1
                    self._fold_up_to(tick_ms, held)
                    self.engine.settle(tick_ms)
                    yield number, self.engine.changed(tick_ms, number)
                    tick_ms += every_ms
                    if self.engine.is_empty and held:
                        # Nothing can change before the next event, be it here or still to come.
                        quiet_until_ms = min(held[0].time_ms, latest_ms - lateness_ms)
                        skipped = max(0, (quiet_until_ms - tick_ms) // every_ms)
                        number, tick_ms = number + skipped, tick_ms + skipped * every_ms
        self._fold_up_to(latest_ms, held)
        yield number, {}

    def _fold_up_to(self, time_ms: int, held: list[PlacedLine]) -> None:
        due: list[PlacedLine] = []
        while held and held[0].time_ms <= time_ms:
            due.append(heapq.heappop(held))
            if len(due) == self.batch_lines:
                self._fold(due)
                due = []
        self._fold(due)

    def _batches(self) -> Iterator[list[PlacedLine]]:
        """The lines that take part, moved where that is asked for, when they are due."""
        lines = merged(
            self.paths,
            self.sieve,
            lines_per_chunk=self.batch_lines,
            now_ms=self.now_ms,
            failures=self.failures,
            position=self.position,
        )
        if self.shifter is not None:
            lines = self.shifter.shifted(lines)
        if self.pacer is None:
            return _batched(lines, self.batch_lines)
        return paced_batches(lines, _time_of, self.pacer, size=self.batch_lines)

    def _fold(self, lines: Sequence[PlacedLine]) -> None:
        """Count lines; those that the sieve refused are refused again, with the reason.

        Each is checked against the time that the sieve had: by now, or moved, an event that was
        too far ahead would pass, with its time as it stands in the log.
        """
        if not lines:
            return
        self.lines += len(lines)
        valid = [position for position, line in enumerate(lines) if line.is_valid]
        found: list[tuple[int, Rejected]] = []
        if valid:
            now_ms = max(lines[p].checked_ms for p in valid)
            shift_ms = 0 if self.shifter is None else self.shifter.shift_ms
            found += self._refused(lines, valid, now_ms + shift_ms)
        if len(valid) < len(lines):
            others = [position for position, line in enumerate(lines) if not line.is_valid]
            found += self._refused(lines, others, min(lines[p].checked_ms for p in others))
        for position, refused in sorted(found, key=itemgetter(0)):
            line = lines[position]
            self.rejects.add(self.paths[line.log], line.number, refused)

    def _refused(
        self, lines: Sequence[PlacedLine], positions: Sequence[int], now_ms: int
    ) -> Iterator[tuple[int, Rejected]]:
        for refused in self.engine.fold([lines[p].raw for p in positions], now_ms):
            yield positions[refused.position], refused


def _time_of(line: PlacedLine) -> int | None:
    return line.time_ms if line.is_valid else None


def _batched(lines: Iterable[PlacedLine], size: int) -> Iterator[list[PlacedLine]]:
    iterator = iter(lines)
    while batch := list(islice(iterator, size)):
        yield batch
