"""Alert rules over history: what they would have told, and when.

The engine counts a log as a replay does, and the evaluator is the publisher's. ::

    events    · ·· · · ···  · ·· ·   ·        ·· ·
    ticks     |     |     |     |     |     |     |      every `every_ms` of event time
    alert           pending     firing            resolved

Each tick is evaluated, whether a reading changed at it or not: ``for`` goes on in silence. Only
what the rules watch is computed. A log begins somewhere, and what was before is not known: a change
against a window that begins before the log decides nothing.
"""

import heapq
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from processor.alerting.alert import AlertRow
from processor.alerting.evaluator import Evaluation
from processor.alerting.lifecycle import State
from processor.alerting.rule import Rule
from processor.core.config import EngineConfig
from processor.metrics.own_definition import OwnMetric
from processor.metrics.registry import Metric
from processor.replay.log import LINES_PER_CHUNK, Chunk, LogError, Position, require_readable
from processor.replay.merging import merged
from processor.replay.outcome import Rejects
from processor.replay.rule_ticks import RuleTicks, narrow_engine, tick_ms
from processor.replay.selection import PlacedLine, Selection, Sieve
from schemas.timestamps import parse_rfc3339

IN_MEMORY: Final = "events"
"""What events that come from no log are called in refusals."""


@dataclass(slots=True, kw_only=True)
class Episode:
    """One alert from its beginning to its end.

    Attributes:
        rule: the name of its rule.
        severity: as the rule says.
        fingerprint: of the alert; several episodes may have one.
        segment: what it is about; empty for the whole.
        currency: of a metric in money.
        pending_at_ms: when its condition began to hold.
        fired_at_ms: when it fired; ``None`` for one that was given up, or goes on pending.
        ended_at_ms: when it was resolved or given up; ``None`` for one that goes on.
        worst: the value furthest on the bad side while it was pending or firing; ``None`` where
            no data was the reason.
    """

    rule: str
    severity: str
    fingerprint: str
    segment: Mapping[str, str]
    currency: str | None
    pending_at_ms: int
    fired_at_ms: int | None = None
    ended_at_ms: int | None = None
    worst: float | None = None

    @property
    def has_fired(self) -> bool:
        """Whether anybody would have been told."""
        return self.fired_at_ms is not None


def rehearse(
    paths: Sequence[str | os.PathLike[str]],
    rules: Sequence[Rule],
    *,
    config: EngineConfig,
    metrics: Mapping[str, Metric],
    own: Sequence[OwnMetric] = (),
    every_ms: int | None = None,
    now_ms: int | None = None,
    selection: Selection | None = None,
    rejects: Rejects | None = None,
    position: Position | None = None,
    low_sample_under: int = 30,
) -> "Rehearsal":
    """Evaluate rules over event logs.

    Args:
        paths: event logs, ``-`` for standard input; several are merged by event time.
        rules: such as those of the configuration.
        config: windows, segments, lateness and limits.
        metrics: the catalogue in use; those that no rule watches are not computed.
        own: metrics of one's own that are in the catalogue.
        every_ms: event time between evaluations; the shortest pane that is watched where ``None``,
            but no less than 10 s and no more than a minute. Live it is a second: what holds only
            for moments may be seen there and not here.
        now_ms: the time that events may not be far ahead of; ``None`` for the clock.
        selection: which events take part; all where ``None``.
        rejects: takes the lines that are refused.
        position: is moved on with what is read.
        low_sample_under: fewer observations decide nothing, where a rule does not say.

    Returns:
        The changes, to be iterated over once, and what became of every alert.

    Raises:
        LogError: a log is missing or cannot be opened. (One that is damaged raises at the end of
            the iteration.)
        ValueError: no path, a time that is not positive, or rules that watch what is not there:
            a line for each problem.
    """
    if not paths:
        raise ValueError("nothing to rehearse with: name at least one log")
    require_readable(paths)
    names = [os.fspath(path) for path in paths]
    sieve = Sieve(selection or Selection(), config)
    failures: list[LogError] = []
    lines = merged(
        names,
        sieve,
        lines_per_chunk=LINES_PER_CHUNK,
        now_ms=_clock(now_ms),
        failures=failures,
        position=position,
    )
    engine = narrow_engine(rules, config, metrics, own, low_sample_under)
    run = RuleTicks(rules, engine, tick_ms(rules, config, every_ms), low_sample_under)
    return Rehearsal(run, _Source(lines, names, failures), _clock(now_ms), rejects or Rejects())


def rehearse_events(
    lines: Iterable[bytes],
    rules: Sequence[Rule],
    *,
    config: EngineConfig,
    metrics: Mapping[str, Metric],
    own: Sequence[OwnMetric] = (),
    every_ms: int | None = None,
    now_ms: int | None = None,
    rejects: Rejects | None = None,
    low_sample_under: int = 30,
) -> "Rehearsal":
    """Evaluate rules over raw events that are in no log, taken one after another.

    Args:
        lines: events as JSON, about in the order of their times.
        rules: as of :func:`rehearse`, like all else.
        config: windows, segments, lateness and limits.
        metrics: the catalogue in use.
        own: metrics of one's own that are in the catalogue.
        every_ms: event time between evaluations.
        now_ms: the time that events may not be far ahead of; ``None`` for the clock.
        rejects: takes the lines that are refused.
        low_sample_under: fewer observations decide nothing, where a rule does not say.

    Raises:
        ValueError: as :func:`rehearse` does.
    """
    sieve, clock = Sieve(Selection(), config), _clock(now_ms)
    placed = (line for chunk in _chunks(lines) for line in sieve.sift(chunk, 0, clock()))
    engine = narrow_engine(rules, config, metrics, own, low_sample_under)
    run = RuleTicks(rules, engine, tick_ms(rules, config, every_ms), low_sample_under)
    return Rehearsal(run, _Source(placed, [IN_MEMORY], []), clock, rejects or Rejects())


