"""Golden files: readings that were looked at once, and must not change unseen."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from pydantic_core import from_json

from processor.metrics.present import Row
from processor.replay.output import to_line, write_readings
from processor.replay.readings import key_of

SHOWN: Final = 20
"""The most differences shown."""


def differences(stored: Sequence[Row], made: Sequence[Row], *, shown: int = SHOWN) -> list[str]:
    """How readings differ from stored ones, a line for each of the first.

    Series are compared reading by reading in their order; a field of a reading is shown as
    ``before → now``.

    Args:
        stored: as they were.
        made: as they are now.
        shown: the most lines, but for one that says how many more there are.

    Returns:
        No line if the two are the same, in the same order.

    >>> row = {"metric": "nps", "window": "1h", "segment": {}, "as_of": "…", "value": 25.0}
    >>> differences([row], [row | {"value": 30.0}])
    ['  nps|1h|all at …: value 25.0 → 30.0']
    """
    if list(map(to_line, stored)) == list(map(to_line, made)):
        return []
    before, now = _by_series(stored), _by_series(made)
    lines: list[str] = []
    for key in dict.fromkeys((*before, *now)):
        old, new = before.get(key, []), now.get(key, [])
        for old_row, new_row in zip(old, new, strict=False):
            if said := _changes(old_row, new_row):
                lines.append(f"  {key} at {new_row.get('as_of')}: {said}")
        lines += [f"- {key} at {row.get('as_of')}: is no longer there" for row in old[len(new) :]]
        lines += [
            f"+ {key} at {row.get('as_of')}: is new, value {row.get('value')}"
            for row in new[len(old) :]
        ]
    if not lines:
        return ["  the same readings, in another order"]
    more = len(lines) - shown
    return lines if more <= 0 else [*lines[:shown], f"  and {more} more"]


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


def _by_series(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(key_of(row), []).append(row)
    return found


def _changes(before: Row, now: Row) -> str:
    names = dict.fromkeys((*before, *now))
    return ", ".join(
        f"{name} {_shown(before, name)} → {_shown(now, name)}"
        for name in names
        if name not in before or name not in now or not _same(before[name], now[name])
    )


def _same(before: object, now: object) -> bool:
    """Equal and of one type: 25 and 25.0 are other bytes."""
    return before == now and type(before) is type(now)


def _shown(row: Row, name: str) -> str:
    return repr(row[name]) if name in row else "(absent)"
