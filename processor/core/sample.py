"""Samples of what was observed: distinct counts and percentiles, mergeable, the same in any order.

An observation (`processor.core.observation`) becomes a pair of 64-bit integers: a *key*, the keyed
hash of its identity, and a *note*, its magnitude and its marks. Of the same key the largest
magnitude and all marks are kept. Keys are uniform over 63 bits, so those below a bound are a fair
sample of all, and how many there are tells how many there must be over all. That is the Theta
sketch framework (Dasgupta, Lang, Rhodes and Thaler 2016, "A framework for estimating stream
expression cardinalities"); estimates and bounds come from Apache DataSketches, which reads the
keys as a Theta sketch.

The bound is 2^(63 - level), with the lowest level at which no more than `KEYS_MAX` keys are below
it. So a sample is a function of the *set* of what was observed: whichever way samples are merged,
by flush, pane, partition or worker, the result is the same to the last bit. A quantile sketch
that compacts at random (KLL) would not be. The sample is exact, all there is, at level 0; above
that 4097 to 8192 keys are kept, a relative standard error of a count of 1.6 % at most, and of the
rank of a median of 0.8 points.

Packed, as it is stored and kept of a pane, a sample is 16 bytes a key, itself and its note, in
little-endian order. Packed entries put one behind the other are packed entries again, so an
observation is added by appending it.
"""

import math
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from statistics import NormalDist
from typing import Final

import datasketches
import numpy as np
from numpy.typing import NDArray

KEYS_MAX: Final = 8192
"""A sample of no more keys than this is exact."""

KEY_BITS: Final = 63
MARK_BITS: Final = 8
CODE_BITS: Final = 7
"""The last bits of a magnitude that is a time and a code; above them is room for every time."""
ENTRY_BYTES: Final = 16

_MARKS: Final = np.uint64((1 << MARK_BITS) - 1)
_MARK_BITS: Final = np.uint64(MARK_BITS)
_CODES: Final = np.uint64((1 << CODE_BITS) - 1)
_CONFIDENCE: Final = 0.95
_Z: Final = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
_STANDARD_DEVIATIONS: Final = 2

Words = NDArray[np.uint64]
Entries = Mapping[int, int]
"""Key → note."""


def key_of(digest: bytes) -> int:
    """The key that 8 bytes of a keyed hash stand for: 63 bits, and never 0."""
    return int.from_bytes(digest, "little") >> 1 or 1


def note_of(magnitude: int, marks: int) -> int:
    """The note of a magnitude and marks."""
    return magnitude << MARK_BITS | marks


pack_one: Final[Callable[[int, int], bytes]] = struct.Struct("<QQ").pack
"""A key and its note as bytes."""


def pack(entries: Entries) -> bytes:
    """Keys and notes as bytes, in no order."""
    return b"".join(map(pack_one, entries.keys(), entries.values()))


def bound_of(level: int) -> int:
    """Keys below this are in a sample of that level."""
    return 1 << (KEY_BITS - level)