class _Source(NamedTuple):
    """Lines, the names of the logs that they are from, and what went wrong with one."""

    lines: Iterable[PlacedLine]
    names: Sequence[str]
    failures: Sequence[LogError]


class Rehearsal:
    """The changes of alerts over a log, made as they are iterated over, once.

    Memory depends on what is watched, the allowed lateness and the number of episodes, not on the
    length of the log.

    Attributes:
        rules: those that were rehearsed.
        episodes: all alerts so far, in the order in which their conditions began to hold.
        lines: how many lines were taken in.
        ticks: how many times the rules were evaluated.
        first_ms: the time of the first event, ``None`` before it.
        latest_ms: the time of the latest event, ``None`` without one.
        rejects: what was refused.
    """

    def __init__(
        self,
        run: RuleTicks,
        source: _Source,
        now_ms: Callable[[], int],
        rejects: Rejects,
    ) -> None:
        self.rules = run.rules
        self.episodes: list[Episode] = []
        self.lines = 0
        self.first_ms: int | None = None
        self.latest_ms: int | None = None
        self.rejects = rejects
        self._run = run
        self._source = source
        self._now_ms = now_ms
        self._held: list[PlacedLine] = []
        self._open: dict[str, Episode] = {}
        self._changes = self._play()

    @property
    def ticks(self) -> int:
        """How many times the rules were evaluated."""
        return self._run.ticks

    def __iter__(self) -> Iterator[AlertRow]:
        """Every change of an alert's state, as it would be told, in order.

        Raises:
            LogError: after the last of them, if a log could not be read to its end.
        """
        return self._changes

    def run(self) -> "Rehearsal":
        """Go on to the end, for those who want the episodes only.

        Raises:
            LogError: a log could not be read to its end.
        """
        for _ in self._changes:
            pass
        return self

    def fired(self, rule: str | None = None) -> list[Episode]:
        """The episodes that fired, of one rule or of all."""
        return [one for one in self.episodes if one.has_fired and rule in {None, one.rule}]

    def _play(self) -> Iterator[AlertRow]:
        run = self._run
        for line in self._source.lines:
            latest_ms = self.latest_ms or 0
            # One that is no event has the time of the line before it, if its chunk has one.
            timed = line if line.time_ms else line._replace(time_ms=latest_ms)
            heapq.heappush(self._held, timed)
            if not line.is_valid or line.time_ms <= latest_ms:
                continue
            if self.first_ms is None:
                self.first_ms = line.time_ms
                run.begin(line.time_ms)
            self.latest_ms = line.time_ms
            yield from self._ticked(line.time_ms - run.lateness_ms)
        if self.latest_ms is not None:
            yield from self._ticked(self.latest_ms)
            self._fold_up_to(self.latest_ms)
            yield from self._noted(run.last_tick(self.latest_ms))
        if self._source.failures:
            raise self._source.failures[0]

    def _ticked(self, watermark_ms: int) -> Iterator[AlertRow]:
        """The ticks up to a time before which nothing is to come any more."""
        run, held = self._run, self._held
        while run.next_ms < watermark_ms:
            self._fold_up_to(run.next_ms)
            quiet_until_ms = min(held[0].time_ms, watermark_ms) if held else watermark_ms
            for evaluation in run.tick(quiet_until_ms):
                yield from self._noted(evaluation)

    def _fold_up_to(self, time_ms: int) -> None:
        held, due = self._held, list[PlacedLine]()
        while held and held[0].time_ms <= time_ms:
            due.append(heapq.heappop(held))
        for begin in range(0, len(due), LINES_PER_CHUNK):
            batch = due[begin : begin + LINES_PER_CHUNK]
            self.lines += len(batch)
            lines = [line.raw for line in batch]
            for refused in self._run.engine.fold(lines, self._now_ms()):
                line = batch[refused.position]
                self.rejects.add(self._source.names[line.log], line.number, refused)

    def _noted(self, evaluation: Evaluation) -> Iterator[AlertRow]:
        for row in evaluation.changes:
            self._note_change(row)
            yield row
        for fingerprint, stored in evaluation.stored.items():
            if stored is not None and (episode := self._open.get(fingerprint)) is not None:
                episode.worst = self._run.worse(episode.rule, episode.worst, stored["value"])

    def _note_change(self, row: AlertRow) -> None:
        fingerprint, at_ms = row["fingerprint"], parse_rfc3339(row["since"])
        if row["state"] in {State.RESOLVED, State.INACTIVE}:
            self._open.pop(fingerprint).ended_at_ms = at_ms
            return
        episode = self._open.get(fingerprint)
        if episode is None:
            episode = self._open[fingerprint] = Episode(
                rule=row["name"],
                severity=row["severity"],
                fingerprint=fingerprint,
                segment=row["segment"],
                currency=row["currency"],
                pending_at_ms=parse_rfc3339(row["starts_at"]),
            )
            self.episodes.append(episode)
        if row["state"] == State.FIRING:
            episode.fired_at_ms = at_ms


def _chunks(lines: Iterable[bytes]) -> Iterator[Chunk]:
    gathered: list[bytes] = []
    first_line = 1
    for line in lines:
        gathered.append(line)
        if len(gathered) == LINES_PER_CHUNK:
            yield Chunk(IN_MEMORY, first_line, gathered)
            first_line += len(gathered)
            gathered = []
    yield Chunk(IN_MEMORY, first_line, gathered)


def _clock(now_ms: int | None) -> Callable[[], int]:
    return (lambda: time.time_ns() // 1_000_000) if now_ms is None else (lambda: now_ms)
