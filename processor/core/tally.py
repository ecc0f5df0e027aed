"""The tally of a batch: how many events of each kind, by second and segment, in columns.

What an event adds depends on a few of its fields only, so their values are numbered (a *code*), and
so are the values of each segment set's dimensions. A batch is gathered as columns of such numbers.
What a code adds to which counters, and the series of a value, are looked up once for all events,
when the tally is drained.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import Any, Final

import numpy as np

from processor.core.code_counters import CodeCounters
from processor.core.columns import Integers, Numbers, compacted, numbering
from processor.core.event_fields import Event, column
from processor.core.measures import Increments, MeasurePlan
from processor.core.panes import SECOND_MS
from processor.core.rollup import Seconds
from processor.core.segments import Dimensions, Segmentation
from schemas.readings import WHOLE

_CODES_MAX: Final = 200_000
_AT_ONCE: Final = 250
"""Events whose fields are read together: as many as stay in the processor's cache meanwhile."""
_NO_DIMENSIONS: Final[dict[str, str]] = {}
_dimensions = itemgetter("dimensions")


class _Codes(dict[tuple[Any, ...], int]):
    """Numbers each combination of values on first sight, with what it adds."""

    def __init__(self, count: Callable[[tuple[Any, ...]], Increments]) -> None:
        super().__init__()
        self._count = count
        self.increments: list[Increments] = []

    def __missing__(self, values: tuple[Any, ...]) -> int:
        code = self[values] = len(self.increments)
        self.increments.append(self._count(tuple(map(_plain, values))))
        return code

    def forget(self) -> None:
        """Number afresh; no code of before may be in use."""
        self.clear()
        self.increments.clear()


class _Values:
    """The values of a segment set's dimensions, numbered.

    Args:
        segmentation: the segment sets.
        index: of this one.
    """

    def __init__(self, segmentation: Segmentation, index: int) -> None:
        self._segmentation = segmentation
        self._index = index
        self._numbers = numbering()
        self._decided = 0

    def number(self, values: Iterable[Dimensions], events: int) -> Integers:
        """The numbers of that many events' values."""
        return np.fromiter(map(self._numbers.__getitem__, values), np.int32, events)

    def undecided(self) -> Iterable[Dimensions]:
        """Values that came first after :meth:`series` was last asked for."""
        return islice(self._numbers, self._decided, None)

    def series(self, numbers: Integers) -> tuple[list[str], Numbers]:
        """The series there are, and which of them each is for these numbers: -1 where none is.

        All values are decided by now. Their numbers are not valid any more.
        """
        found, places = compacted(numbers)
        values, names = list(self._numbers), numbering()
        series = (self._segmentation.series_in(self._index, values[number]) for number in found)
        of_found = [-1 if name is None else names[name] for name in series]
        if len(values) > 2 * self._segmentation.cap:
            self._numbers = numbering()
        self._decided = len(self._numbers)
        return list(names), np.array(of_found, np.int64)[places]


class Tally:
    """Events counted since the last drain.

    Args:
        plan: which fields decide, and which counters they add.
        segmentation: the segment sets.
    """

    def __init__(self, plan: MeasurePlan, segmentation: Segmentation) -> None:
        self._reads = plan.reads
        self._codes = _Codes(plan.count)
        self._names = segmentation.names
        self._values_of = tuple(itemgetter(name) for name in segmentation.names)
        self._sets = [
            (_Values(segmentation, index), [self._names.index(name) for name in names])
            for index, names in enumerate(segmentation.sets)
        ]
        self._gathered = self._nothing()

    def _nothing(self) -> list[list[Integers]]:
        """Columns in pieces: seconds, codes, and values by segment set."""
        return [[] for _ in range(2 + len(self._sets))]

    def __bool__(self) -> bool:
        return bool(self._gathered[0])

    def add(self, seconds: Numbers, events: Sequence[Event]) -> Iterator[Dimensions]:
        """Count events.

        Args:
            seconds: when the second of each begins (ms).
            events: as the fast validator gives them.

        Returns:
            The events' dimensions, in :attr:`Segmentation.names` order.
        """
        dimensions: list[Iterable[Dimensions]] = []
        for begin in range(0, len(events), _AT_ONCE):
            some = events[begin : begin + _AT_ONCE]
            columns = self._dimensions_of(some)
            by_set = [
                values.number(zip(*(columns[i] for i in positions), strict=True), len(some))
                for values, positions in self._sets
            ]
            pieces = [seconds[begin : begin + _AT_ONCE], self._codes_of(some), *by_set]
            for gathered, piece in zip(self._gathered, pieces, strict=True):
                gathered.append(piece)
            dimensions.append(zip(*columns, strict=True) if columns else repeat((), len(some)))
        return chain.from_iterable(dimensions)

    def _codes_of(self, events: Sequence[Event]) -> Integers:
        columns = [column(events, name) for name in self._reads]
        try:
            return self._numbered(columns, len(events))
        except TypeError:  # a JSON object is no key
            columns = [
                [_hashable(value) for value in column] if dict in set(map(type, column)) else column
                for column in columns
            ]
            return self._numbered(columns, len(events))

    def _numbered(self, columns: Sequence[Sequence[Any]], events: int) -> Integers:
        values = zip(*columns, strict=True) if columns else repeat((), events)
        return np.fromiter(map(self._codes.__getitem__, values), np.int32, events)

    def _dimensions_of(self, events: Sequence[Event]) -> list[list[str | None]]:
        try:
            given = list(map(_dimensions, events))
            return [list(map(value_of, given)) for value_of in self._values_of]
        except KeyError:  # one of them lacks a dimension
            given = [event.get("dimensions") or _NO_DIMENSIONS for event in events]
            return [[d.get(name) for d in given] for name in self._names]

    def segments(self) -> Iterable[tuple[int, Iterable[Dimensions]]]:
        """By segment set, the dimension values that were not there at any drain before."""
        return ((index, values.undecided()) for index, (values, _) in enumerate(self._sets))

    def drain(self) -> Seconds:
        """What was counted, by second, series and measure; counts from nothing again."""
        gathered, self._gathered = self._gathered, self._nothing()
        if not gathered[0]:
            return {}
        seconds, codes, *by_set = map(np.concatenate, gathered)
        first_ms = int(seconds.min())
        second_numbers, seconds = compacted((seconds - first_ms) // SECOND_MS)
        starts_ms = [first_ms + SECOND_MS * number for number in second_numbers]
        code_numbers, codes = compacted(codes)
        counters = CodeCounters(map(self._codes.increments.__getitem__, code_numbers))
        counted: Seconds = {}
        for second, counts in counters.of(seconds, codes):
            counted[starts_ms[second]] = {WHOLE: counts}
        for (values, _), numbers in zip(self._sets, by_set, strict=True):
            names, series = values.series(numbers)
            has = series >= 0
            cells = seconds * len(names) + series
            for cell, counts in counters.of(cells[has], codes[has]):
                second, number = divmod(cell, len(names))
                counted.setdefault(starts_ms[second], {})[names[number]] = counts
        if len(self._codes.increments) > _CODES_MAX:
            self._codes.forget()
        return counted


class _Items(tuple[tuple[str, Any], ...]):
    """A JSON object as part of a key."""

    __slots__ = ()


def _hashable(value: Any) -> Any:
    return _Items(value.items()) if type(value) is dict else value


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, _Items) else value
