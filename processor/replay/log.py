"""Event logs as chunks of raw lines: plain, gzip or Zstandard, from files or standard input.

How a log is compressed is told by its first bytes, not by its name. Memory is bounded whatever
the log holds: it is read and decompressed block by block, and a line without an end is cut.
"""

import mmap
import os
import shutil
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import cramjam

STDIN: Final = "-"
"""Stands for standard input in place of a path."""

LINES_PER_CHUNK: Final = 1_000
"""A batch of this many events fits the processor's cache: a quarter faster than ten thousand."""

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""A longer line is cut here; that is above the largest record that can be configured."""

_CHUNK_BYTES: Final = 16 * 1024 * 1024
_BLOCK_BYTES: Final = 256 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_MAGIC_BYTES: Final = 4
_GZIP_FORMAT: Final = 31
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
    path: str | os.PathLike[str], *, lines_per_chunk: int = LINES_PER_CHUNK
) -> Iterator[Chunk]:
    """Read a log from its beginning.

    Args:
        path: a file, or `-` for standard input.
        lines_per_chunk: the most lines in one chunk; fewer where they are very long.

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
    try:
        for lines in _lines(_blocks(name)):
            pending += lines
            pending_bytes += sum(map(len, lines))
            while len(pending) >= lines_per_chunk or pending_bytes >= _CHUNK_BYTES:
                chunk = Chunk(name, number, pending[:lines_per_chunk])
                del pending[:lines_per_chunk]
                number += len(chunk.lines)
                pending_bytes = sum(map(len, pending))
                yield chunk
    except LogError as error:
        failure = error
    if pending:
        yield Chunk(name, number, pending)
    if failure is not None:
        raise failure


def _lines(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
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


def _blocks(name: str) -> Iterator[bytes]:
    with _opened(name) as file:
        magic = file.peek(_MAGIC_BYTES)
        if magic.startswith(_GZIP_MAGIC):
            yield from _gunzip(name, _read(name, file))
        elif magic.startswith(_ZSTD_MAGIC):
            yield from _unzstd(name, file)
        else:
            yield from _read(name, file)


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


def _read(name: str, file: Any) -> Iterator[bytes]:
    try:
        # read1 gives what a pipe holds, rather than wait for a whole block.
        while block := file.read1(_BLOCK_BYTES):
            yield block
    except OSError as error:
        raise LogError(f"{name}: cannot be read: {error.strerror}") from error


def _gunzip(name: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    decoder = zlib.decompressobj(_GZIP_FORMAT)
    try:
        for block in blocks:
            rest = block
            while rest:
                if decoder.eof:  # files may be one gzip member after another, and padded
                    rest = rest.lstrip(b"\0")
                    decoder = zlib.decompressobj(_GZIP_FORMAT) if rest else decoder
                    continue
                yield decoder.decompress(rest, _BLOCK_BYTES)
                rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
        yield decoder.flush()
    except zlib.error as error:
        raise _damaged(name, str(error)) from error
    if not decoder.eof:
        raise _cut_off(name)


def _unzstd(name: str, file: Any) -> Iterator[bytes]:
    """Decompress through a pipe that a thread fills.

    The decoder at hand takes whole inputs only, so it is given the file as mapped memory and the
    pipe as its output: it works outside the interpreter's lock and waits when the pipe is full.
    """
    with tempfile.TemporaryFile() as spooled:
        if name == STDIN:
            shutil.copyfileobj(file, spooled)
            file = spooled
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as compressed:
            yield from _piped(name, compressed)


def _piped(name: str, compressed: mmap.mmap) -> Iterator[bytes]:
    reading, writing = os.pipe()
    failures: list[str] = []

    def decompress() -> None:
        try:
            target = cramjam.File(f"/dev/fd/{writing}", read=False, write=True)
            cramjam.zstd.decompress_into(cast("Any", compressed), target)
        except (cramjam.DecompressionError, OSError) as error:
            # The error itself would keep the pipe's other end open, and the reader waiting.
            failures.append(str(error))
        finally:
            os.close(writing)

    thread = threading.Thread(target=decompress, name="unzstd", daemon=True)
    thread.start()
    try:
        while block := os.read(reading, _BLOCK_BYTES):
            yield block
    finally:
        # A reader that leaves early closes the pipe, and the decoder stops at its next write.
        os.close(reading)
        thread.join()
    if failures:
        raise _cut_off(name) if "incomplete" in failures[0] else _damaged(name, failures[0])


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
