"""Segments: the sets of dimensions that readings are broken down by, and the cap on their values.

A *segment set* is a tuple of dimension names; the empty set is the whole. An event belongs to one
segment of every set whose dimensions it has all of, and to none of the others. How many segments
one set may have is capped: the first values keep their own, every later one shares
``__other__``, so that memory stays bounded whatever arrives. The decision is made once for all
partitions (an *admission*), or a value could be counted whole in one partition and as
``__other__`` in the next.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from schemas.readings import WHOLE, segment_key

SegmentSet = tuple[str, ...]
Dimensions = tuple[str | None, ...]
"""One event's values of the dimensions in use, in :attr:`Segmentation.names` order."""

OTHER: Final = "__other__"


class Segmentation:
    """Which series an event's dimensions count in.

    Args:
        sets: segment sets beside the whole, e.g. ``[("channel",), ("channel", "product")]``.
        cap: the most segments one set may have, ``__other__`` not counted.

    Raises:
        ValueError: if the cap is not positive.
    """

    def __init__(self, sets: Iterable[Sequence[str]], cap: int = 1000) -> None:
        if cap < 1:
            raise ValueError("the cap on segments must be at least 1")
        self.sets: tuple[SegmentSet, ...] = tuple(
            dict.fromkeys(tuple(sorted(set(names))) for names in sets if names)
        )
        self.cap = cap
        self.names: tuple[str, ...] = tuple(sorted({name for names in self.sets for name in names}))
        positions = {name: i for i, name in enumerate(self.names)}
        self._positions = tuple(tuple(positions[n] for n in names) for names in self.sets)
        self._other = tuple(segment_key(dict.fromkeys(names, OTHER)) for names in self.sets)
        self._admitted: tuple[dict[str, None], ...] = tuple({} for _ in self.sets)
        self._known: tuple[dict[Dimensions, str], ...] = tuple({} for _ in self.sets)
        self._full = [False] * len(self.sets)
        self._series: dict[Dimensions, tuple[str, ...]] = {}

    @property
    def remembered(self) -> int:
        """Segments and combinations of dimensions held in memory."""
        return len(self._series) + sum(map(len, self._admitted))

    @property
    def admitted(self) -> tuple[list[str], ...]:
        """The segments known to be admitted, by set."""
        return tuple(map(list, self._admitted))

    def project(self, dimensions: Mapping[str, str] | None) -> Dimensions:
        """An event's values of the dimensions in use."""
        if not dimensions:
            return (None,) * len(self.names)
        return tuple(dimensions.get(name) for name in self.names)

    def unknown(self, seen: Iterable[Dimensions]) -> dict[int, list[str]]:
        """Segments not decided yet, by set index, in the order they were first seen.

        Args:
            seen: values of all dimensions in use.
        """
        candidates: dict[int, dict[str, None]] = {}
        for dimensions in seen:
            if dimensions in self._series:
                continue
            for index, positions in enumerate(self._positions):
                values = tuple(dimensions[p] for p in positions)
                for key in self.unknown_in(index, (values,)):
                    candidates.setdefault(index, {})[key] = None
        return {index: list(keys) for index, keys in candidates.items()}

    def unknown_in(self, index: int, seen: Iterable[Dimensions]) -> list[str]:
        """Segments of one set not decided yet, in the order they were first seen.

        Args:
            index: the set's.
            seen: values of that set's dimensions.
        """
        if self._full[index]:
            return []
        known, admitted = self._known[index], self._admitted[index]
        return [
            key
            for values in seen
            if values not in known
            and None not in values
            and (key := self._key(index, values)) not in admitted
        ]

    def admit_locally(self, candidates: Mapping[int, Iterable[str]]) -> None:
        """Decide here, first come first served: for one process alone, as a replay is."""
        for index, keys in candidates.items():
            room = self.cap - len(self._admitted[index])
            self.learn(index, list(keys)[:room], full=room <= 0)
            if len(self._admitted[index]) >= self.cap:
                self._full[index] = True

    def learn(self, index: int, admitted: Iterable[str], *, full: bool) -> None:
        """Take over a decision made elsewhere: these segments are admitted; the set may be full."""
        self._admitted[index].update(dict.fromkeys(admitted))
        if full:
            self._full[index] = True

    def series(self, dimensions: Dimensions) -> tuple[str, ...]:
        """The series that an event with these dimensions counts in; the whole comes first.

        Every undecided segment must have been admitted or refused before.
        """
        found = self._series.get(dimensions)
        if found is None:
            by_set = (
                self.series_in(index, tuple(dimensions[p] for p in positions))
                for index, positions in enumerate(self._positions)
            )
            found = (WHOLE, *(series for series in by_set if series is not None))
            # Remember only as many combinations as cannot grow without bound.
            if len(self._series) < 2 * self.cap * (len(self.sets) + 1):
                self._series[dimensions] = found
        return found

    def series_in(self, index: int, values: Dimensions) -> str | None:
        """The series of one set for the values of its dimensions; none where one is missing."""
        known = self._known[index]
        found = known.get(values)
        if found is None:
            if None in values:
                return None
            key = self._key(index, values)
            if key not in self._admitted[index]:
                return self._other[index]
            found = known[values] = key
        return found

    def exactly(self, dimensions: Mapping[str, str]) -> str | None:
        """The series of just these dimensions; none where no set names them, or it is full."""
        names = tuple(sorted(dimensions))
        if names not in self.sets:
            return None
        index = self.sets.index(names)
        series = self.series_in(index, tuple(dimensions[name] for name in names))
        return None if series == self._other[index] else series

    def _key(self, index: int, values: Dimensions) -> str:
        return segment_key(dict(zip(self.sets[index], map(str, values), strict=True)))
