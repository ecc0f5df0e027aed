"""Event logs as chunks of raw lines: plain, gzip, Zstandard or Parquet, from files or a pipe.

What a log is is told by its first bytes, not by its name. Memory is bounded whatever the log
holds: it is read and decompressed block by block, and a line without an end is cut.
"""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from processor.replay.compressed import (
    GZIP_MAGIC,
    ZSTD_MAGIC,
    CutOffError,
    DamagedError,
    gunzip,
    unzstd,
)
from processor.replay.parquet import PARQUET_MAGIC, ParquetError, parquet_lines

STDIN: Final = "-"
"""Stands for standard input in place of a path."""

LINES_PER_CHUNK: Final = 1_000
"""A batch of this many events fits the processor's cache: a quarter faster than ten thousand."""

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""A longer line is cut here; that is above the largest record that can be configured."""

_CHUNK_BYTES: Final = 16 * 1024 * 1024
_BLOCK_BYTES: Final = 256 * 1024
_MAGIC_BYTES: Final = 4
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class LogError(Exception):
    """A log that cannot be read, or not to its end; the message names it and what to do."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive lines of one log, without their line ends; empty lines are kept.

    Attributes:
        name: the log, as it was named by the caller.
        first_line: the number of the first line, from 1; the others follow.
        lines: the raw lines.
    """

    name: str
    first_line: int
    lines: list[bytes]


@dataclass(slots=True)
class Position:
    """How far a run has read, over all of its logs; for showing progress.

    Attributes:
        bytes_total: of all logs as they are stored, ``None`` where that is not known.
        bytes_read: of these.
        lines: lines read.
    """

    bytes_total: int | None = None
    bytes_read: int = 0
    lines: int = 0

    @classmethod
    def of(cls, paths: Iterable[str | os.PathLike[str]]) -> "Position":
        """The beginning of these logs.

        Raises:
            LogError: naming the first that cannot be opened.
        """
        total: int | None = 0
        for path in paths:
            size = _size_of(os.fspath(path))
            total = None if total is None or size is None else total + size
        return cls(total)


def require_readable(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Check that every log can be opened, before any work is done.

    Raises:
        LogError: naming the first that cannot.
    """
    for path in paths:
        if os.fspath(path) != STDIN:
            with _opened(os.fspath(path)):
                pass


def read_log(
    path: str | os.PathLike[str],
    *,
    lines_per_chunk: int = LINES_PER_CHUNK,
    position: "Position | None" = None,
) -> Iterator[Chunk]:
    """Read a log from its beginning.

    Args:
        path: a file, or `-` for standard input.
        lines_per_chunk: the most lines in one chunk; fewer where they are very long.
        position: is moved on by what is read.

    Yields:
        The lines in order. Where the log breaks off, everything up to its last complete line
        comes before the error.

    Raises:
        LogError: the file is missing, cannot be read, or its compressed data is cut off or
            damaged.
    """
    name = os.fspath(path)
    number = 1
    pending: list[bytes] = []
    pending_bytes = 0
    failure: LogError | None = None
    position = Position() if position is None else position
    try:
        for lines in _lines_of(name, position):
            pending += lines
            pending_bytes += sum(map(len, lines))
            while len(pending) >= lines_per_chunk or pending_bytes >= _CHUNK_BYTES:
                chunk = Chunk(name, number, pending[:lines_per_chunk])
                del pending[:lines_per_chunk]
                number += len(chunk.lines)
                pending_bytes = sum(map(len, pending))
                position.lines += len(chunk.lines)
                yield chunk
    except LogError as error:
        failure = error
    if pending:
        position.lines += len(pending)
        yield Chunk(name, number, pending)
    if failure is not None:
        raise failure


def _split(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = b""
    first = True
    for block in blocks:
        if len(rest) >= MAX_LINE_BYTES:
            _, newline, after = block.partition(b"\n")
            text = rest + newline + after
        else:
            text = rest + block
        if first and len(text) >= len(_BYTE_ORDER_MARK):
            text, first = text.removeprefix(_BYTE_ORDER_MARK), False
        *lines, rest = text.split(b"\n")
        if b"\r" in text:
            lines = [line.removesuffix(b"\r") for line in lines]
        if lines:
            yield lines
    if rest := rest.removesuffix(b"\r"):
        yield [rest]


def _lines_of(name: str, position: "Position") -> Iterator[list[bytes]]:
    """The log's lines as they come, in lists of any length."""
    with _opened(name) as file:
        magic = file.peek(_MAGIC_BYTES)
        if magic.startswith(PARQUET_MAGIC):
            if name == STDIN:
                raise LogError("a Parquet file is read from its end: name the file, not -")
            size, before = os.fstat(file.fileno()).st_size, position.bytes_read
            try:
                for lines, share in parquet_lines(file):
                    position.bytes_read = before + int(share * size)
                    yield lines
            except ParquetError as error:
                raise LogError(f"{name}: {error}") from error
            return
        blocks = _read(name, file, position)
        try:
            if magic.startswith(GZIP_MAGIC):
                blocks = gunzip(blocks)
            elif magic.startswith(ZSTD_MAGIC):
                blocks = unzstd(blocks)
            yield from _split(blocks)
        except CutOffError:
            raise _cut_off(name) from None
        except DamagedError as error:
            raise _damaged(name, str(error)) from error


@contextmanager
def _opened(name: str) -> Iterator[Any]:
    if name == STDIN:
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - an error inside the with is not one of opening
    except FileNotFoundError:
        raise LogError(f"{name}: there is no such file; check the path") from None
    except OSError as error:
        raise LogError(f"{name}: cannot be opened: {error.strerror}") from error
    with file:
        yield file


def _read(name: str, file: Any, position: "Position") -> Iterator[bytes]:
    try:
        # read1 gives what a pipe holds, rather than wait for a whole block.
        while block := file.read1(_BLOCK_BYTES):
            position.bytes_read += len(block)
            yield block
    except OSError as error:
        raise LogError(f"{name}: cannot be read: {error.strerror}") from error


def _size_of(name: str) -> int | None:
    """The bytes of a file as it is stored; ``None`` for a pipe."""
    with _opened(name) as file:
        try:
            status = os.fstat(file.fileno())
        except OSError:  # a stream of Python's own, without a file
            return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _cut_off(name: str) -> LogError:
    return LogError(
        f"{name}: the compressed file is cut off; what could be read was used. "
        "Copy it again, or wait until it is completely written"
    )


def _damaged(name: str, detail: str) -> LogError:
    return LogError(
        f"{name}: the compressed file is damaged ({detail}); what came before was used. "
        "Copy it again from its source"
    )
