"""``cxpulse replay``: event logs through the engine, on their own time."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from processor.cli.errors import CommandError, UsageError
from processor.cli.options import instant_ms
from processor.cli.rehearsal import (
    Embedded,
    KafkaChoices,
    Keep,
    PartitionCount,
    TopicPrefix,
    WorkerCount,
    replay_by_kafka,
)
from processor.cli.replay_options import duration_ms, pace_of, selection_of, settings_of
from processor.cli.replay_progress import progress, say_refused, say_what_became, told

if TYPE_CHECKING:
    from processor.replay import ReplayResult


class Engine(StrEnum):
    """Where the events are counted."""

    INPROC = "inproc"
    KAFKA = "kafka"


def replay(
    logs: Annotated[
        list[str],
        typer.Argument(
            metavar="LOG…", help=".jsonl, .jsonl.gz, .jsonl.zst, .parquet, or - for stdin"
        ),
    ],
    *,
    engine: Annotated[
        Engine, typer.Option(help="in this process, or through a broker and workers")
    ] = (Engine.INPROC),
    final: Annotated[bool, typer.Option("--final", help="only the readings at the end")] = False,
    every: Annotated[
        str | None, typer.Option(help="event time between readings; default: 10s")
    ] = None,
    speed: Annotated[
        str, typer.Option(metavar="N|max", help="seconds of event time in one second")
    ] = "max",
    max_gap: Annotated[
        str | None, typer.Option(help="longer pauses of the log take as long as this, e.g. 5s")
    ] = None,
    shift_to: Annotated[
        str | None,
        typer.Option(
            metavar="now|T",
            help="move all times of all events alike, so that the first one happens then",
        ),
    ] = None,
    windows: Annotated[
        str | None, typer.Option(help="such as 1h,24h; default: the configured")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="a dimension, or several with commas, to segment by; repeatable"),
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="the earliest occurred_at, RFC 3339")
    ] = None,
    to: Annotated[str | None, typer.Option(help="the end of occurred_at, not included")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="only events with dim=value; repeatable")
    ] = None,
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="only this event type; repeatable")
    ] = None,
    now: Annotated[
        str | None, typer.Option(help="what events may not be far ahead of; default: the clock")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="readings, a line each; default: stdout")] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="refused lines, with reasons; default: the first ten shown")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only tell what is in the logs, and how long it takes")
    ] = False,
    topic_prefix: TopicPrefix = None,
    keep: Keep = False,
    workers: WorkerCount = 1,
    partitions: PartitionCount = None,
    embedded: Embedded = False,
) -> None:
    """The readings of event logs: the same log gives the same bytes, whenever and wherever.

    --from, --to and --now are times as they stand in the logs, also where --shift-to moves them:
    occurred_at and opened_at of every event by the same amount, and with them the readings' times.

    Example: cxpulse replay march.jsonl.gz --final --windows 1h,24h --by channel --out out.jsonl
    """
    from contextlib import ExitStack

    from processor.replay import LogError, Rejects
    from processor.replay import replay as replayed
    from processor.replay.log import Position

    kafka = KafkaChoices(
        topic_prefix=topic_prefix,
        keep=keep,
        workers=workers,
        partitions=partitions,
        embedded=embedded,
    )
    if engine is not Engine.KAFKA:
        kafka.refuse_in_process()
    if final and every is not None:
        raise UsageError("--final and --every exclude each other")
    pace = pace_of(speed, max_gap, shift_to)
    settings = settings_of(windows, by)
    own = settings.own_metrics()
    options: dict[str, Any] = {
        "config": settings.engine.config(b""),  # nothing is stored: hashes need no key
        "now_ms": None if now is None else instant_ms(now, "--now"),
        "selection": selection_of(from_, to, where or [], type_ or []),
        "speed": pace.speed,
        "max_gap_ms": pace.max_gap_ms,
    }
    readings: dict[str, Any] = {
        "metrics": settings.catalogue(own),
        "every_ms": duration_ms(every, "--every"),
        "final": final,
        "low_sample_under": settings.engine.low_sample_under,
        "own": own,
    }
    with ExitStack() as stack:
        stack.enter_context(_seldom_collected())
        file = None if rejects is None else stack.enter_context(rejects.open("w", encoding="utf-8"))
        options["rejects"] = Rejects(file)
        try:
            options["position"] = Position.of(logs)
            if dry_run:
                fixed = {name: options[name] for name in ("config", "now_ms")}
                _tell(logs, options, lambda log: list(replayed([log], **fixed, **readings)))
                return
            if engine is Engine.KAFKA:
                del options["config"], options["position"]
                times = {name: readings[name] for name in ("every_ms", "final")}
                options |= {"settings": settings, "shift_to_ms": pace.shift_to_ms, **times}
                say_what_became(replay_by_kafka(logs, kafka, out=out, **options))
                return
            result = replayed(logs, shift_to_ms=pace.shift_to_ms, **options, **readings)
            _write(result, out, options["position"], is_paced=pace.speed is not None)
        except LogError as error:
            raise CommandError(str(error)) from error
    say_what_became(result.summary)


def _write(result: "ReplayResult", out: Path | None, position: Any, *, is_paced: bool) -> None:
    import sys

    from processor.replay import LogError, write_readings
    from processor.replay.shifting import ShiftError

    try:
        # Readings that scroll by are progress enough.
        with progress(position, hidden=out is None and sys.stdout.isatty()):
            write_readings(result, out, at_once=is_paced)
    except ShiftError as error:
        raise UsageError(f"--shift-to: {error}") from error
    except LogError:
        say_refused(result.summary.shown)
        raise


def _tell(logs: list[str], options: dict[str, Any], trial: Callable[[Path], object]) -> None:
    from processor.replay.forecast import forecast

    with progress(options["position"]):
        found = forecast(logs, trial=trial, **options)
    typer.echo(told(found))
    say_refused(options["rejects"].shown)
    if found.failures:
        raise found.failures[0]


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Look for cycles seldom, as the worker does: batches are large, short-lived, and hold none."""
    import gc

    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
