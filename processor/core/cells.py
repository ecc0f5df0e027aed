"""Cells: every counter of every series has a number, so that panes and windows are columns.

A counter as a Python object in a dict takes some 40 bytes a pane; as an entry of a column it takes
what its number needs, and a pane is added to a window in one step, however many series it holds.

Counters have no largest value, columns do. What one flush adds to a counter is put into one cell
as it is, or, from 2^32 on, into two: the low 32 bits and the rest, which add separately. A window
would have to hold two thousand million such flushes before a cell of 64 bits ran over.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from processor.core.columns import Numbers

Narrow = NDArray[np.signedinteger]
"""Numbers of as many bytes as the largest needs."""

CellNumbers = NDArray[np.uint32]
SeriesNumbers = NDArray[np.uint32]

_LOW_BITS: Final = 32
_LOW_MASK: Final = (1 << _LOW_BITS) - 1
_HIGH: Final = "^"
"""Stands before a measure whose cell holds what is above the low bits; no measure begins so."""

_ROOM: Final = 1024
_NO_FAMILIES: Final[frozenset[str]] = frozenset()
_NO_COLUMNS: Final[tuple[tuple[str, ...], CellNumbers]] = ((), np.empty(0, np.uint32))


class _Measures(dict[str, int]):
    """The cells of one series by measure, numbered on first sight."""

    __slots__ = ("_cells", "cells", "families", "high", "names", "number")

    def __init__(self, number: int, cells: "Cells") -> None:
        super().__init__()
        self.number = number
        self.high: list[str] = []
        self.names: tuple[str, ...] = ()
        self.families: frozenset[str] = frozenset()
        self.cells: CellNumbers = np.empty(0, np.uint32)
        self._cells = cells

    def __missing__(self, measure: str) -> int:
        cell = self[measure] = self._cells.next_cell(self.number)
        if measure.startswith(_HIGH):
            self.high.append(measure)
            return cell
        family = measure.partition(".")[0]
        if family not in self.families:
            self.families |= {family}
            self._cells.noted(family, self.number)
        return cell

    def columns(self) -> tuple[tuple[str, ...], CellNumbers]:
        """Its measures and their cells."""
        if len(self.names) < len(self):
            self.names = tuple(self)
            self.cells = np.fromiter(self.values(), np.uint32, len(self))
        return self.names, self.cells


class Cells:
    """The numbers of all counters that were ever seen, and of their series.

    Args:
        watched: families (what stands before the first dot of a measure) to look out for.

    Attributes:
        series: every series, by its number.
        having: the series in which a measure of a watched family was ever counted.
    """

    def __init__(self, watched: Collection[str] = ()) -> None:
        self.series: list[str] = []
        self.having: set[str] = set()
        self._watched = frozenset(watched)
        self._by_series: dict[str, _Measures] = {}
        self._series_of: SeriesNumbers = np.empty(_ROOM, np.uint32)
        self._count = 0

    @property
    def room(self) -> int:
        """How long a column has to be for every cell there is."""
        return len(self._series_of)

    def next_cell(self, series: int) -> int:
        """A cell for another counter of a series."""
        cell = self._count
        if cell == len(self._series_of):
            self._series_of = np.resize(self._series_of, 2 * cell)
        self._series_of[cell] = series
        self._count += 1
        return cell

    def noted(self, family: str, series: int) -> None:
        """Note that a series has a measure of a family for the first time."""
        if family in self._watched:
            self.having.add(self.series[series])

    def families(self, series: str) -> frozenset[str]:
        """What stands before the first dot of the measures that were ever counted."""
        known = self._by_series.get(series)
        return _NO_FAMILIES if known is None else known.families

    def series_of(self, cells: CellNumbers) -> SeriesNumbers:
        """The numbers of the series that cells belong to, by their places in :attr:`series`."""
        return self._series_of[cells]

    def columns(self, by_series: Mapping[str, Mapping[str, int]]) -> tuple[CellNumbers, Numbers]:
        """Counters as two columns: cells, each once, and what to add to them."""
        cells: list[int] = []
        counts: list[int] = []
        for series, counters in by_series.items():
            if not counters:
                continue  # so that there are no more series than cells
            known = self._known(series)
            cells.extend(map(known.__getitem__, counters))
            counts.extend(counters.values())
        if counts and not -_LOW_MASK <= min(counts) <= max(counts) <= _LOW_MASK:
            cells, counts = self._split(by_series)
        return np.array(cells, np.uint32), np.array(counts, np.int64)

    def read(self, series: Sequence[str], column: Numbers) -> list[dict[str, int]]:
        """The counters of each series that a column holds; those that are 0 are not among them."""
        known = [self._by_series.get(name) for name in series]
        columns = [_NO_COLUMNS if one is None else one.columns() for one in known]
        if not columns:
            return []
        values = column[np.concatenate([cells for _, cells in columns])].tolist()
        found, at = [], 0
        for one, (names, _) in zip(known, columns, strict=True):
            end = at + len(names)
            counters = {m: n for m, n in zip(names, values[at:end], strict=True) if n}
            found.append(_joined(counters, one.high) if one is not None and one.high else counters)
            at = end
        return found

    def read_some(self, series: str, names: Collection[str], column: Numbers) -> dict[str, int]:
        """A few counters of a series that a column holds; those that are 0 are not among them."""
        known = self._by_series.get(series)
        if known is None:
            return {}
        parts = {name: int(column[known[name]]) for name in names if name in known}
        for name in known.high:
            measure = name.removeprefix(_HIGH)
            if measure in names:
                parts[measure] += int(column[known[name]]) << _LOW_BITS
        return {name: n for name, n in parts.items() if n}

    def find(self, series: str, cells: CellNumbers, counts: Narrow) -> dict[str, int]:
        """The counters of a series among columns of few cells, in ascending order."""
        known = self._by_series.get(series)
        if known is None or not len(cells):
            return {}
        names, wanted = known.columns()
        places = np.minimum(np.searchsorted(cells, wanted), len(cells) - 1)
        values = np.where(cells[places] == wanted, counts[places], 0).tolist()
        found = {name: n for name, n in zip(names, values, strict=True) if n}
        return _joined(found, known.high) if known.high else found

    def _known(self, series: str) -> _Measures:
        known = self._by_series.get(series)
        if known is None:
            known = self._by_series[series] = _Measures(len(self.series), self)
            self.series.append(series)
        return known

    def _split(self, by_series: Mapping[str, Mapping[str, int]]) -> tuple[list[int], list[int]]:
        cells: list[int] = []
        counts: list[int] = []
        for series, counters in by_series.items():
            known = self._known(series)
            for measure, n in counters.items():
                cells.append(known[measure])
                if -_LOW_MASK <= n <= _LOW_MASK:
                    counts.append(n)
                    continue
                cells.append(known[_HIGH + measure])
                counts += (n & _LOW_MASK, n >> _LOW_BITS)
        return cells, counts


def _joined(parts: dict[str, int], high: Iterable[str]) -> dict[str, int]:
    """Counters of their two parts, some with a high one; those that are 0 are not among them."""
    for name in high:
        if name not in parts:
            continue
        measure = name.removeprefix(_HIGH)
        n = (parts.pop(name) << _LOW_BITS) + parts.get(measure, 0)
        if n:
            parts[measure] = n
        else:
            parts.pop(measure, None)
    return parts


def merged(
    parts: Iterable[tuple[CellNumbers, Narrow]],
) -> tuple[CellNumbers, Numbers]:
    """Columns of the sum of others: cells in ascending order, each once, and none of 0."""
    every_cell, every_count = zip(*parts, strict=True)
    cells, counts = np.concatenate(every_cell), np.concatenate(every_count).astype(np.int64)
    if not len(cells):
        return cells, counts
    order = np.argsort(cells, kind="stable")
    cells, counts = cells[order], counts[order]
    begins = np.flatnonzero(np.concatenate(((True,), cells[1:] != cells[:-1])))
    cells, counts = cells[begins], np.add.reduceat(counts, begins)
    kept = counts != 0
    return (cells, counts) if kept.all() else (cells[kept], counts[kept])
