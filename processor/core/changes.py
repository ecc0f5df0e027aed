"""What comes out of an engine: changes to store, and records that were refused."""

from collections import Counter
from dataclasses import dataclass, field

from processor.core.base_register import Inquiry
from processor.core.dedup import RememberedIds
from processor.core.rollup import PaneDeltas
from processor.core.sampled_panes import PaneSamples
from schemas.validators import InvalidEvent


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that was not counted, and why.

    Attributes:
        position: its place in the batch.
        error: code, field and message for the dead letter.
    """

    position: int
    error: InvalidEvent


@dataclass(slots=True)
class Changes:
    """Everything a partition's batches changed since the last take.

    Attributes:
        deltas: what to add to the panes.
        ids: event ids to remember.
        forgotten_generations: generations of ids to drop.
        sessions: sessions to store, by keyed hash.
        forgotten_sessions: sessions to drop.
        samples: what was observed, to add to the panes.
        customers: customers to store, by the key of their id.
        inquiry: what to tell and ask the register of bases; ``None`` where it need not be asked.
        stats: events by outcome: ``counted``, ``repeats``, ``conflicts``, ``rejected``,
            ``late_dropped``.
        clock_ms: the event clock, 0 before the first event.
        watermark_ms: no event before it is expected any more.
        open_sessions: sessions that are not closed.
    """

    deltas: PaneDeltas
    ids: list[RememberedIds]
    forgotten_generations: list[int]
    sessions: dict[bytes, bytes]
    forgotten_sessions: list[bytes]
    stats: Counter[str]
    clock_ms: int
    watermark_ms: int
    open_sessions: int
    samples: PaneSamples = field(default_factory=dict)
    customers: dict[int, bytes] = field(default_factory=dict)
    inquiry: Inquiry | None = None
