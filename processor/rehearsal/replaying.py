"""A replay through Kafka in one call."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from processor.metrics.present import Row
from processor.rehearsal.naming import fresh_prefix, settings_of
from processor.rehearsal.player import Taken
from processor.rehearsal.run import Options, Run
from processor.replay.log import require_readable
from processor.replay.outcome import Rejects, Summary
from processor.replay.player import DEFAULT_EVERY_MS
from processor.replay.selection import Selection
from processor.settings import Settings, load_settings
from processor.state.cancelling import cancel_until_done

_T = TypeVar("_T")


def replay_through_kafka(
    paths: Sequence[str | os.PathLike[str]],
    *,
    settings: Settings | None = None,
    topic_prefix: str | None = None,
    keep: bool = False,
    workers: int = 1,
    partitions: int | None = None,
    every_ms: int | None = None,
    final: bool = False,
    now_ms: int | None = None,
    selection: Selection | None = None,
    rejects: Rejects | None = None,
    speed: float | None = None,
    max_gap_ms: int | None = None,
    shift_to_ms: int | None = None,
    position: Callable[[], int] | None = None,
) -> "KafkaReplay":
    """Replay event logs through Kafka, workers and Redis: the readings are those of `replay`.

    The events go to topics of their own, are counted by workers that are started for it, under
    Redis keys of their own, and nothing is published. With a topic prefix, a replay that was
    interrupted goes on where it was when the same one is made again. ::

        for row in replay_through_kafka(["march.jsonl.gz"], workers=3, every_ms=10_000):
            print(row["metric"], row["value"])

    Not to be called where an event loop runs.

    Args:
        paths: event logs, `-` for standard input.
        settings: servers, engine and metrics; the configuration unless given.
        topic_prefix: of the replay's topics; a fresh one unless given.
        keep: whether topics and keys stay behind when the replay is done. With a fresh prefix they
            are removed also where it fails; with one that was given they stay for the next try.
        workers: how many to start; 0 where workers under this prefix run already.
        partitions: of each topic; as configured where ``None``.
        every_ms: how much event time lies between readings; 10 s where ``None``.
        final: only the readings at the end, one per series.
        now_ms: the time that events may not be far ahead of; ``None`` for the clock.
        selection: which events take part; all where ``None``.
        rejects: takes the lines that are refused.
        speed: seconds of event time in one second; as fast as it goes where ``None``.
        max_gap_ms: a longer pause of the log is as long as this; none is cut where ``None``.
        shift_to_ms: when the first event shall have happened; as in the log where ``None``.
        position: tells where the readings end in what the caller writes them to, with everything
            flushed; :attr:`KafkaReplay.position` is what it said, when the replay goes on.

    Returns:
        The readings, to be iterated over once, and the summary.

    Raises:
        LogError: a log is missing or cannot be opened. (One that turns out to be cut off or
            damaged raises at the end of the iteration, after the readings of what could be read.)
        RehearsalError: the topic prefix cannot be one.
        ValueError: no path, a number that is out of range, or both ``every_ms`` and ``final``.
    """
    if not paths:
        raise ValueError("nothing to replay: name at least one log")
    if final and every_ms is not None:
        raise ValueError("readings are taken either periodically or only at the end")
    if workers < 0 or (partitions is not None and partitions < 1):
        raise ValueError("there are at least no workers, and one partition")
    if every_ms is not None and every_ms < 1:
        raise ValueError("the time between readings must be positive")
    require_readable(paths)
    return KafkaReplay(
        settings_of(settings or load_settings(), topic_prefix or fresh_prefix(), partitions),
        Options(
            paths=tuple(os.fspath(path) for path in paths),
            workers=workers,
            keep=keep,
            is_fresh=topic_prefix is None,
            every_ms=None if final else every_ms or DEFAULT_EVERY_MS,
            now_ms=now_ms,
            selection=selection or Selection(),
            speed=speed,
            max_gap_ms=max_gap_ms,
            shift_to_ms=shift_to_ms,
        ),
        rejects or Rejects(),
        position or (lambda: 0),
    )


class KafkaReplay:
    """The readings of a replay through Kafka, made as they are iterated over, once.

    What it has opened is closed at the end of the iteration, or by :meth:`close`.

    Attributes:
        settings: those of the replay's workers.
        summary: what became of every line; complete when the iteration is.
        position: where the readings of an interrupted run end, as it said; 0 for a new one.
    """

    def __init__(
        self, settings: Settings, options: Options, rejects: Rejects, position: Callable[[], int]
    ) -> None:
        self.settings = settings
        self.summary = Summary(rejected=rejects.by_code, shown=rejects.shown)
        self.position = 0
        self._run = Run(settings, options, rejects, self.summary)
        self._position = position
        self._runner = asyncio.Runner()
        self._rows = self._play()
        self._is_open = False

    def open(self) -> None:
        """Connect, find out whether to go on where another run was, and start the workers.

        The iteration does it, unless it was done.

        Raises:
            RehearsalError: another replay is under way under the prefix.
            aiokafka.errors.KafkaError: the broker is away or refuses.
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        if self._is_open:
            return
        self._is_open = True
        try:
            self._do(self._run.open())
        except BaseException:
            self.close()
            raise
        self.position = self._run.past.position

    def close(self) -> None:
        """End the workers, and remove what is not to be kept; idempotent."""
        if self._is_open:
            self._is_open = False
            try:
                self._runner.run(self._run.close())
            finally:
                self._runner.close()

    def __iter__(self) -> Iterator[Row]:
        """The readings, sorted by key within one time.

        Raises:
            RehearsalError: it cannot go on.
            LogError: after the last of them, if a log could not be read to its end.
            aiokafka.errors.KafkaError: the broker is away or refuses.
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        return self._rows

    def _play(self) -> Iterator[Row]:
        began = time.perf_counter()
        self.open()
        try:
            takes = self._run.player.readings()
            while (taken := self._do(_next_of(takes))) is not None:
                for row in taken.rows.values():
                    self.summary.readings += 1
                    yield row
                self._do(self._run.took(taken, self._position()))
            self._do(self._run.tell())
        finally:
            self.close()
        self.summary.seconds = time.perf_counter() - began
        if self._run.failures:
            raise self._run.failures[0]

    def _do(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self._runner.run(_ended_for_certain(work))


async def _next_of(takes: AsyncIterator[Taken]) -> Taken | None:
    return await anext(takes, None)


async def _ended_for_certain(work: Coroutine[Any, Any, _T]) -> _T:
    """Ctrl-c cancels once, which is not always enough."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await cancel_until_done([task])
        raise