class Sample:
    """What is known of the observations of one measure.

    Attributes:
        keys: in ascending order, each once.
        notes: in the order of the keys.
        level: which keys are kept: those below 2^(63 - level).
    """

    def __init__(self, keys: Words, notes: Words, level: int) -> None:
        self.keys = keys
        self.notes = notes
        self.level = level

    @classmethod
    def merged(cls, packed: Iterable[bytes]) -> "Sample":
        """The sample of everything that is in the parts.

        Args:
            packed: packed entries or samples, in any order, a key perhaps more than once.
        """
        words = np.frombuffer(b"".join(packed), "<u8").reshape(-1, 2)
        levels = words[words[:, 0] == 0, 1]
        floor = int(levels.max()) if len(levels) else 0
        if floor:
            words = words[(words[:, 0] != 0) & (words[:, 0] < bound_of(floor))]
        # So many can only be a few keys many times over, or far too many: begin where a few are
        # left, and go down again while they fit.
        begin = floor + (len(words) // (4 * KEYS_MAX)).bit_length()
        sample = cls._below(words, begin)
        while len(sample.keys) > KEYS_MAX:
            sample = sample.cut()
        while floor < sample.level <= begin:
            lower = cls._below(words, sample.level - 1)
            if len(lower.keys) > KEYS_MAX:
                break
            sample = lower
        return sample

    @classmethod
    def _below(cls, words: Words, level: int) -> "Sample":
        if level:
            words = words[words[:, 0] < bound_of(level)]
        if len(words) < 2:  # noqa: PLR2004 - nothing to sort or to join
            return cls(words[:, 0], words[:, 1], level)
        words = words[np.argsort(words[:, 0], kind="stable")]
        keys, notes = words[:, 0], words[:, 1]
        first = np.empty(len(keys), dtype=bool)
        first[0] = True
        np.not_equal(keys[1:], keys[:-1], out=first[1:])
        if not first.all():
            begins = np.flatnonzero(first)
            magnitudes = np.maximum.reduceat(notes >> _MARK_BITS, begins)
            marks = np.bitwise_or.reduceat(notes & _MARKS, begins)
            keys, notes = keys[begins], magnitudes << _MARK_BITS | marks
        return cls(keys, notes, level)

    def cut(self) -> "Sample":
        """The keys of the next level alone, about half of them."""
        end = int(np.searchsorted(self.keys, np.uint64(bound_of(self.level + 1))))
        return Sample(self.keys[:end], self.notes[:end], self.level + 1)

    def __len__(self) -> int:
        return len(self.keys)

    def packed(self) -> bytes:
        """As a part of other samples, or to store.

        A sample that is not exact begins with its level, as the note of the key that none has: 0.
        """
        entries: bytes = np.column_stack((self.keys, self.notes)).astype("<u8").tobytes()
        return pack({0: self.level}) + entries if self.level else entries

    @cached_property
    def theta(self) -> datasketches.compact_theta_sketch:
        """The keys as a Theta sketch of DataSketches."""
        return datasketches.compact_theta_sketch.deserialize(
            _theta_preamble()
            + len(self.keys).to_bytes(4, "little")
            + bytes(4)
            + bound_of(self.level).to_bytes(8, "little")
            + self.keys.astype("<u8").tobytes()
        )

    @property
    def distinct(self) -> int:
        """How many keys there were, kept or not, to the nearest."""
        return len(self.keys) << self.level

    @property
    def distinct_bounds(self) -> tuple[int, int]:
        """95 % bounds of `distinct`; that itself where it is exact."""
        if not self.level:
            return len(self.keys), len(self.keys)
        return (
            math.floor(self.theta.get_lower_bound(_STANDARD_DEVIATIONS)),
            math.ceil(self.theta.get_upper_bound(_STANDARD_DEVIATIONS)),
        )

    def marked(self, mark: int) -> int:
        """How many of the keys kept have this mark, a power of two."""
        return int(np.count_nonzero(self.notes & np.uint64(mark)))

    def coded(self, code: int) -> int:
        """How many of the keys kept have a magnitude that ends in this code, 0…127."""
        return self._by_code[code]

    @cached_property
    def _by_code(self) -> list[int]:
        codes = (self.notes >> _MARK_BITS & _CODES).astype(np.int64)
        counted: list[int] = np.bincount(codes, minlength=1 << CODE_BITS).tolist()
        return counted

    @cached_property
    def _magnitudes(self) -> Words:
        return np.sort(self.notes >> _MARK_BITS)

    @cached_property
    def magnitude_sum(self) -> int:
        """The sum of the magnitudes of the keys kept."""
        return sum((self.notes >> _MARK_BITS).tolist())

    def percentile(self, percent: int) -> int | None:
        """The least magnitude that this many percent of the keys do not exceed.

        ``None`` where nothing was observed.
        """
        if not len(self.keys):
            return None
        return self._at(-(-percent * len(self.keys) // 100))

    def percentile_bounds(self, percent: int) -> tuple[int, int] | None:
        """95 % bounds of a percentile: the magnitudes at the ranks that chance may give it.

        Formula: ranks n * p ± z * sqrt(n * p * (1 - p)), rounded up, of the n keys kept. So they
        hold what comes of sampling and what comes of having seen no more than that.
        Source: Conover 1999, "Practical nonparametric statistics", 3rd ed., section 3.2.
        """
        n, p = len(self.keys), percent / 100
        if not n:
            return None
        half = _Z * math.sqrt(n * p * (1 - p))
        return self._at(n * p - half), self._at(n * p + half)

    def _at(self, rank: float) -> int:
        position = min(max(math.ceil(rank), 1), len(self.keys)) - 1
        return int(self._magnitudes[position])


EMPTY: Final = Sample.merged(())


@cache
def _theta_preamble() -> bytes:
    """The first 8 bytes of a stored Theta sketch that estimates: layout, flags, hash seed."""
    full = datasketches.update_theta_sketch(5)
    for i in range(100):
        full.update(i)
    return bytes(full.compact().serialize())[:8]
