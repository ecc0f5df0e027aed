"""Columns of numbers: numbering things, and finding which numbers there are."""

from collections import defaultdict
from itertools import count
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Integers = NDArray[np.integer[Any]]
"""Of any width."""

_ROOM: Final = 16
"""Places for each number: more would cost more than to sort them."""


def numbering() -> defaultdict[Any, int]:
    """Numbers each key when it is first looked up: 0, 1, 2, …, in the order of the dictionary."""
    return defaultdict(count().__next__)


def distinct(numbers: Integers) -> tuple[Numbers, Numbers]:
    """Each number there is, from 0 on, in ascending order, and how often."""
    if not is_narrow(numbers):
        return np.unique(numbers, return_counts=True)
    times = np.bincount(numbers)
    found = np.flatnonzero(times)
    return found, times[found]


def compacted(numbers: Integers) -> tuple[list[int], Numbers]:
    """Each number there is, from 0 on, in ascending order, and for each number its place there."""
    if not is_narrow(numbers):
        found, places = np.unique(numbers, return_inverse=True)
        return found.tolist(), places
    found = np.flatnonzero(np.bincount(numbers))
    places = np.empty(int(found[-1]) + 1, np.int64)
    places[found] = np.arange(len(found))
    return found.tolist(), places[numbers]


def is_narrow(numbers: Integers) -> bool:
    """Whether an array of a place for each number up to the largest costs less than to sort."""
    return not len(numbers) or int(numbers.max()) < _ROOM * len(numbers)
