"""The tally of a batch: how many events of each kind, by second, at C speed.

What an event adds to which counters depends on a few of its fields and on its dimensions. Each
combination of their values is a *kind*, numbered when it is first seen, so a batch is gathered as
two columns of numbers, seconds and kinds. What a kind adds, and where, is looked up once for all
its events, when the tally is drained.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import count, repeat
from typing import Any, Final

import numpy as np

from processor.core.event_fields import Event, column
from processor.core.kind_counters import KindCounters, Numbers, distinct
from processor.core.measures import Increments, MeasurePlan
from processor.core.panes import SECOND_MS
from processor.core.rollup import Seconds
from processor.core.segments import Dimensions, Segmentation

_KNOWN_MAX: Final = 200_000
_NO_DIMENSIONS: Final[dict[str, str]] = {}

_Kind = tuple[Any, ...]
"""The values of the fields that decide, and behind them the dimensions."""


class Tally:
    """Events counted since the last drain.

    Args:
        plan: which fields decide, and which counters they add.
        segmentation: the segment sets.
    """

    def __init__(self, plan: MeasurePlan, segmentation: Segmentation) -> None:
        self._reads = plan.reads
        self._count = plan.count
        self._segmentation = segmentation
        self._known: dict[tuple[Any, ...], Increments] = {}
        self._gathered: list[tuple[Numbers, Numbers]] = []
        self._kinds: defaultdict[_Kind, int] = defaultdict(count().__next__)

    def __bool__(self) -> bool:
        return bool(self._gathered)

    def add(self, seconds: Numbers, events: Sequence[Event]) -> None:
        """Count events.

        Args:
            seconds: when the second of each begins (ms).
            events: as the fast validator gives them.
        """
        if not events:
            return
        try:
            kinds = self._numbered(self._columns(events), len(events))
        except TypeError:  # a JSON object is no key
            columns = [
                [_hashable(value) for value in values] if dict in set(map(type, values)) else values
                for values in map(list, self._columns(events))
            ]
            kinds = self._numbered(columns, len(events))
        self._gathered.append((seconds, kinds))

    def dimensions_of(self, events: Sequence[Event]) -> list[Dimensions]:
        """The events' dimensions, in :attr:`Segmentation.names` order."""
        columns = self._dimension_columns(events)
        return list(zip(*columns, strict=True)) if columns else [()] * len(events)

    def dimensions(self) -> Iterable[Dimensions]:
        """The dimensions of what was counted, each once, in the order they were first seen."""
        begin = len(self._reads)
        return dict.fromkeys(kind[begin:] for kind in self._kinds)

    def drain(self) -> Seconds:
        """What was counted, by second, series and measure; counts from nothing again."""
        gathered, self._gathered = self._gathered, []
        kinds, self._kinds = self._kinds, defaultdict(count().__next__)
        if not gathered:
            return {}
        seconds, numbers = (np.concatenate(parts) for parts in zip(*gathered, strict=True))
        first_ms = int(seconds.min())
        found, times = distinct((seconds - first_ms) // SECOND_MS * len(kinds) + numbers)
        second, kind = np.divmod(found, len(kinds))
        return KindCounters(map(self._adds, kinds)).by_second(first_ms, second, kind, times)

    def _columns(self, events: Sequence[Event]) -> list[Iterable[Any]]:
        # Lazily: of an event all is read before the next one's turn, while it is in the cache.
        fields = (column(events, name) for name in self._reads)
        return [*fields, *self._dimension_columns(events)]

    def _dimension_columns(self, events: Sequence[Event]) -> list[Iterable[str | None]]:
        given = list(map(dict.get, events, repeat("dimensions"), repeat(_NO_DIMENSIONS)))
        return [map(dict.get, given, repeat(name)) for name in self._segmentation.names]

    def _numbered(self, columns: Sequence[Iterable[Any]], events: int) -> Numbers:
        kinds = zip(*columns, strict=True) if columns else repeat((), events)
        return np.fromiter(map(self._kinds.__getitem__, kinds), np.int64, events)

    def _adds(self, kind: _Kind) -> tuple[Sequence[str], Increments]:
        """The series that an event of a kind counts in, and what it adds to each."""
        values, dimensions = kind[: len(self._reads)], kind[len(self._reads) :]
        increments = self._known.get(values)
        if increments is None:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            increments = self._known[values] = self._count(tuple(map(_plain, values)))
        return (self._segmentation.series(dimensions) if increments else ()), increments


class _Items(tuple[tuple[str, Any], ...]):
    """A JSON object as part of a key."""

    __slots__ = ()


def _hashable(value: Any) -> Any:
    return _Items(value.items()) if type(value) is dict else value


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, _Items) else value
