"""``cxpulse replay --engine kafka``: logs through a broker and workers of the replay's own."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from processor.cli.errors import CommandError, UsageError
from processor.cli.terminal import say

if TYPE_CHECKING:
    from processor.rehearsal import KafkaReplay
    from processor.replay import Rejects, Summary
    from processor.settings import Settings

TopicPrefix = Annotated[
    str | None,
    typer.Option(
        help="with kafka: begins the names of the replay's topics; with it, a replay that was "
        "interrupted goes on where it was; default: a fresh one"
    ),
]
Keep = Annotated[
    bool, typer.Option("--keep", help="with kafka: leave topics and Redis keys behind")
]
WorkerCount = Annotated[
    int,
    typer.Option(
        "--workers",
        min=0,
        help="with kafka: how many to start; 0 for those that run under --topic-prefix already",
    ),
]
PartitionCount = Annotated[
    int | None,
    typer.Option("--partitions", min=1, help="with kafka: of each topic; default: the configured"),
]
Embedded = Annotated[
    bool,
    typer.Option(
        "--embedded", help="with kafka: a broker and a Redis of its own, not the configured ones"
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaChoices:
    """What only ``--engine kafka`` is asked for, as on the command line."""

    topic_prefix: str | None
    keep: bool
    workers: int
    partitions: int | None
    embedded: bool

    def refuse_in_process(self) -> None:
        """Refuse what means nothing without Kafka.

        Raises:
            UsageError: naming the option.
        """
        given = {
            "--topic-prefix": self.topic_prefix is not None,
            "--keep": self.keep,
            "--workers": self.workers != 1,
            "--partitions": self.partitions is not None,
            "--embedded": self.embedded,
        }
        if named := [name for name, is_given in given.items() if is_given]:
            raise UsageError(f"{named[0]} needs --engine kafka")


def replay_by_kafka(
    logs: Sequence[str],
    choices: KafkaChoices,
    *,
    settings: "Settings",
    out: Path | None,
    rejects: "Rejects",
    **options: Any,
) -> "Summary":
    """Replay logs through Kafka and write the readings.

    Args:
        logs: as on the command line.
        choices: what only this engine is asked for.
        settings: the configuration.
        out: a file for the readings; standard output where ``None``.
        rejects: takes the lines that are refused.
        **options: further arguments of `processor.rehearsal.replay_through_kafka`.

    Raises:
        UsageError: options that exclude each other.
        CommandError: it cannot begin or go on.
        LogError: a log is missing or broken.
    """
    from processor.rehearsal import RehearsalError, replay_through_kafka

    if choices.embedded and (choices.topic_prefix is not None or not choices.workers):
        raise UsageError("--embedded servers are new each time: no --topic-prefix, no --workers 0")
    if not choices.workers and choices.topic_prefix is None:
        raise UsageError("--workers 0 needs the --topic-prefix of those that run")
    with ExitStack() as stack:
        if choices.embedded:
            settings = stack.enter_context(_embedded(settings))
        output = _Output(out, choices.topic_prefix)
        stack.enter_context(contextlib.closing(output))
        try:
            replay = replay_through_kafka(
                list(logs),
                settings=settings,
                topic_prefix=choices.topic_prefix,
                keep=choices.keep,
                workers=choices.workers,
                partitions=choices.partitions,
                rejects=rejects,
                position=output.position,
                **options,
            )
            stack.enter_context(contextlib.closing(replay))
            if not choices.workers:
                _say_how_to_join(replay)
            output.write(replay)
        except RehearsalError as error:
            raise CommandError(str(error)) from error
    return replay.summary


@contextlib.contextmanager
def _embedded(settings: "Settings") -> "Iterator[Settings]":
    from pydantic import SecretStr

    from processor.embedded.kafka import EmbeddedKafka
    from processor.embedded.redis import EmbeddedRedis
    from processor.settings import KafkaSettings

    with EmbeddedKafka() as kafka, EmbeddedRedis() as redis:
        own: Mapping[str, Any] = {
            # Nothing of how the configured broker is secured holds for this one.
            "kafka": KafkaSettings(bootstrap=kafka.bootstrap, partitions=settings.kafka.partitions),
            "redis": settings.redis.model_copy(update={"url": SecretStr(redis.url)}),
        }
        yield settings.model_copy(update=own)


def _say_how_to_join(replay: "KafkaReplay") -> None:
    from processor.rehearsal.naming import told

    variables = " ".join(f"{name}={value}" for name, value in told(replay.settings).items())
    say(f"counted by workers that run with: {variables}")


class _Output:
    """Where the readings go: a file that is complete or not there, and is continued.

    Args:
        out: the file; standard output where ``None``.
        topic_prefix: of a replay that can be interrupted, ``None`` for one that cannot: what it
            has written then stays beside the file, under a name of its own.
    """

    def __init__(self, out: Path | None, topic_prefix: str | None) -> None:
        self._out = out
        self._part: Path | None = None
        if out is not None and topic_prefix is not None:
            self._part = out.with_name(f".{out.name}.{topic_prefix}part")
        self._file: IO[str] | None = None

    def write(self, replay: "KafkaReplay") -> None:
        """Write all readings.

        Raises:
            CommandError: what an interrupted replay had written is not there any more.
        """
        from processor.replay import LogError, write_readings
        from processor.replay.output import to_line

        if self._part is None or self._out is None:
            write_readings(replay, self._out, at_once=self._out is None)
            return
        replay.open()
        self._continue(self._part, replay.position)
        if self._file is None:
            raise AssertionError("a file was opened")
        failure: LogError | None = None
        try:
            for row in replay:
                self._file.write(to_line(row))
        except LogError as error:
            failure = error
        self._file.flush()
        os.fsync(self._file.fileno())
        self.close()
        self._part.replace(self._out)
        if failure is not None:
            raise failure

    def position(self) -> int:
        """Where the readings end, all of them written to the disk."""
        if self._file is None:
            sys.stdout.flush()
            return 0
        self._file.flush()
        return self._file.tell()

    def close(self) -> None:
        """Close the file, which stays."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _continue(self, part: Path, position: int) -> None:
        size = part.stat().st_size if part.exists() else 0
        if size < position:
            raise CommandError(
                f"{part} is not as the interrupted replay left it: choose another --topic-prefix"
            )
        self._file = part.open("a", encoding="utf-8", newline="\n")
        # A reading that was written and not noted is taken once more.
        self._file.truncate(position)
        if position:
            say(f"going on after {position} bytes of readings")
