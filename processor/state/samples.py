"""Samples of a partition's panes as they are flushed, stored, and read.

They are in the pane's hash beside its counters, under ``~<series>|<measure>``: packed entries, one
flush's behind the other's. One that grows long is merged by its owner, who puts the sample in the
place of exactly what it was merged from.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Final

from redis.asyncio import Redis

from processor.core.sample import Sample
from processor.core.sampled_panes import PaneSamples
from processor.state.keys import PartitionKeys
from processor.state.pipelines import read_each
from processor.state.replies import raw, text

MARK: Final = "~"
"""What the field of a sample begins with; no series does."""

LONG_BYTES: Final = 32 * 1024
"""A field that has grown by this since it was merged is merged again."""

_MERGED_AT_ONCE: Final = 16
"""Fields merged with one flush: the others wait for the next."""

_SHORT: Final = struct.Struct("<H")
_LENGTH: Final = struct.Struct("<I")

Field = tuple[str, str]
"""(pane, field), as they are stored."""


def encode_samples(samples: PaneSamples) -> bytes:
    """Samples to append, for the script and the log: pane, field and entries, each with its length.

    >>> decode_samples(encode_samples({(1000, 5000): {"all": {"buyers": b"x" * 16}}}))
    {(1000, 5000): {'all': {'buyers': b'xxxxxxxxxxxxxxxx'}}}
    """
    parts: list[bytes] = []
    for (pane_ms, start), by_series in samples.items():
        pane = f"{pane_ms}:{start}".encode()
        for series, by_measure in by_series.items():
            for measure, packed in by_measure.items():
                field = f"{MARK}{series}|{measure}".encode()
                parts += (_SHORT.pack(len(pane)), pane, _SHORT.pack(len(field)), field)
                parts += (_LENGTH.pack(len(packed)), packed)
    return b"".join(parts)


def decode_samples(payload: bytes) -> PaneSamples:
    """What :func:`encode_samples` was given."""
    samples: PaneSamples = {}
    words = _words(payload)
    for pane, field, packed in zip(words, words, words, strict=True):
        pane_ms, start = map(int, pane.decode().split(":"))
        add_field(samples.setdefault((pane_ms, start), {}), field, packed)
    return samples


def add_field(by_series: dict[str, dict[str, bytes]], field: bytes, packed: bytes) -> None:
    """Add a stored field to a pane's samples."""
    series, _, measure = field.decode().removeprefix(MARK).rpartition("|")
    by_measure = by_series.setdefault(series, {})
    by_measure[measure] = by_measure.get(measure, b"") + packed


def merge_samples(target: PaneSamples, more: PaneSamples) -> None:
    """Add the samples of another flush or partition to ``target``."""
    for cell, by_series in more.items():
        pane = target.setdefault(cell, {})
        for series, by_measure in by_series.items():
            total = pane.setdefault(series, {})
            for measure, packed in by_measure.items():
                total[measure] = total.get(measure, b"") + packed


def _words(payload: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(payload):
        for length_of in (_SHORT, _SHORT, _LENGTH):
            (length,) = length_of.unpack_from(payload, at)
            at += length_of.size
            yield payload[at : at + length]
            at += length


class LongFields:
    """The fields of a partition that have grown long, until they are merged.

    Args:
        redis: a client with bounded time-outs.
        keys: key names of the partition.
    """

    def __init__(self, redis: Redis, keys: PartitionKeys) -> None:
        self._redis = redis
        self._keys = keys
        self._merged: dict[Field, int] = {}
        self._long: dict[Field, None] = {}

    def __len__(self) -> int:
        return len(self._long)

    def told(self, words: list[bytes]) -> None:
        """Take in what the script says of long fields: pane, field, length, and so on."""
        told = iter(words)
        for pane, name, length in zip(told, told, told, strict=True):
            field = (text(pane), text(name))
            if int(length) >= self._merged.get(field, 0) + LONG_BYTES:
                self._long[field] = None

    async def merge(self) -> tuple[bytes, Mapping[Field, int]]:
        """Merge some of the long fields, to be replaced by the next flush.

        Returns:
            For the script: pane, field, how many bytes to replace by which; and the new length of
            each of these fields.

        Raises:
            redis.exceptions.RedisError: Redis is away, or refuses.
        """
        fields = list(self._long)[:_MERGED_AT_ONCE]
        if not fields:
            return b"", {}
        stored = await read_each(
            self._redis, [("HGET", self._keys.pane(pane), name) for pane, name in fields]
        )
        parts: list[bytes] = []
        lengths: dict[Field, int] = {}
        for (pane, name), found in zip(fields, stored, strict=True):
            entries = raw(found) if found is not None else b""
            packed = Sample.merged((entries,)).packed()
            lengths[pane, name] = len(packed)
            for word in (pane.encode(), name.encode()):
                parts += (_SHORT.pack(len(word)), word)
            parts += (_LENGTH.pack(len(entries)), _LENGTH.pack(len(packed)), packed)
        return b"".join(parts), lengths

    def merged(self, lengths: Mapping[Field, int], gone: set[str]) -> None:
        """Note what a flush replaced, and which panes it dropped."""
        for field, length in lengths.items():
            self._merged[field] = length
            self._long.pop(field, None)
        if gone:
            self._merged = {f: n for f, n in self._merged.items() if f[0] not in gone}
            self._long = {f: None for f in self._long if f[0] not in gone}
