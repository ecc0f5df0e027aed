"""Readings files sorted for a comparison, within bounded memory.

Rows are sorted in runs; a run that is full goes to a temporary file, and the runs are merged as
they are read again, a block of each at a time.
"""

import heapq
import io
import marshal
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Final

from pydantic_core import from_json

from processor.replay.comparison import EXACT, Comparison, Tolerance
from processor.replay.comparison_rows import NotAReading, Placed, place
from processor.replay.log import LogError, read_log

RUN_BYTES: Final = 32 * 1024 * 1024
"""Lines that are held at once, of one file; with what Python needs for them about twice that."""

_ROWS_PER_BLOCK: Final = 500


@contextmanager
def compare_files(
    a: str,
    b: str,
    *,
    tolerance: Tolerance = EXACT,
    ignore: Collection[str] = (),
    run_bytes: int = RUN_BYTES,
) -> Iterator[Comparison]:
    """Compare two readings files, whole or compressed, of any size.

    Args:
        a: a file of readings, a line each; `-` for standard input, for one of the two.
        b: the one it is compared with.
        tolerance: for value, low, high, previous and change.
        ignore: fields that are not compared.
        run_bytes: how much of a file is held in memory to be sorted.

    Yields:
        The comparison; places of rows are numbers of lines. It ends with the context.

    Raises:
        LogError: a file is missing, cannot be read, or has a line that is no reading.
        ValueError: ``ignore`` names a field that says which row it is.
    """
    with ExitStack() as stack:
        sorted_rows = []
        for name in (a, b):
            spool = stack.enter_context(tempfile.TemporaryFile())
            sorted_rows.append(_sorted(name, spool, run_bytes))
        yield Comparison(*sorted_rows, tolerance=tolerance, ignore=ignore)


def _sorted(name: str, spool: IO[bytes], run_bytes: int) -> Iterator[Placed]:
    """The rows of a file by series, end of the window and line; read when this is called."""
    runs: list[list[int]] = []
    held: list[Placed] = []
    held_bytes = 0
    for row in _rows(name):
        held.append(row)
        held_bytes += len(row.content)
        if held_bytes >= run_bytes:
            runs.append(_spill(held, spool))
            held, held_bytes = [], 0
    held.sort()
    return heapq.merge(*(_unspill(blocks, spool) for blocks in runs), held) if runs else iter(held)


def _rows(name: str) -> Iterator[Placed]:
    for chunk in read_log(name):
        for number, line in enumerate(chunk.lines, chunk.first_line):
            if not line:
                continue
            try:
                yield place(from_json(line, allow_inf_nan=False), number, line)
            except NotAReading as error:
                raise LogError(f"{name}:{number}: not a reading: {error}") from None
            except ValueError as error:
                raise LogError(f"{name}:{number}: not a reading: not JSON: {error}") from None


def _spill(rows: list[Placed], spool: IO[bytes]) -> list[int]:
    """Write a run; returns where its blocks begin."""
    rows.sort()
    blocks = []
    for start in range(0, len(rows), _ROWS_PER_BLOCK):
        blocks.append(spool.seek(0, io.SEEK_END))
        marshal.dump([tuple(row) for row in rows[start : start + _ROWS_PER_BLOCK]], spool)
    return blocks


def _unspill(blocks: list[int], spool: IO[bytes]) -> Iterator[Placed]:
    for block in blocks:
        spool.seek(block)
        yield from map(Placed._make, marshal.load(spool))  # noqa: S302 - our own, just written
