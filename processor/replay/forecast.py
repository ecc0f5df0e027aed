"""What a replay would meet and about how long it would take, without any reading.

A dry run reads the logs once, as the replay would: validated, selected, merged. How long the replay
would take is the longer of two: what its speed asks for, by the times of the events, and what
counting takes, as a sample from the beginning of the logs shows.
"""

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from processor.core.changes import Rejected
from processor.core.config import EngineConfig
from processor.core.panes import SECOND_MS
from processor.core.parsing import out_of_time
from processor.replay.inproc import InProcessEngine
from processor.replay.log import LINES_PER_CHUNK, LogError, Position, require_readable
from processor.replay.merging import merged
from processor.replay.outcome import Rejects
from processor.replay.pacing import Pacer
from processor.replay.routing import type_of
from processor.replay.selection import PlacedLine, Selection, Sieve
from schemas.validators import ErrorCode

SAMPLE_LINES: Final = (100, 2_000, 20_000)
"""Lines that are counted to learn how long counting takes: a few to warm up, some, and more. What
the last two take tells what a line costs, and what a run costs beside its lines."""


@dataclass(slots=True, kw_only=True)
class Forecast:
    """What a replay would meet.

    Attributes:
        events: event type → valid events that take part, repeats among them.
        invalid: `ErrorCode` → lines that would be refused.
        filtered: lines that the filters leave out.
        earliest_ms: the earliest event, ``None`` without one.
        latest_ms: the latest event, ``None`` without one.
        seconds: about how long the replay would take; ``None`` where there is nothing to replay.
        failures: logs that could not be read to their end.
    """

    events: Counter[str] = field(default_factory=Counter)
    invalid: Counter[str] = field(default_factory=Counter)
    filtered: int = 0
    earliest_ms: int | None = None
    latest_ms: int | None = None
    seconds: float | None = None
    failures: list[LogError] = field(default_factory=list)


def forecast(
    paths: Sequence[str | os.PathLike[str]],
    *,
    config: EngineConfig,
    trial: Callable[[Path], object],
    now_ms: int | None = None,
    selection: Selection | None = None,
    rejects: Rejects | None = None,
    speed: float | None = None,
    max_gap_ms: int | None = None,
    position: Position | None = None,
) -> Forecast:
    """Read the logs and tell what a replay of them would meet.

    Args:
        paths: event logs, `-` for standard input.
        config: as the replay's.
        trial: replays the log that it is given, as the replay would but at full speed; its time is
            taken.
        now_ms: the time that events may not be far ahead of; ``None`` for the clock.
        selection: which events take part; all where ``None``.
        rejects: takes the lines that are not valid.
        speed: the replay's, ``None`` for as fast as it goes.
        max_gap_ms: the replay's.
        position: is moved on by what is read.

    Raises:
        LogError: a log is missing or cannot be opened.
    """
    require_readable(paths)
    names = [os.fspath(path) for path in paths]
    sieve = Sieve(selection or Selection(), config)
    clock = _clock if now_ms is None else lambda: now_ms
    found = Forecast()
    pacer = Pacer(speed, max_gap_ms)
    judge = _Judge(config, rejects or Rejects())
    paced_s = 0.0
    sample: list[bytes] = []
    for line in merged(
        names,
        sieve,
        lines_per_chunk=LINES_PER_CHUNK,
        now_ms=clock,
        failures=found.failures,
        position=position,
    ):
        if len(sample) < SAMPLE_LINES[-1]:
            sample.append(line.raw)
        refused = judge.refused(line, clock())
        if refused is not None:
            judge.rejects.add(names[line.log], line.number, refused)
            continue
        found.events[type_of(line.raw)] += 1
        paced_s = pacer.due_s(line.time_ms)
        if found.earliest_ms is None or line.time_ms < found.earliest_ms:
            found.earliest_ms = line.time_ms
        if found.latest_ms is None or line.time_ms > found.latest_ms:
            found.latest_ms = line.time_ms
    found.filtered = sieve.dropped
    found.invalid = judge.rejects.by_code
    if total := found.events.total() + found.invalid.total():
        found.seconds = max(paced_s, _seconds_of(trial, sample, total))
    return found


class _Judge:
    """Tells which lines the engine would refuse, in its words."""

    def __init__(self, config: EngineConfig, rejects: Rejects) -> None:
        self.rejects = rejects
        self._too_late_after_ms = config.too_late_after_ms
        self._engine = InProcessEngine(config, {})
        self._clocks: Counter[str] = Counter()

    def refused(self, line: PlacedLine, now_ms: int) -> Rejected | None:
        if not line.is_valid:
            (refused,) = self._engine.fold([line.raw], now_ms)
            return refused
        event_type = type_of(line.raw)
        second_ms = line.time_ms - line.time_ms % SECOND_MS
        if second_ms < self._clocks[event_type] - self._too_late_after_ms:
            return out_of_time(0, ErrorCode.TOO_LATE)
        self._clocks[event_type] = max(second_ms, self._clocks[event_type])
        return None


def _clock() -> int:
    return time.time_ns() // 1_000_000


def _seconds_of(trial: Callable[[Path], object], sample: Sequence[bytes], total: int) -> float:
    """About how long a replay of so many lines takes."""
    with tempfile.TemporaryDirectory(prefix="cxpulse-") as folder:
        log = Path(folder, "sample.jsonl")
        took: dict[int, float] = {}
        for size in SAMPLE_LINES:
            lines = sample[:size]
            log.write_bytes(b"".join(line + b"\n" for line in lines))
            began = time.perf_counter()
            trial(log)
            took[len(lines)] = time.perf_counter() - began
    (most, long), *fewer = sorted(took.items(), reverse=True)
    if not fewer:
        return long / most * total
    fewest, short = fewer[0]
    per_line = max(0.0, long - short) / (most - fewest)
    return long + per_line * (total - most)
