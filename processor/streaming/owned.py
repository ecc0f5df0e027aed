"""One partition while this worker owns it: its store, its engine, and what is to be told of it."""

import asyncio
import logging
import math
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Final

from faust.types import TP

from processor.core.engine import PartitionEngine
from processor.state.completeness import WHOLE, Completeness
from processor.state.partition import PartitionStore
from processor.streaming.deadletter import DeadLetter
from processor.streaming.resuming import Resumption

log = logging.getLogger(__name__)

MAX_PENDING_EVENTS: Final = 100_000
"""More events than this wait for a flush in one partition: its agent waits, too."""

_MAX_LETTER_BYTES: Final = 16 * 1024 * 1024
_LETTERS_UNWEIGHED: Final = 16


@dataclass(slots=True, eq=False)
class OwnedPartition:
    """One partition while it is ours.

    Attributes:
        tp: its topic and number.
        store: writes its state.
        engine: counts its events.
        next_offset: the first that is not counted.
        chain: batches of this chain follow the claim.
        letters: refused records that are not sent yet.
        held: nothing more is fetched until what waits for a flush is written.
        lost: another worker's, or to be claimed again.
        flushed: set when a flush was stored.
        active_at: when the last batch came, by the monotonic clock.
        beat_at: when its clock last followed the wall clock.
        flushed_at: when the flush task began its last flush, by the monotonic clock.
        events: records counted since the claim.
        completeness: what its counts lack.
        untold: statistics that go with the next flush.
        tells: a flush is due though no event came.
        flushing: held by whoever flushes: a flush that overtook another would hide it, as they
            follow the same one.
    """

    tp: TP
    store: PartitionStore
    engine: PartitionEngine
    next_offset: int
    chain: int = 0
    letters: list[DeadLetter] = field(default_factory=list)
    held: bool = False
    lost: bool = False
    flushed: asyncio.Event = field(default_factory=asyncio.Event)
    active_at: float = field(default_factory=time.monotonic)
    beat_at: float = 0.0
    flushed_at: float = -math.inf
    events: int = 0
    completeness: Completeness = WHOLE
    untold: Counter[str] = field(default_factory=Counter)
    tells: bool = False
    flushing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def resume(self, resumption: Resumption) -> None:
        """Go on as was decided; a flush tells it at once, though no event comes."""
        self.next_offset = resumption.offset
        self._tell(resumption.completeness, missed=resumption.missed)
        self.untold["rebuilds"] += resumption.is_rebuild
        self.tells |= self.store.offset is None

    def miss(self, records: int, whole_after_ms: int) -> None:
        """Records went from the log before they were counted."""
        log.warning(
            "%s: %d records went from the log before they were counted: see its retention",
            self.store.name,
            records,
        )
        complete_from_ms = max(self.completeness.complete_from_ms, whole_after_ms)
        self._tell(replace(self.completeness, complete_from_ms=complete_from_ms), missed=records)

    def end_rebuild(self) -> None:
        """The lost counts are made again."""
        log.info(
            "%s: lost counts are made again, up to offset %d", self.store.name, self.next_offset
        )
        self._tell(replace(self.completeness, rebuild_to=0))

    def _tell(self, completeness: Completeness, *, missed: int = 0) -> None:
        self.tells |= completeness != self.completeness or missed > 0
        self.completeness = completeness
        self.untold["missed"] += missed

    @property
    def is_full(self) -> bool:
        """Whether as much waits for a flush as may."""
        waiting = self.engine.pending_events + len(self.letters)
        return waiting > MAX_PENDING_EVENTS or (
            len(self.letters) > _LETTERS_UNWEIGHED
            and sum(letter.size for letter in self.letters) > _MAX_LETTER_BYTES
        )

    def lose(self) -> None:
        """Not ours any more: nothing is written for it, and nobody waits for it."""
        self.lost = True
        self.flushed.set()
