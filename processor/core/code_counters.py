"""From how many events of each code there were to counters, in columns.

A *code* stands for events that add the same. What codes add is kept as rows::

    code   measure   amount
    0      nps.9     1
    1      nps.3     1
    2      csat.n    1
    2      csat.sum  4

An event counts once in each row of its code, so a counter is a sum of amounts over rows.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

import numpy as np

from processor.core.columns import Integers, Numbers, distinct, is_narrow, numbering
from processor.core.measures import Increments

Counters = dict[str, int]
"""Measure → how much; none of them zero."""

_EXACT_FLOAT: Final = 1 << 53
_EXACT_INT: Final = 1 << 62


class CodeCounters:
    """What numbered codes add.

    Args:
        codes: what an event of each code adds, in the order of their numbers.
    """

    def __init__(self, codes: Iterable[Increments]) -> None:
        number_of = numbering()
        measures, amounts, lengths = list[int](), list[int](), list[int]()
        for increments in codes:
            measures += [number_of[measure] for measure, _ in increments]
            amounts += [amount for _, amount in increments]
            lengths.append(len(increments))
        self._names = list(number_of)
        self._measures, self._amounts = np.array(measures, np.int64), amounts
        self._lengths = np.array(lengths, np.int64)
        self._begins = self._lengths.cumsum() - self._lengths
        self._largest = max(map(abs, amounts), default=0)

    def of(self, cells: Numbers, codes: Integers) -> Iterable[tuple[int, Counters]]:
        """The counters of events by their cells, in ascending order.

        Args:
            cells: where each event is counted, from 0 on.
            codes: the number of each event's code.
        """
        found, times = distinct(cells * len(self._lengths) + codes)
        cells, codes = np.divmod(found, len(self._lengths))
        lengths = self._lengths[codes]
        ends = lengths.cumsum()
        if not len(ends) or not ends[-1]:
            return ()
        rows = np.repeat(self._begins[codes] - ends + lengths, lengths) + np.arange(ends[-1])
        places = np.repeat(cells, lengths) * len(self._names) + self._measures[rows]
        places, sums = self._summed(places, rows, np.repeat(times, lengths))
        cells, measures = np.divmod(places, len(self._names))
        begins = np.flatnonzero(np.diff(cells, prepend=-1))
        names = list(map(self._names.__getitem__, measures.tolist()))
        return (
            (cell, dict(zip(names[begin:end], sums[begin:end], strict=True)))
            for cell, (begin, end) in zip(
                cells[begins].tolist(), pairwise([*begins.tolist(), len(names)]), strict=True
            )
        )

    def _summed(self, places: Numbers, rows: Numbers, times: Numbers) -> tuple[Numbers, list[int]]:
        """The sum of amounts at each place where it is not zero; exact, however large."""
        largest = self._largest * int(times.sum())
        if largest < _EXACT_FLOAT and is_narrow(places):
            sums = np.bincount(places, np.array(self._amounts, np.float64)[rows] * times)
            found = np.flatnonzero(sums)
            return found, sums[found].astype(np.int64).tolist()
        amounts = np.array(self._amounts, np.int64 if largest < _EXACT_INT else object)
        order = np.argsort(places, kind="stable")
        places = places[order]
        begins = np.flatnonzero(np.diff(places, prepend=-1))
        sums = np.add.reduceat((amounts[rows] * times)[order], begins)
        found = np.flatnonzero(sums)
        return places[begins][found], sums[found].tolist()
