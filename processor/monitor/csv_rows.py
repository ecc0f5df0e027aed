"""Rows as CSV that spreadsheets read as what it is: numbers as numbers, text as text."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

MEDIA_TYPE: Final = "text/csv; charset=utf-8"

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_of(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    r"""A table with a line of names; what a row has not is an empty cell.

    Examples:
        >>> csv_of(["name", "value"], [{"name": "=1+1", "value": -2.5}])
        b"name,value\r\n'=1+1,-2.5\r\n"
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(map(cell, columns))
    writer.writerows([cell(row.get(name)) for name in columns] for row in rows)
    return table.getvalue().encode()


def cell(value: object) -> object:
    """A value as a cell: text that a spreadsheet would take for a formula gets an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A row's fields in columns: ``segment.<dimension>``, ``target.level``, ``target.label``."""
    columns = {name: value for name, value in fields.items() if name not in {"segment", "target"}}
    columns |= {f"segment.{name}": value for name, value in fields["segment"].items()}
    if target := fields.get("target"):
        columns |= {f"target.{name}": value for name, value in target.items()}
    return columns
