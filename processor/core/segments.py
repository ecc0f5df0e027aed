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

from schemas.readings import segment_key

SegmentSet = tuple[str, ...]
Dimensions = tuple[str | None, ...]
"""One event's values of the dimensions in use, in :attr:`Segmentation.names` order."""

WHOLE: Final = "all"
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
        self._full = [False] * len(self.sets)
        self._series: dict[Dimensions, tuple[str, ...]] = {}

    @property
    def remembered(self) -> int:
        """Segments and combinations of dimensions held in memory."""
        return len(self._series) + sum(map(len, self._admitted))

    def project(self, dimensions: Mapping[str, str] | None) -> Dimensions:
        """An event's values of the dimensions in use."""
        if not dimensions:
            return (None,) * len(self.names)
        return tuple(dimensions.get(name) for name in self.names)

    def unknown(self, seen: Iterable[Dimensions]) -> dict[int, list[str]]:
        """Segments not decided yet, by set index, in the order they were first seen."""
        candidates: dict[int, dict[str, None]] = {}
        for dimensions in seen:
            if dimensions in self._series:
                continue
            for index, key in self._keys(dimensions):
                if key not in self._admitted[index] and not self._full[index]:
                    candidates.setdefault(index, {})[key] = None
        return {index: list(keys) for index, keys in candidates.items()}

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
            found = (
                WHOLE,
                *(
                    key if key in self._admitted[index] else self._other[index]
                    for index, key in self._keys(dimensions)
                ),
            )
            # Remember only combinations that cannot grow without bound.
            if len(self._series) < 2 * self.cap * (len(self.sets) + 1):
                self._series[dimensions] = found
        return found

    def _keys(self, dimensions: Dimensions) -> Iterable[tuple[int, str]]:
        for index, (names, positions) in enumerate(zip(self.sets, self._positions, strict=True)):
            segment = {
                name: value
                for name, position in zip(names, positions, strict=True)
                if (value := dimensions[position]) is not None
            }
            if len(segment) == len(names):
                yield index, segment_key(segment)
