"""Readings as lines, to a file that is complete or not there at all."""

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from processor.metrics.present import Row
from processor.replay.log import LogError

_MODE_OF_NEW_FILES = 0o666


def to_line(row: Row) -> str:
    """A reading as one compact line of JSON, with its end."""
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n"


def write_readings(
    rows: Iterable[Row], out: str | os.PathLike[str] | None = None, *, at_once: bool = False
) -> int:
    """Write readings, a line each.

    Args:
        rows: readings, for example a :class:`~processor.replay.player.ReplayResult`.
        out: the file to replace, when it is complete; ``None`` for standard output.
        at_once: pass every reading on when it is made, to be watched.

    Returns:
        How many readings were written.

    Raises:
        LogError: a log broke off; the readings of what could be read are written all the same.
        OSError: the file cannot be written; one that was there before is still as it was.
    """
    if out is None:
        return _write(rows, sys.stdout, at_once=at_once)
    with replacing(out) as file:
        return _write(rows, file, at_once=at_once)


def _write(rows: Iterable[Row], file: IO[str], *, at_once: bool) -> int:
    written = 0
    for row in rows:
        file.write(to_line(row))
        written += 1
        if at_once:
            file.flush()
    file.flush()
    return written


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[str]]:
    """A text file that takes the place of ``path`` when it is complete, in one step.

    After an error the old file stays and the new one is removed; a
    :class:`~processor.replay.log.LogError` comes when everything else is written, and so keeps it.
    """
    target = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    temporary = Path(name)
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123 - a descriptor
            failure: LogError | None = None
            try:
                yield file
            except LogError as error:
                failure = error
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(_MODE_OF_NEW_FILES & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    if failure is not None:
        raise failure


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
