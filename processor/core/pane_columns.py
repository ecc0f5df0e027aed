"""The counters of one pane as columns: which cells, and how much in each.

What is added comes behind what is there, and the two are put together when that has grown as long
as the rest, or when somebody reads. Then each count takes one, two, four or eight bytes, as the
largest of the pane needs; and cells of which another pane holds exactly the same are shared with
it, so that a full pane takes little more than its counts.
"""

from typing import Final

import numpy as np

from processor.core.cells import CellNumbers, Narrow, merged
from processor.core.columns import Numbers

_WIDTHS: Final = (np.int8, np.int16, np.int32, np.int64)
_FEW: Final = 256


class PaneColumns:
    """One pane."""

    __slots__ = ("_added", "_added_length", "_cells", "_counts")

    def __init__(self) -> None:
        self._cells: CellNumbers = np.empty(0, np.uint32)
        self._counts: Narrow = np.empty(0, np.int8)
        self._added: list[tuple[CellNumbers, Narrow]] = []
        self._added_length = 0

    def add(self, cells: CellNumbers, counts: Numbers) -> None:
        """Add to cells, each of them named once."""
        self._added.append((cells, counts))
        self._added_length += len(cells)
        if self._added_length > max(_FEW, len(self._cells)):
            self.settle()

    def settle(self, like: "PaneColumns | None" = None) -> None:
        """Take as little room as possible.

        Args:
            like: a pane that may have the same cells.
        """
        if self._added:
            cells, counts = merged([(self._cells, self._counts), *self._added])
            self._added, self._added_length = [], 0
            self._cells, self._counts = cells, _narrow(counts)
        if like is not None and np.array_equal(cells := like.columns()[0], self._cells):
            self._cells = cells

    def columns(self) -> tuple[CellNumbers, Narrow]:
        """Its cells in ascending order, and their counts; none of them is 0."""
        self.settle()
        return self._cells, self._counts

    @property
    def nbytes(self) -> int:
        """Bytes of its columns, those included that it shares."""
        added = sum(cells.nbytes + counts.nbytes for cells, counts in self._added)
        return self._cells.nbytes + self._counts.nbytes + added


Panes = dict[int, PaneColumns]
"""Pane start (ms) → its counters."""


class Unsettled:
    """The panes of a tier that were added to lately.

    Once nothing came for a pane while the tier went on by one, it is put together.
    """

    def __init__(self) -> None:
        self._end_ms = 0
        self._before: set[int] = set()
        self._now: set[int] = set()
        self._like: PaneColumns | None = None

    def touched(self, start_ms: int) -> None:
        """Note that something was added to a pane."""
        self._now.add(start_ms)

    def settle(self, end_ms: int, panes: Panes) -> None:
        """Put together what nothing came for since the tier's last pane.

        Args:
            end_ms: the end of the tier's windows.
            panes: of the tier.
        """
        if end_ms == self._end_ms:
            return
        self._end_ms = end_ms
        for start in sorted(self._before - self._now):
            pane = panes.get(start)
            if pane is not None:
                pane.settle(self._like)
                self._like = pane
        self._before, self._now = self._now, set()


def _narrow(counts: Numbers) -> Narrow:
    if not len(counts):
        return np.empty(0, np.int8)
    least, most = int(counts.min()), int(counts.max())
    for width in _WIDTHS:
        bounds = np.iinfo(width)
        if bounds.min <= least and most <= bounds.max:
            return counts.astype(width)
    return counts
