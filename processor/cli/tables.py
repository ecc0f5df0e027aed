"""Tables for people: of the terminal's width, or columns of text where nobody looks."""
# ruff: noqa: PLC0415 - what a table needs is imported when one is shown: commands start sooner

import sys
from collections.abc import Sequence
from typing import Literal

import typer


def plain(text: str) -> str:
    """A text that can say nothing to a terminal: what is not printable is replaced."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def measured(value: float | None, unit: str | None, currency: str | None = None) -> str:
    """A value as short as it tells something, with its unit.

    >>> measured(12.345, "percent"), measured(7.0, "money", "EUR"), measured(-0.001, "points")
    ('12.35 %', '7 EUR', '0')
    >>> measured(1234567, "count"), measured(None, "count")
    ('1234567', 'no data')
    """
    from processor.alerting.wording import NO_VALUE
    from schemas.readings import Unit

    if value is None:
        return NO_VALUE
    text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    suffixes: dict[str | None, str] = {
        Unit.PERCENT: " %",
        Unit.SECONDS: " s",
        Unit.MONEY: f" {currency}",
    }
    return ("0" if text == "-0" else text) + suffixes.get(unit, "")


def instant(time_ms: int) -> str:
    """A time to the second.

    >>> instant(1_772_366_400_999)
    '2026-03-01T12:00:00Z'
    """
    from schemas.timestamps import format_rfc3339

    return format_rfc3339(time_ms // 1000 * 1000).replace(".000Z", "Z")


def table(header: Sequence[str], rows: Sequence[tuple[str, ...]], *, numbers: bool = False) -> None:
    """Print a table: of the terminal's width, or columns of text, as wide as they are, elsewhere.

    Args:
        header: names of the columns.
        rows: a text for each column.
        numbers: whether all columns but the first hold numbers.
    """
    if sys.stdout.isatty():
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(box=SIMPLE_HEAD)
        for index, name in enumerate(header):
            justify: Literal["left", "right"] = "right" if numbers and index else "left"
            drawn.add_column(name, justify=justify, overflow="fold")  # nothing is cut off
        for row in rows:
            drawn.add_row(*map(Text, row))  # as text: brackets are no markup
        Console().print(drawn)
        return
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (tuple(header), *rows):
        cells = [
            cell.rjust(width) if numbers and index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        typer.echo("  ".join(cells).rstrip())
