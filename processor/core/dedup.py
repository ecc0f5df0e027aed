"""De-duplication by ``event_id`` over a horizon of event time, in bounded memory.

Ids are remembered as 64-bit fingerprints, each with a 32-bit fingerprint of the whole record, so
that a repeat with other content can be told from a plain repeat. They are kept in *generations*
that span half the horizon each; three of them hold everything that arrived within the horizon and
at most half a horizon more. A generation is dropped whole, so forgetting costs nothing per id.

An id is remembered from its arrival until the partition's event clock has moved on by the
horizon; two different ids share a fingerprint with a chance of n / 2⁶⁴ for n ids remembered.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import xxhash

from processor.core.fingerprints import ABSENT, Fingerprints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.core.fingerprints import Keys, Values

_GENERATIONS: Final = 3
_fingerprint = xxhash.xxh3_64_digest
_content = xxhash.xxh32_digest


@dataclass(slots=True)
class Generation:
    """The ids that arrived in one half horizon.

    Attributes:
        number: event clock divided by half the horizon; names it in the store.
        seen: fingerprint of the id → fingerprint of the record.
    """

    number: int
    seen: Fingerprints = field(default_factory=Fingerprints)


@dataclass(slots=True)
class RememberedIds:
    """Ids to be stored with the counts that they belong to.

    Attributes:
        generation: the generation they are in.
        parts: fingerprints of ids and those of their records, as they came.
    """

    generation: int
    parts: list[tuple[Keys, Values]]

    @property
    def ids(self) -> Keys:
        """8 bytes an id; each is there once."""
        return np.concatenate([ids for ids, _ in self.parts])

    @property
    def contents(self) -> Values:
        """4 bytes an id, in the order of the ids."""
        return np.concatenate([contents for _, contents in self.parts])


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
        ids, contents = _fingerprints(event_ids), _contents(records)
        slots = [generation.seen.find(ids) for generation in self._generations]
        ordered = np.sort(ids)
        repeats = (ordered[1:] == ordered[:-1]).any()
        if not repeats and all(found.max() == ABSENT for found in slots):
            self._remember(current, ids, contents)
            return None, 0, 0
        firsts = np.full(len(ids), ABSENT, np.int64)
        for generation, found in zip(self._generations, slots, strict=True):
            known = found != ABSENT
            firsts[known] = generation.seen.values(found[known])
        keep, conflicts = _first_occurrences(ids.tolist(), contents.tolist(), firsts.tolist())
        self._remember(current, ids[keep], contents[keep])
        return keep, len(ids) - len(keep), conflicts

    def take_fresh(self) -> tuple[list[RememberedIds], list[int]]:
        """What was remembered, and which generations were forgotten, since the last call."""
        fresh, self._fresh = self._fresh, []
        dropped, self.dropped = self.dropped, []
        return fresh, dropped

    def restore(self, generation: int, ids: bytes, contents: bytes) -> None:
        """Take back one stored generation. Call with the oldest first."""
        keys = np.maximum(np.frombuffer(ids, np.uint64), 1)
        unique, first = np.unique(keys, return_index=True)
        seen = Fingerprints()
        seen.add(unique, np.frombuffer(contents, np.uint32)[first])
        self._generations.append(Generation(generation, seen))

    def _remember(self, current: Generation, ids: Keys, contents: Values) -> None:
        current.seen.add(ids, contents)
        if not self._fresh or self._fresh[-1].generation != current.number:
            self._fresh.append(RememberedIds(current.number, []))
        self._fresh[-1].parts.append((ids, contents))

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


def _fingerprints(event_ids: Sequence[str]) -> Keys:
    digests = b"".join(map(_fingerprint, map(str.encode, event_ids)))
    return np.maximum(np.frombuffer(digests, ">u8").astype(np.uint64), 1)  # 0 is no key


def _contents(records: Sequence[bytes]) -> Values:
    return np.frombuffer(b"".join(map(_content, records)), ">u4").astype(np.uint32)


def _first_occurrences(
    ids: list[int], contents: list[int], firsts: list[int]
) -> tuple[list[int], int]:
    """Positions of ids that are neither known nor repeated, and how many repeats differ.

    Args:
        ids: fingerprints of a batch's ids.
        contents: of its records.
        firsts: of the records that its ids are known from, `ABSENT` where they are not.
    """
    keep: list[int] = []
    conflicts = 0
    known: dict[int, int] = {}
    for position, (event_id, content, first) in enumerate(zip(ids, contents, firsts, strict=True)):
        first_content = known.get(event_id, first)
        if first_content == ABSENT:
            known[event_id] = content
            keep.append(position)
        elif first_content != content:
            conflicts += 1
    return keep, conflicts
