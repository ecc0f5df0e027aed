"""De-duplication by ``event_id`` over a horizon of event time, in bounded memory.

Ids are remembered as 64-bit fingerprints, each with a 32-bit fingerprint of the whole record, so
that a repeat with other content can be told from a plain repeat. They are kept in *generations*
that span half the horizon each; three of them hold everything that arrived within the horizon and
at most half a horizon more. A generation is dropped whole, so forgetting costs nothing per id.

An id is remembered from its arrival until the partition's event clock has moved on by the
horizon; two different ids share a fingerprint with a chance of n / 2⁶⁴ for n ids remembered.
"""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final

import xxhash

if TYPE_CHECKING:
    from collections.abc import Sequence

_GENERATIONS: Final = 3
_SMALL_PART: Final = 256
"""Ids of small batches are put together, so that a dictionary each does not outweigh them."""
_fingerprint = xxhash.xxh3_64_intdigest
_content = xxhash.xxh32_intdigest


@dataclass(slots=True)
class Generation:
    """The ids that arrived in one half horizon.

    Attributes:
        number: event clock divided by half the horizon; names it in the store.
        seen: fingerprint of the id → fingerprint of the record.
    """

    number: int
    seen: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class RememberedIds:
    """Ids to be stored with the counts that they belong to.

    Attributes:
        generation: the generation they are in.
        seen: fingerprint of the id → fingerprint of the record; each id is in one part alone.
    """

    generation: int
    seen: list[dict[int, int]]

    @property
    def ids(self) -> array[int]:
        """8 bytes an id."""
        return array("Q", chain.from_iterable(self.seen))

    @property
    def contents(self) -> array[int]:
        """4 bytes an id, in the order of the ids."""
        return array("I", chain.from_iterable(part.values() for part in self.seen))


class Deduplicator:
    """Tells first occurrences from repeats for one partition.

    Args:
        horizon_ms: how long an id is remembered, in event time.
        max_ids: about the most ids held; beyond it generations follow one another faster, the
            horizon is shorter than asked, and :attr:`shortened` counts how often.
    """

    def __init__(self, horizon_ms: int, max_ids: int = 2_000_000) -> None:
        if horizon_ms < 0 or max_ids < 1:
            raise ValueError("the horizon must not be negative, and at least one id must fit")
        self.horizon_ms = horizon_ms
        self.shortened = 0
        self._generation_cap = max(1, max_ids // _GENERATIONS)
        self._span_ms = max(1, horizon_ms // (_GENERATIONS - 1))
        self._generations: deque[Generation] = deque()
        self._fresh: list[RememberedIds] = []
        self.dropped: list[int] = []

    def __len__(self) -> int:
        return sum(len(g.seen) for g in self._generations)

    def generation_of(self, clock_ms: int) -> int:
        """The number of the generation that ids arriving at this clock are remembered in."""
        return clock_ms // self._span_ms

    def filter(
        self, event_ids: Sequence[str], records: Sequence[bytes], clock_ms: int
    ) -> tuple[list[int] | None, int, int]:
        """Find the repeats in a batch, and remember the rest.

        Args:
            event_ids: the ids, in arrival order.
            records: the whole records, in the same order.
            clock_ms: the partition's event clock, of one generation for the whole batch.

        Returns:
            Positions of the first occurrences, or ``None`` where every event is one; how many
            were repeats; how many of those differed in content from the first.
        """
        if not self.horizon_ms or not event_ids:
            return None, 0, 0
        current = self._rotate(clock_ms)
        ids = list(map(_fingerprint, map(str.encode, event_ids)))
        contents = list(map(_content, records))
        seen = dict(zip(ids, contents, strict=True))
        if len(seen) == len(ids) and all(
            generation.seen.keys().isdisjoint(ids) for generation in self._generations
        ):
            self._remember(current, seen)
            return None, 0, 0
        return self._filter_one_by_one(current, ids, contents)

    def take_fresh(self) -> tuple[list[RememberedIds], list[int]]:
        """What was remembered, and which generations were forgotten, since the last call."""
        fresh, self._fresh = self._fresh, []
        dropped, self.dropped = self.dropped, []
        return fresh, dropped

    def restore(self, generation: int, ids: bytes, contents: bytes) -> None:
        """Take back one stored generation. Call with the oldest first."""
        keys, values = array("Q"), array("I")
        keys.frombytes(ids)
        values.frombytes(contents)
        self._generations.append(Generation(generation, dict(zip(keys, values, strict=True))))

    def _filter_one_by_one(
        self, current: Generation, ids: list[int], contents: list[int]
    ) -> tuple[list[int], int, int]:
        keep: list[int] = []
        conflicts = 0
        known: dict[int, int] = {}
        for position, (event_id, content) in enumerate(zip(ids, contents, strict=True)):
            first = known.get(event_id)
            if first is None:
                first = next(
                    (g.seen[event_id] for g in self._generations if event_id in g.seen), None
                )
            if first is None:
                known[event_id] = content
                keep.append(position)
            elif first != content:
                conflicts += 1
        self._remember(current, known)
        return keep, len(ids) - len(keep), conflicts

    def _remember(self, current: Generation, seen: dict[int, int]) -> None:
        # From one dict to another: the hashes are there already.
        current.seen.update(seen)
        if not self._fresh or self._fresh[-1].generation != current.number:
            self._fresh.append(RememberedIds(current.number, []))
        parts = self._fresh[-1].seen
        if parts and len(parts[-1]) < _SMALL_PART:
            parts[-1].update(seen)
        else:
            parts.append(seen)

    def _rotate(self, clock_ms: int) -> Generation:
        number = self.generation_of(clock_ms)
        if self._generations and len(self._generations[-1].seen) >= self._generation_cap:
            number = max(number, self._generations[-1].number + 1)
            self.shortened += 1
        if not self._generations or number > self._generations[-1].number:
            self._generations.append(Generation(number))
        current = self._generations[-1]
        while self._generations[0].number <= current.number - _GENERATIONS:
            self.dropped.append(self._generations.popleft().number)
        return current
