"""From how many events of each kind there were to counters, in columns.

A *kind* of event adds the same to the same series, whenever it comes. Its counters are rows::

    kind   series       measure   amount
    0      all          nps.9     1
    0      channel=app  nps.9     1
    1      all          nps.3     1        ...

An event counts in each row of its kind, so counters of a second are sums of amounts by row.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import count, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from processor.core.measures import Increments
from processor.core.panes import SECOND_MS
from processor.core.rollup import Seconds

Numbers = NDArray[np.int64]

_EXACT_FLOAT: Final = 1 << 53
_EXACT_INT: Final = 1 << 62
_ROOM: Final = 16
"""Numbers that are counted where they stand: so many times as wide as they are many, at most."""


class KindCounters:
    """The counters of numbered kinds.

    Args:
        kinds: in the order of their numbers, the series that an event of this kind counts in, and
            what it adds to each of them.
    """

    def __init__(self, kinds: Iterable[tuple[Sequence[str], Increments]]) -> None:
        series_numbers: defaultdict[str, int] = defaultdict(count().__next__)
        measure_numbers: defaultdict[str, int] = defaultdict(count().__next__)
        begins, series, measures, amounts = [0], list[int](), list[int](), list[int]()
        for names, increments in kinds:
            if names:
                numbers = [series_numbers[name] for name in names]
                series += [number for number in numbers for _ in increments]
                measures += [measure_numbers[measure] for measure, _ in increments] * len(names)
                amounts += [amount for _, amount in increments] * len(names)
            begins.append(len(series))
        self._series, self._measures = list(series_numbers), list(measure_numbers)
        self._begins = np.array(begins, np.int64)
        self._counters = np.array(series, np.int64) * len(self._measures) + measures
        self._amounts = amounts

    def by_second(self, first_ms: int, seconds: Numbers, kinds: Numbers, times: Numbers) -> Seconds:
        """The counters of events, by second, series and measure.

        Args:
            first_ms: when second 0 begins.
            seconds: seconds by their number.
            kinds: the number of a kind in each of these seconds.
            times: how many events of that kind there were in it.
        """
        begins = self._begins[kinds]
        lengths = self._begins[kinds + 1] - begins
        ends = lengths.cumsum()
        if not ends[-1]:
            return {}
        rows = np.repeat(begins - ends + lengths, lengths) + np.arange(ends[-1])
        places = np.repeat(seconds, lengths) * (len(self._series) * len(self._measures))
        places += self._counters[rows]
        places, sums = self._summed(places, rows, np.repeat(times, lengths))
        series, measures = np.divmod(places, len(self._measures))
        begins = np.flatnonzero(np.diff(series, prepend=-1))
        second, series = np.divmod(series[begins], len(self._series))
        names = list(map(self._measures.__getitem__, measures.tolist()))
        found: Seconds = {}
        for at, number, (begin, end) in zip(
            second.tolist(),
            series.tolist(),
            pairwise([*begins.tolist(), len(names)]),
            strict=True,
        ):
            by_series = found.setdefault(first_ms + SECOND_MS * at, {})
            counters = zip(names[begin:end], sums[begin:end], strict=True)
            by_series[self._series[number]] = dict(counters)
        return found

    def _summed(self, places: Numbers, rows: Numbers, times: Numbers) -> tuple[Numbers, list[int]]:
        """The sum of amounts for each place there is, in ascending order; exact, however large."""
        largest = max(map(abs, self._amounts)) * int(times.sum())
        if largest < _EXACT_FLOAT and _is_narrow(places):
            weights = np.array(self._amounts, np.float64)[rows] * times
            sums = np.bincount(places, weights)
            found = np.flatnonzero(sums)
            return found, sums[found].astype(np.int64).tolist()
        amounts = np.array(self._amounts, np.int64 if largest < _EXACT_INT else object)
        order = np.argsort(places, kind="stable")
        places = places[order]
        begins = np.flatnonzero(np.diff(places, prepend=-1))
        return places[begins], np.add.reduceat((amounts[rows] * times)[order], begins).tolist()


def distinct(numbers: Numbers) -> tuple[Numbers, Numbers]:
    """Each number there is, from 0 on, in ascending order, and how often."""
    if not _is_narrow(numbers):
        return np.unique(numbers, return_counts=True)
    times = np.bincount(numbers)
    found = np.flatnonzero(times)
    return found, times[found]


def _is_narrow(numbers: Numbers) -> bool:
    return int(numbers.max()) < _ROOM * len(numbers)
