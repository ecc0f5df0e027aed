"""Events as bytes, and at the pace at which they happen."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from datetime import datetime
from typing import Final, Protocol

from processor.simulation.world import Event

_MOST_PER_BATCH: Final = 5_000
"""So that whoever is far behind still gets batches of a sane size, and can be cancelled."""

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode(event: Event) -> bytes:
    """Returns an event as one line of compact JSON, UTF-8, without the line's end."""
    return _compact(event).encode()


class Clock(Protocol):
    """Time that passes while one waits."""

    def monotonic(self) -> float:
        """Returns seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Waits, 0 meaning only that others get a turn."""


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """Returns seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits on the event loop."""
        await asyncio.sleep(seconds)


SYSTEM_CLOCK: Final = SystemClock()


async def paced(
    events: Iterable[Event],
    speed: float = 1.0,
    *,
    batch_s: float = 0.05,
    clock: Clock = SYSTEM_CLOCK,
) -> AsyncGenerator[list[Event]]:
    """Yields events when they are due, in small batches that are never empty.

    Each event's moment is counted from the first event's, not from the one before it, so a slow
    reader or an early timer never adds up to a drift; whoever is behind catches up at once.

    Args:
        events: in about the order of their times.
        speed: seconds of event time per second of the clock; ``math.inf`` for as fast as it goes.
        batch_s: seconds between batches.
        clock: what to wait by.

    Raises:
        ValueError: speed or batch_s is not above zero.
    """
    if not (speed > 0 and batch_s > 0):
        raise ValueError(f"speed and batch_s must be above 0: {speed}, {batch_s}")
    batch: list[Event] = []
    started = clock.monotonic()
    for due_s, event in _offsets(events):
        due = started + due_s / speed
        if due > clock.monotonic() or len(batch) >= _MOST_PER_BATCH:
            if batch:
                yield batch
                batch = []
                await clock.sleep(0)
            while (missing := due - clock.monotonic()) > 0:
                await clock.sleep(max(missing, batch_s))
        batch.append(event)
    if batch:
        yield batch


def _offsets(events: Iterable[Event]) -> Iterator[tuple[float, Event]]:
    """Yields events with the seconds of event time since the first, never going back."""
    first: datetime | None = None
    offset_s = 0.0
    for event in events:
        at = _time_of(event)
        if at is not None:
            first = first or at
            offset_s = max(offset_s, (at - first).total_seconds())
        yield offset_s, event


def _time_of(event: Event) -> datetime | None:
    """Returns when an event occurred, or ``None`` where poison has left no such time."""
    text = event.get("occurred_at")
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
