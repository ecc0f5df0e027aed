"""``cxpulse dlq``: dead letters looked at, and sent again."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

import json as json_format
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from processor.cli.errors import CommandError, UsageError
from processor.cli.terminal import say

if TYPE_CHECKING:
    from processor.recording.deadletters import Letter
    from schemas.events import EventType

_SHOWN_BYTES: Final = 200

Types = Annotated[list[str] | None, typer.Option("--type", help="only this event type; repeatable")]
Codes = Annotated[
    list[str] | None, typer.Option("--code", help="only refused for this; repeatable")
]

dlq = typer.Typer(
    help="Dead letters: events that were refused.\n\nExample: cxpulse dlq list --type purchase",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@dlq.command("list")
def list_letters(
    *,
    type_: Types = None,
    code: Codes = None,
    limit: Annotated[int | None, typer.Option(min=1, help="how many at most")] = None,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="the beginning of each value: may be personal")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="a JSON object each")] = False,
) -> None:
    """Dead letters, a line each: time, place in the events' topic, code, field and message.

    Example: cxpulse dlq list --code missing_field --limit 20
    """
    import asyncio

    from processor.recording import RecordingError
    from processor.recording.deadletters import letters
    from processor.settings import load_settings

    kafka, types, codes = load_settings().kafka, _types(type_), _codes(code)
    found: Counter[str] = Counter()

    async def run() -> None:
        reading = letters(kafka, types=types, codes=codes)
        try:
            async for letter in reading:
                found[letter.code or "unknown"] += 1
                shown = _fields(letter, show_values=show_values)
                typer.echo(json_format.dumps(shown) if json else _line(shown))
                if found.total() == limit:
                    return
        finally:
            await reading.aclose()  # type: ignore[attr-defined]  # a generator has it

    try:
        asyncio.run(run())
    except RecordingError as error:
        raise CommandError(str(error)) from error
    by_code = ", ".join(f"{n} {name}" for name, n in found.most_common())
    say(f"{found.total()} dead letters" + (f": {by_code}" if by_code else ""))


@dlq.command()
def retry(
    *,
    type_: Types = None,
    code: Codes = None,
    limit: Annotated[int | None, typer.Option(min=1, help="how many at most")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say how many, send none")] = False,
) -> None:
    """Send dead letters again to the topics they came from, each once however often this runs.

    Up to where they were sent is remembered in Kafka: offsets of the group KAFKA.GROUP-dlq-retry.
    A run that is broken off may send some twice: an event_id counts once within
    engine.dedup_horizon of event time. What is refused again is a dead letter again.

    Example: cxpulse dlq retry --code missing_field --dry-run
    """
    import asyncio

    from processor.recording import RecordingError
    from processor.recording.deadletters import retry as retried
    from processor.settings import load_settings

    kafka, types, codes = load_settings().kafka, _types(type_), _codes(code)
    try:
        outcome = asyncio.run(
            retried(kafka, types=types, codes=codes, limit=limit, dry_run=dry_run)
        )
    except RecordingError as error:
        raise CommandError(str(error)) from error
    for topic, n in sorted(outcome.sent.items()):
        typer.echo(f"{n} {topic}")
    say(f"{outcome.sent.total()} dead letters {'would be sent' if dry_run else 'sent'} again")
    if outcome.cut:
        say(f"{outcome.cut} cannot be: they were too large, and only their beginning is kept")


def _types(names: list[str] | None) -> "frozenset[EventType] | None":
    from schemas.events import EventType

    unknown = [name for name in names or () if name not in set(EventType)]
    if unknown:
        raise UsageError(
            f"--type: unknown event type {', '.join(unknown)}; there are {', '.join(EventType)}"
        )
    return frozenset(map(EventType, names or ())) or None


def _codes(names: list[str] | None) -> frozenset[str]:
    from schemas.errors import ErrorCode

    unknown = [name for name in names or () if name not in set(ErrorCode)]
    if unknown:
        raise UsageError(
            f"--code: unknown code {', '.join(unknown)}; there are {', '.join(ErrorCode)}"
        )
    return frozenset(names or ())


def _fields(letter: "Letter", *, show_values: bool) -> dict[str, Any]:
    from schemas.timestamps import format_rfc3339

    fields: dict[str, Any] = {
        "time": format_rfc3339(max(0, letter.time_ms)),
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.source_offset,
        "code": letter.code,
        "field": letter.field,
        "message": letter.message,
        "bytes": letter.size,
    }
    if show_values:
        fields["value"] = None if letter.value is None else _escaped(letter.value)
    return fields


def _line(fields: dict[str, Any]) -> str:
    """One line; what a producer wrote cannot end it, or say anything to a terminal."""
    place = f"{fields['topic']}/{fields['partition']}@{fields['offset']}"
    parts = [fields["time"], place, fields["code"] or "-", fields["field"] or "-"]
    parts.append(fields["message"])
    if "value" in fields:
        parts.append("no value" if fields["value"] is None else fields["value"])
    return "  ".join("".join(c if c.isprintable() else "?" for c in part) for part in parts)


def _escaped(value: bytes) -> str:
    """The beginning of a value as printable ASCII."""
    more = "…" if len(value) > _SHOWN_BYTES else ""
    text = value[:_SHOWN_BYTES].decode(errors="backslashreplace")
    return "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in text) + more
