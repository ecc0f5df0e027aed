"""A map of 64-bit fingerprints to 32-bit ones, in columns.

It takes some 30 bytes each, where a dictionary of integers takes 110. Fingerprints are random bits,
so the lowest of them number the *bucket* one belongs in. A bucket has eight slots, filled from the
first on; what finds it full goes into the next. Nothing is taken out by itself, so a bucket with a
free slot is where a search ends.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Values = NDArray[np.uint32]
Slots = NDArray[np.intp]

ABSENT: Final = -1
"""The slot of what is not there."""

_WIDTH: Final = 8
_FILL: Final = 4
"""Fingerprints a bucket on average, at most: of random ones, 5 of 100 buckets are full by then."""
_BUCKETS: Final = 16
"""To begin with; a power of two, as ever."""


class Fingerprints:
    """The map, empty to begin with. A key is not 0: that is an empty slot."""

    def __init__(self) -> None:
        self._size = 0
        self._make(_BUCKETS)

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        """The memory that the columns take."""
        return self._keys.nbytes + self._values.nbytes + self._fill.nbytes

    def find(self, keys: Keys) -> Slots:
        """Where each key is, `ABSENT` where it is not."""
        slots = np.full(len(keys), ABSENT, np.intp)
        wanted, bucket = np.arange(len(keys)), self._bucket_of(keys)
        while True:
            # Of a few rows' cells most are none: looking for the others is faster than row by row.
            hits = (self._keys.take(bucket, axis=0) == keys[:, None]).ravel().nonzero()[0]
            if hits.size:
                row = hits // _WIDTH
                slots[wanted[row]] = bucket[row] * _WIDTH + hits % _WIDTH
            full = (self._fill.take(bucket) == _WIDTH).nonzero()[0]
            full = full[slots[wanted[full]] == ABSENT]
            if not full.size:
                return slots
            wanted, bucket, keys = wanted[full], (bucket[full] + 1) & self._mask, keys[full]

    def values(self, slots: Slots) -> Values:
        """The values in slots that :meth:`find` gave since the last :meth:`add`."""
        return self._values[slots]

    def add(self, keys: Keys, values: Values) -> None:
        """Take in keys that are not there, each once."""
        buckets = self._mask + 1
        while self._size + len(keys) > buckets * _FILL:
            buckets *= 2
        if buckets > self._mask + 1:
            filled = self._keys != 0
            old_keys, old_values = self._keys[filled], self._values[filled.ravel()]
            self._make(buckets)
            self._put(old_keys, old_values)
        self._put(keys, values)
        self._size += len(keys)

    def _make(self, buckets: int) -> None:
        self._mask = buckets - 1
        self._fill = np.zeros(buckets, np.uint8)
        self._keys: Keys = np.zeros((buckets, _WIDTH), np.uint64)
        self._values: Values = np.zeros(buckets * _WIDTH, np.uint32)

    def _bucket_of(self, keys: Keys) -> Slots:
        return (keys & np.uint64(self._mask)).astype(np.intp)

    def _put(self, keys: Keys, values: Values) -> None:
        cells = self._keys.reshape(-1)  # the same memory
        bucket = self._bucket_of(keys)
        while keys.size:
            fill = self._fill[bucket]
            full = fill == _WIDTH
            slot = bucket * _WIDTH + np.minimum(fill, _WIDTH - 1)
            kept = cells[slot[full]]
            cells[slot] = keys
            cells[slot[full]] = kept
            # Of several that want one slot the last has got it; the others look again.
            put = cells[slot] == keys
            self._values[slot[put]] = values[put]
            self._fill[bucket[put]] += 1
            again = (~put).nonzero()[0]
            keys, values = keys[again], values[again]
            bucket = (bucket[again] + full[again]) & self._mask
