"""Decompressing streams block by block, in bounded memory, with an error where they break off."""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

import zstandard

GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"

_BLOCK_BYTES: Final = 256 * 1024
_GZIP_FORMAT: Final = 31
_ZSTD_SLICE: Final = 1024
"""The decoder gives all that its input holds at once, 128 KiB for four bytes at worst. So it is
given little: at most 32 MiB come out of this."""


class CutOffError(Exception):
    """The data ends before its end mark; everything before was given."""


class DamagedError(Exception):
    """The data is not what was compressed; everything before was given."""


def gunzip(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress gzip: one member after another, perhaps padded with zeros.

    Raises:
        CutOffError: the data ends too early.
        DamagedError: a checksum or a code is wrong.
    """
    decoder = zlib.decompressobj(_GZIP_FORMAT)
    try:
        for block in blocks:
            rest = block
            while rest:
                if decoder.eof:
                    rest = rest.lstrip(b"\0")
                    decoder = zlib.decompressobj(_GZIP_FORMAT) if rest else decoder
                    continue
                yield decoder.decompress(rest, _BLOCK_BYTES)
                rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
        yield decoder.flush()
    except zlib.error as error:
        raise DamagedError(str(error)) from error
    if not decoder.eof:
        raise CutOffError


def unzstd(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress Zstandard: one frame after another.

    Raises:
        CutOffError: the data ends too early.
        DamagedError: a checksum or a code is wrong, or a window is larger than 128 MiB.
    """
    context = zstandard.ZstdDecompressor()
    decoder = context.decompressobj()
    try:
        for block in blocks:
            for begin in range(0, len(block), _ZSTD_SLICE):
                rest = block[begin : begin + _ZSTD_SLICE]
                while rest:
                    if decoder.eof:
                        decoder = context.decompressobj()
                    if text := decoder.decompress(rest):
                        yield text
                    rest = decoder.unused_data if decoder.eof else b""
    except zstandard.ZstdError as error:
        raise DamagedError(str(error)) from error
    if not decoder.eof:
        raise CutOffError
