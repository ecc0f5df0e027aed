"""Options that several commands have, and how their values are read."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

from typing import Annotated

import typer

from processor.cli.errors import UsageError

Wait = Annotated[
    str | None,
    typer.Option(help="how long to wait for Kafka and Redis to answer, e.g. 30s; default: not"),
]


def seconds(text: str, option: str) -> float:
    """The seconds of a duration such as ``250ms``, ``30s``, ``1.5m`` or ``24h``.

    Raises:
        UsageError: naming the option.
    """
    from processor.simulation import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def instant_ms(text: str, option: str) -> int:
    """Epoch milliseconds of an RFC 3339 date-time.

    Raises:
        UsageError: naming the option.
    """
    from schemas.timestamps import parse_rfc3339

    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise UsageError(f"{option}: {text!r}: {error}; e.g. 2026-03-01T09:30:00Z") from None
