"""Golden files: readings that were looked at once, and must not change unseen."""

import json
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json

from processor.metrics.present import Row
from processor.replay.comparison import EXACT, Tolerance, compare
from processor.replay.comparison_outcome import Difference, Kind
from processor.replay.output import to_line, write_readings

SHOWN: Final = 20
"""The most differences shown."""


def differences(
    stored: Sequence[Row],
    made: Sequence[Row],
    *,
    tolerance: Tolerance = EXACT,
    ignore: Collection[str] = (),
    shown: int = SHOWN,
) -> list[str]:
    """How readings differ from stored ones, a line for each of the first.

    Without a tolerance and anything to ignore they are to be the same to the byte, and in the
    same order.

    Args:
        stored: as they were.
        made: as they are now.
        tolerance: for value, low, high, previous and change.
        ignore: fields that are not compared.
        shown: the most lines, but for one that says how many more there are.

    Returns:
        No line if there is no difference.

    Raises:
        ValueError: a row is no reading, or a field says which row it is and cannot be ignored.

    >>> row = {"metric": "nps", "window": "1h", "segment": {}, "value": 25.0,
    ...        "window_end": "2026-03-01T12:00:00Z"}
    >>> differences([row], [row | {"value": 30.0}])
    ['  nps|1h|all until 2026-03-01T12:00:00Z: value 25.0 → 30.0']
    """
    if list(map(to_line, stored)) == list(map(to_line, made)):
        return []
    comparison = compare(stored, made, tolerance=tolerance, ignore=ignore)
    lines = [_line(found) for _, found in zip(range(shown), comparison, strict=False)]
    found = comparison.finish().total().differences
    if not lines and tolerance == EXACT and not ignore:
        return ["  the same readings, in another order or spelling"]
    return lines if found <= shown else [*lines, f"  and {found - shown} more"]


def read_rows(path: str | os.PathLike[str]) -> list[Row]:
    """The readings of a golden file.

    Raises:
        OSError: it cannot be read.
        ValueError: a line is not JSON.
    """
    return [from_json(line) for line in Path(path).read_bytes().splitlines() if line]


def write_golden(path: Path, rows: Iterable[Row]) -> None:
    """Write a golden file, and the folder that it is in.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_readings(rows, path)


def _line(found: Difference) -> str:
    where = f"{found.key} until {found.window_end}"
    if found.kind is Kind.ONLY_A:
        return f"- {where}: is no longer there"
    if found.kind is Kind.ONLY_B:
        return f"+ {where}: is new"
    fields = (f"{one.name} {_shown(one.a)} → {_shown(one.b)}" for one in found.fields)
    return f"  {where}: {', '.join(fields)}"


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
