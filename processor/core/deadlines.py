"""What is due when, looked at in whole seconds: one entry in the heap for a second, not for each.

A heap of a million deadlines would take twice the memory of this, and a dozen comparisons for each
that is set.
"""

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

from processor.core.panes import SECOND_MS

_K = TypeVar("_K", bound=Hashable)


class Deadlines(Generic[_K]):
    """Keys by the second in which they are due, rounded up."""

    def __init__(self) -> None:
        self._by_second: dict[int, list[_K]] = {}
        self._seconds: list[int] = []

    def add(self, key: _K, due_ms: int, before_s: int | None) -> int:
        """Set a deadline, unless one that is not later is set already.

        Args:
            key: whose.
            due_ms: the time.
            before_s: what this returned for the one that is set; ``None`` where none is.

        Returns:
            The second it is set for.
        """
        second = -(-due_ms // SECOND_MS)
        if before_s is not None and before_s <= second:
            return before_s
        keys = self._by_second.get(second)
        if keys is None:
            keys = self._by_second[second] = []
            heapq.heappush(self._seconds, second)
        keys.append(key)
        return second

    def passed(self, time_ms: int) -> list[tuple[int, list[_K]]]:
        """Take out the seconds that may hold what is due: all up to a time, rounded up.

        What turns out to be due later, or is not by this time, must be set again; it may be while
        this is iterated over.
        """
        until_s = -(-time_ms // SECOND_MS)
        found: list[tuple[int, list[_K]]] = []
        while self._seconds and self._seconds[0] <= until_s:
            second = heapq.heappop(self._seconds)
            found.append((second, self._by_second.pop(second)))
        return found
