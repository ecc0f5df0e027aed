"""The tally of a batch: how many events of each kind, by second and segment, at C speed.

What an event adds depends on a few of its fields only, so their values are numbered (a *code*),
and a batch is counted as columns of seconds, dimension values and codes: one pass for the whole
and one for each segment set. What a distinct combination adds to which counters is looked up once
for all its events, when the tally is drained.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any, Final

from processor.core.measures import Increments, MeasurePlan
from processor.core.rollup import Seconds
from processor.core.segments import WHOLE, Dimensions, Segmentation

Event = dict[str, Any]

_CODES_MAX: Final = 200_000
_NO_DIMENSIONS: Final[dict[str, str]] = {}


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
        self._whole: Counter[tuple[str, int]] = Counter()
        self._by_set: tuple[Counter[tuple[Any, ...]], ...] = tuple(
            Counter() for _ in segmentation.sets
        )

    def __bool__(self) -> bool:
        return bool(self._whole)

    def add(self, seconds: Sequence[str], events: Sequence[Event]) -> list[Dimensions]:
        """Count events.

        Args:
            seconds: each event's time up to its second, ``2026-11-22T12:00:00``.
            events: as the fast validator gives them.

        Returns:
            The events' dimensions, in :attr:`Segmentation.names` order.
        """
        columns = [_column(events, name) for name in self._reads]
        values = zip(*columns, strict=True) if columns else repeat((), len(events))
        codes = list(map(self._codes.__getitem__, values))
        self._whole.update(zip(seconds, codes, strict=True))
        given = [event.get("dimensions") or _NO_DIMENSIONS for event in events]
        by_name = {n: [d.get(n) for d in given] for n in self._segmentation.names}
        for counter, names in zip(self._by_set, self._segmentation.sets, strict=True):
            counter.update(zip(seconds, *(by_name[n] for n in names), codes, strict=True))
        if not by_name:
            return [()] * len(events)
        return list(zip(*by_name.values(), strict=True))

    def segments(self) -> Iterable[tuple[int, Iterable[Dimensions]]]:
        """By segment set, the dimension values that were counted."""
        for index, counter in enumerate(self._by_set):
            yield index, dict.fromkeys(key[1:-1] for key in counter)

    def drain(self, time_of: Callable[[str], int]) -> Seconds:
        """What was counted, by second, series and measure; counts from nothing again.

        Args:
            time_of: milliseconds of a second as :meth:`add` was given it.
        """
        seconds: Seconds = {}
        increments = self._codes.increments
        for (second, code), times in self._whole.items():
            if increments[code]:
                _add(seconds, time_of(second), WHOLE, increments[code], times)
        self._whole.clear()
        for index, counter in enumerate(self._by_set):
            series_in = self._segmentation.series_in
            for (second, *values, code), times in counter.items():
                if increments[code]:
                    series = series_in(index, tuple(values))
                    if series is not None:
                        _add(seconds, time_of(second), series, increments[code], times)
            counter.clear()
        if len(increments) > _CODES_MAX:
            self._codes.forget()
        return seconds


def _add(seconds: Seconds, time_ms: int, series: str, increments: Increments, times: int) -> None:
    measures = seconds.setdefault(time_ms, {}).setdefault(series, {})
    for measure, n in increments:
        measures[measure] = measures.get(measure, 0) + n * times


class _Items(tuple[tuple[str, Any], ...]):
    """A JSON object as part of a key."""

    __slots__ = ()


def _column(events: Sequence[Event], name: str) -> list[Any]:
    column = [event.get(name) for event in events]
    if dict in set(map(type, column)):
        return [_Items(value.items()) if type(value) is dict else value for value in column]
    return column


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, _Items) else value
