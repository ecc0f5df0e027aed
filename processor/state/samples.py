"""Samples of a partition's panes as they are flushed, stored, and read.

They are in the pane's hash beside its counters, under ``~<series>|<measure>``: packed entries, one
flush's behind the other's. One that grows long is merged by its owner, who puts the sample in the
place of exactly what it was merged from.
"""

import struct
from collections.abc import Mapping
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
    fields: dict[tuple[str, str], bytes] = {}
    parts: list[bytes] = []
    for (pane_ms, start), by_series in samples.items():
        pane = _with_length(f"{pane_ms}:{start}")
        for series, by_measure in by_series.items():
            for measure, packed in by_measure.items():
                field = fields.get((series, measure))
                if field is None:
                    field = fields[series, measure] = _with_length(f"{MARK}{series}|{measure}")
                parts += (pane, field, _LENGTH.pack(len(packed)), packed)
    return b"".join(parts)


def decode_samples(payload: bytes) -> PaneSamples:
    """What :func:`encode_samples` was given."""
    samples: PaneSamples = {}
    # Of fields that follow one another most are of one pane, and few names are in all of them.
    panes: dict[bytes, dict[str, dict[str, bytes]]] = {}
    fields: dict[bytes, tuple[str, str]] = {}
    at, end = 0, len(payload)
    while at < end:
        (length,) = _SHORT.unpack_from(payload, at)
        at += _SHORT.size + length
        name = payload[at - length : at]
        (length,) = _SHORT.unpack_from(payload, at)
        at += _SHORT.size + length
        field = payload[at - length : at]
        (length,) = _LENGTH.unpack_from(payload, at)
        at += _LENGTH.size + length
        packed = payload[at - length : at]
        by_series = panes.get(name)
        if by_series is None:
            pane_ms, start = map(int, name.split(b":"))
            by_series = panes[name] = samples[pane_ms, start] = {}
        place = fields.get(field)
        if place is None:
            place = fields[field] = _place(field)
        series, measure = place
        by_series.setdefault(series, {})[measure] = packed
    return samples


def add_field(by_series: dict[str, dict[str, bytes]], field: bytes, packed: bytes) -> None:
    """Add a stored field to a pane's samples."""
    series, measure = _place(field)
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


def _place(field: bytes) -> tuple[str, str]:
    """The series and the measure of a stored field."""
    series, _, measure = field.decode().removeprefix(MARK).rpartition("|")
    return series, measure


def _with_length(word: str) -> bytes:
    encoded = word.encode()
    return _SHORT.pack(len(encoded)) + encoded


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
            parts += (_with_length(pane), _with_length(name))
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
