"""``cxpulse replay``: event logs through the engine, on their own time."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from processor.cli.errors import UsageError
from processor.cli.options import instant_ms
from processor.cli.terminal import say

if TYPE_CHECKING:
    from processor.replay import Selection, Summary
    from processor.settings import Settings


class Engine(StrEnum):
    """Where the events are counted."""

    INPROC = "inproc"


def replay(
    logs: Annotated[
        list[str],
        typer.Argument(metavar="LOG…", help=".jsonl, .jsonl.gz, .jsonl.zst, or - for stdin"),
    ],
    *,
    engine: Annotated[Engine, typer.Option(help="in this process: no Kafka, no Redis")] = (
        Engine.INPROC
    ),
    final: Annotated[bool, typer.Option("--final", help="only the readings at the end")] = False,
    every: Annotated[
        str | None, typer.Option(help="event time between readings; default: 10s")
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
) -> None:
    """The readings of event logs: the same log gives the same bytes, whenever and wherever.

    Example: cxpulse replay march.jsonl.gz --final --windows 1h,24h --by channel --out out.jsonl
    """
    from contextlib import ExitStack

    from processor.cli.errors import CommandError
    from processor.replay import LogError, Rejects, write_readings
    from processor.replay import replay as replayed

    del engine  # there is one so far
    if final and every is not None:
        raise UsageError("--final and --every exclude each other")
    settings = _settings(windows, by)
    own = settings.own_metrics()
    with ExitStack() as stack:
        file = None if rejects is None else stack.enter_context(rejects.open("w", encoding="utf-8"))
        try:
            result = replayed(
                logs,
                config=settings.engine.config(b""),  # nothing is stored: hashes need no key
                metrics=settings.catalogue(own),
                every_ms=_every_ms(every),
                final=final,
                now_ms=None if now is None else instant_ms(now, "--now"),
                selection=_selection(from_, to, where or [], type_ or []),
                rejects=Rejects(file),
                low_sample_under=settings.engine.low_sample_under,
                own=own,
            )
            write_readings(result, out)
        except LogError as error:
            raise CommandError(str(error)) from error
    _say_what_became(result.summary)


def _settings(windows: str | None, by: list[str] | None) -> "Settings":
    from processor.core.panes import plan_windows
    from processor.settings import load_settings

    chosen: dict[str, Any] = {}
    if windows is not None:
        names = tuple(name.strip() for name in windows.split(","))
        try:
            plan_windows(names)
        except ValueError as error:
            raise UsageError(f"--windows: {error}") from None
        chosen["windows"] = names
    if by is not None:
        chosen["segments"] = tuple(tuple(names.split(",")) for names in by)
    return load_settings(**({"engine": chosen} if chosen else {}))


def _every_ms(every: str | None) -> int | None:
    from processor.core.panes import parse_duration_ms

    try:
        return None if every is None else parse_duration_ms(every)
    except ValueError as error:
        raise UsageError(f"--every: {error}") from None


def _selection(
    from_: str | None, to: str | None, where: list[str], types: list[str]
) -> "Selection":
    from processor.replay import Selection
    from schemas.events import EventType

    unknown = [name for name in types if name not in set(EventType)]
    if unknown:
        raise UsageError(
            f"--type: unknown event type {', '.join(unknown)}; there are {', '.join(EventType)}"
        )
    pairs = [text.partition("=") for text in where]
    for name, _, value in pairs:
        if not (name and value):
            raise UsageError("--where: write dim=value, such as channel=email")
    return Selection(
        from_ms=None if from_ is None else instant_ms(from_, "--from"),
        to_ms=None if to is None else instant_ms(to, "--to"),
        where={name: value for name, _, value in pairs},
        types=frozenset(map(EventType, types)),
    )


def _say_what_became(summary: "Summary") -> None:
    outcomes = ("counted", "repeats", "rejected", "late")
    found = ", ".join(f"{summary.total(name)} {name}" for name in outcomes if summary.total(name))
    say(
        f"{summary.lines} lines in {summary.seconds:.1f} s: {found or 'nothing to count'}; "
        f"{summary.readings} readings"
    )
    for reject in summary.shown:
        say(f"{reject.file}:{reject.line}: {reject.code}: {reject.message}")
