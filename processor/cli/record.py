"""``cxpulse record``: event topics copied into a log file."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

import sys
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from processor.cli.errors import CommandError, UsageError
from processor.cli.options import instant_ms, seconds
from processor.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.recording import Progress, Recording
    from schemas.events import EventType

_NOW: Final = "now"
_WORDS: Final = {
    "no_value": "without a value",
    "not_utf8": "not UTF-8",
    "not_json": "not JSON",
    "wrong_topic": "on another type's topic",
}


class Compress(StrEnum):
    """How the log is compressed."""

    NONE = "none"
    GZ = "gz"
    ZST = "zst"


def record(
    *,
    out: Annotated[str, typer.Option(help="the log: .jsonl, .jsonl.gz, .jsonl.zst, - for stdout")],
    from_: Annotated[
        str | None,
        typer.Option("--from", help="the earliest Kafka timestamp, RFC 3339, or now"),
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="the end of Kafka timestamps, not included; may be to come")
    ] = None,
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="only this event type; repeatable")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="go on with what is to come, until ctrl-c")
    ] = False,
    duration: Annotated[
        str | None, typer.Option(help="go on with what is to come for so long, e.g. 10m")
    ] = None,
    rejects: Annotated[
        str | None, typer.Option(help="what cannot be a line of the log, in base64")
    ] = None,
    positions: Annotated[
        str | None, typer.Option(help="topic, partition, offset and timestamp of each line")
    ] = None,
    compress: Annotated[
        Compress | None, typer.Option(help="default: by the end of the log's name")
    ] = None,
) -> None:
    """Copy event topics into a log file that replay reads: each value as it is, a line each.

    Without --to, --duration or --follow it ends where the topics end now. --from and --to are of
    the records' timestamps in Kafka; replay --from and --to select by the events' own time.
    Lines are in order of timestamps; those of one partition keep their order.
    The log has its name when it is whole: until then, and after a kill, it is FILE.partial.
    Ctrl-c ends it in order, with what was read so far.

    Example: cxpulse record --out march.jsonl.zst --from 2026-03-01T00:00:00Z --type purchase
    """
    import asyncio

    from processor.recording import Compression, PartialFileError, RecordingError, RequestError
    from processor.recording import record as recorded
    from processor.settings import load_settings

    now_ms = time.time_ns() // 1_000_000
    options: dict[str, Any] = {
        "types": _types(type_ or []),
        "from_ms": now_ms if from_ == _NOW else _instant_ms(from_, "--from"),
        "to_ms": _instant_ms(to, "--to"),
        "follow": follow,
        "duration_s": None if duration is None else seconds(duration, "--duration"),
        "rejects": rejects,
        "positions": positions,
        "compression": None if compress is None else Compression(compress.value),
        "progress": _teller(),
    }
    kafka = load_settings().kafka

    async def run() -> "Recording":
        return await recorded(kafka, out, stop=_told_to_stop(), **options)

    try:
        recording = asyncio.run(run())
    except RequestError as error:
        raise UsageError(str(error)) from None
    except (RecordingError, PartialFileError) as error:
        raise CommandError(str(error)) from error
    _say_what_became(recording, out, kept=rejects is not None)


def _types(names: list[str]) -> "frozenset[EventType] | None":
    from schemas.events import EventType

    unknown = [name for name in names if name not in set(EventType)]
    if unknown:
        raise UsageError(
            f"--type: unknown event type {', '.join(unknown)}; there are {', '.join(EventType)}"
        )
    return frozenset(map(EventType, names)) or None


def _instant_ms(text: str | None, option: str) -> int | None:
    return None if text is None else instant_ms(text, option)


def _told_to_stop() -> Any:
    """An event that the first signal sets; the second has its usual effect."""
    import asyncio
    import signal

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    return stop


def _teller() -> "Callable[[Progress], None] | None":
    """Rewrites one line of the terminal; where there is none, nothing is told."""
    if not sys.stderr.isatty():
        return None

    def tell(progress: "Progress") -> None:
        typer.echo(f"\r\x1b[K{progress_line(progress)}", nl=False, err=True)

    return tell


def progress_line(progress: "Progress") -> str:
    """How far it is, how fast, and how long it takes yet."""
    line = f"{progress.lines} events, {progress.lines_per_second:.0f}/s"
    if progress.following:
        return f"{line}, following"
    if progress.total:
        line += f", {100 * progress.done // progress.total} %"
    left_s = progress.left_s
    return line if left_s is None else f"{line}, {left_s:.0f} s left"


def _say_what_became(recording: "Recording", out: str, *, kept: bool) -> None:
    from schemas.timestamps import format_rfc3339

    if sys.stderr.isatty():
        say("")
    span = ""
    if recording.first_ms is not None and recording.last_ms is not None:
        first, last = (max(0, ms) for ms in (recording.first_ms, recording.last_ms))
        span = f", {format_rfc3339(first)} to {format_rfc3339(last)}"
    early = " (stopped before its end)" if recording.stopped else ""
    say(f"{recording.lines} events{span}: {out}{early}")
    if recording.lost:
        say(f"{recording.lost} offsets are missing: their retention ended before they were read")
    if recording.rejected:
        found = ", ".join(f"{n} {_WORDS[r]}" for r, n in sorted(recording.rejected.items()))
        hint = "" if kept else "; --rejects FILE keeps them"
        say(f"{recording.rejected.total()} records are no events of a log: {found}{hint}")
