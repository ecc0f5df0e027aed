"""Files that are whole under their name, or not there: what is not whole is called ``.partial``."""

import fcntl
import gzip
import os
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import zstandard

STDOUT: Final = "-"
"""Stands for standard output in place of a path."""

PARTIAL: Final = ".partial"

_GZIP_LEVEL: Final = 6
_ZSTD_LEVEL: Final = 3


class Compression(StrEnum):
    """How a file is compressed."""

    NONE = "none"
    GZ = "gz"
    ZST = "zst"

    @classmethod
    def of(cls, path: str) -> "Compression":
        """The one that the file's name ends with."""
        return {".gz": cls.GZ, ".zst": cls.ZST}.get(Path(path).suffix, cls.NONE)


class PartialFileError(OSError):
    """Another process is writing the same file."""


class WholeFile:
    """A file of lines that gets its name when it is complete, and on disk.

    Until then it is ``<path>.partial``, and stays that after an error or a kill. What such a run
    left behind is replaced. Standard output, devices and pipes are written as they are.

    Args:
        path: the file to replace, or `-`.
        compression: by the end of the name where ``None``.

    Raises:
        PartialFileError: another process is writing it.
        OSError: it cannot be written.
    """

    def __init__(
        self, path: str | os.PathLike[str], compression: Compression | None = None
    ) -> None:
        self.name = os.fspath(path)
        self._target: Path | None = None
        self._is_empty = True
        if self.name == STDOUT:
            self._raw: Any = sys.stdout.buffer
        elif _is_special(Path(self.name)):
            self._raw = Path(self.name).open("wb")  # noqa: SIM115 - closed by __exit__
        else:
            self._target = Path(os.path.realpath(self.name))
            self._raw = _locked(self.partial)
        self._stream = _compressed(self._raw, compression or Compression.of(self.name))

    @property
    def partial(self) -> Path:
        """What it is called until it is complete."""
        target = Path(self.name) if self._target is None else self._target
        return target.with_name(target.name + PARTIAL)

    def write(self, lines: Iterable[bytes]) -> int:
        """Write lines, each with an end; returns how many bytes they are, not compressed."""
        text = b"".join([line + b"\n" for line in lines])
        self._stream.write(text)
        self._is_empty = False
        return len(text)

    def flush(self) -> None:
        """Let others see what was written so far; compresses a little less well."""
        self._stream.flush()
        self._raw.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Complete it; after an error what there is stays, readable, under the other name."""
        try:
            if self._stream is not self._raw:
                self._stream.close()
            self._raw.flush()
            if self._target is not None:
                os.fsync(self._raw.fileno())
                if kind is None:
                    self.partial.replace(self._target)
                    _sync_folder(self._target.parent)
                elif self._is_empty:
                    self.partial.unlink()
        finally:
            if self.name != STDOUT:
                self._raw.close()


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _locked(path: Path) -> Any:
    final = path.with_name(path.name.removesuffix(PARTIAL))
    if final.is_dir():  # or it would be found out at the end
        raise IsADirectoryError(0, "is a folder: name a file", str(final))
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between opening and locking, it may have become the whole file of another process.
        is_ours = path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except BlockingIOError:
        is_ours = False
    if not is_ours:
        file.close()
        raise PartialFileError(0, "another process is writing it: name another file", str(path))
    file.truncate(0)
    return file


def _compressed(raw: Any, compression: Compression) -> Any:
    if compression is Compression.GZ:
        # No name and no time inside: the same lines give the same bytes.
        return gzip.GzipFile("", "wb", _GZIP_LEVEL, fileobj=raw, mtime=0)
    if compression is Compression.ZST:
        writer = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True)
        return writer.stream_writer(raw, closefd=False)
    return raw


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
