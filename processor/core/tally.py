"""The tally of a batch: how many events of each kind, by second and segment, at C speed.

What an event adds depends on a few of its fields only, so their values are numbered (a *code*),
and a batch is counted as columns of seconds, dimension values and codes: one pass for each segment
set, of which any holds every event, and so the whole. What a distinct combination adds to which
counters is looked up once for all its events, when the tally is drained.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, Final

from processor.core.event_fields import Event, column
from processor.core.measures import Increments, MeasurePlan
from processor.core.rollup import Seconds
from processor.core.segments import Dimensions, Segmentation
from schemas.readings import WHOLE

_CODES_MAX: Final = 200_000
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


class Tally:
    """Events counted since the last drain.

    Args:
        plan: which fields decide, and which counters they add.
        segmentation: the segment sets.
    """

    def __init__(self, plan: MeasurePlan, segmentation: Segmentation) -> None:
        self._reads = plan.reads
        self._codes = _Codes(plan.count)
        self._segmentation = segmentation
        self._names = segmentation.names
        self._values_of = tuple(itemgetter(name) for name in segmentation.names)
        # An event counts in each, also where a dimension of the set is missing.
        self._sets = segmentation.sets or ((),)
        self._by_set: tuple[Counter[tuple[Any, ...]], ...] = tuple(Counter() for _ in self._sets)

    def __bool__(self) -> bool:
        return bool(self._by_set[0])

    def add(self, seconds: Sequence[str], events: Sequence[Event]) -> Iterable[Dimensions]:
        """Count events.

        Args:
            seconds: each event's time up to its second, ``2026-11-22T12:00:00``.
            events: as the fast validator gives them.

        Returns:
            The events' dimensions, in :attr:`Segmentation.names` order.
        """
        codes = self._codes_of(events)
        by_name = dict(zip(self._names, self._dimensions_of(events), strict=True))
        for counter, names in zip(self._by_set, self._sets, strict=True):
            counter.update(zip(seconds, *(by_name[n] for n in names), codes, strict=True))
        if not by_name:
            return repeat((), len(events))
        return zip(*by_name.values(), strict=True)

    def _codes_of(self, events: Sequence[Event]) -> list[int]:
        if not self._reads:
            return [self._codes[()]] * len(events)
        columns = [column(events, name) for name in self._reads]
        try:
            return list(map(self._codes.__getitem__, zip(*columns, strict=True)))
        except TypeError:  # a JSON object is no key
            columns = [
                [_hashable(value) for value in column] if dict in set(map(type, column)) else column
                for column in columns
            ]
            return list(map(self._codes.__getitem__, zip(*columns, strict=True)))

    def _dimensions_of(self, events: Sequence[Event]) -> list[list[str | None]]:
        try:
            given = list(map(_dimensions, events))
            return [list(map(value_of, given)) for value_of in self._values_of]
        except KeyError:  # one of them lacks a dimension
            given = [event.get("dimensions") or _NO_DIMENSIONS for event in events]
            return [[d.get(name) for d in given] for name in self._names]

    def segments(self) -> Iterable[tuple[int, Iterable[Dimensions]]]:
        """By segment set, the dimension values that were counted."""
        for index, _ in enumerate(self._segmentation.sets):
            yield index, dict.fromkeys(key[1:-1] for key in self._by_set[index])

    def drain(self, time_of: Callable[[str], int]) -> Seconds:
        """What was counted, by second, series and measure; counts from nothing again.

        Args:
            time_of: milliseconds of a second as :meth:`add` was given it.
        """
        seconds: Seconds = {}
        increments = self._codes.increments
        # By the second's text as it was added: its time is looked up once.
        by_text: dict[str, dict[str, dict[str, int]]] = {}
        for key, times in min(self._by_set, key=len).items():
            if added := increments[key[-1]]:
                second = key[0]
                by_series = by_text.get(second)
                if by_series is None:
                    by_series = by_text[second] = seconds.setdefault(time_of(second), {WHOLE: {}})
                measures = by_series[WHOLE]
                for measure, n in added:
                    measures[measure] = measures.get(measure, 0) + n * times
        for index, _ in enumerate(self._segmentation.sets):
            self._drain_set(index, by_text)
        for counter in self._by_set:
            counter.clear()
        if len(increments) > _CODES_MAX:
            self._codes.forget()
        return seconds

    def _drain_set(self, index: int, by_text: Mapping[str, dict[str, dict[str, int]]]) -> None:
        increments = self._codes.increments
        known: dict[tuple[Any, ...], str | None] = {}
        for key, times in self._by_set[index].items():
            if added := increments[key[-1]]:
                values = key[1:-1]
                try:
                    series = known[values]
                except KeyError:
                    series = known[values] = self._segmentation.series_in(index, values)
                if series is not None:
                    by_series = by_text[key[0]]
                    measures = by_series.get(series)
                    if measures is None:
                        measures = by_series[series] = {}
                    for measure, n in added:
                        measures[measure] = measures.get(measure, 0) + n * times


class _Items(tuple[tuple[str, Any], ...]):
    """A JSON object as part of a key."""

    __slots__ = ()


def _hashable(value: Any) -> Any:
    return _Items(value.items()) if type(value) is dict else value


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, _Items) else value
