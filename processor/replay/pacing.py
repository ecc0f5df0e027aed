"""When the events of a log are due, if it is replayed at so many times its own speed.

At speed 10, ten seconds of event time take one second; a pause of the log longer than the largest
gap takes as long as that gap would. ::

    event time   12:00:00 ...... 12:00:20 ............................ 15:00:00
    due (x 10, gaps of at most 5 s)
                 0 s             0.5 s                                 1 s

Everything is told from the start of the run, never from the event before: waits that take a
moment too long do not add up. After a delay of one's own, what is due by then comes at once.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Final, TypeVar

_T = TypeVar("_T")

MAX: Final = "max"
"""The speed in words: as fast as it goes."""

_MS: Final = 1_000
_TURN_S: Final = 0.02
"""A loop that others share gets a turn this often, also where nothing is to be waited for."""


def parse_speed(text: str) -> float | None:
    """A speed: how many seconds of event time go by in one second, or ``max``.

    Returns:
        The number; ``None`` for as fast as it goes.

    Raises:
        ValueError: it is neither ``max`` nor a positive number.

    >>> parse_speed("60"), parse_speed("0.5"), parse_speed("max")
    (60.0, 0.5, None)
    """
    if text == MAX:
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not (0 < speed < math.inf):
        raise ValueError(f"a positive number such as 10, or {MAX}; not {text!r}")
    return speed


class Pacer:
    """Tells when events are due; pure, it neither waits nor reads a clock.

    Args:
        speed: seconds of event time in one second of the run; ``None``: everything is due at once.
        max_gap_ms: a longer gap between two event times counts as this one; ``None``: no gap is
            cut.

    Attributes:
        speed: as given.
        paced_ms: event time from the first event to the latest, gaps cut.

    Raises:
        ValueError: a speed or a gap that is not positive.
    """

    def __init__(self, speed: float | None = None, max_gap_ms: int | None = None) -> None:
        if speed is not None and not (0 < speed < math.inf):
            raise ValueError("a speed is a positive number")
        if max_gap_ms is not None and max_gap_ms < 1:
            raise ValueError("the largest gap must be positive")
        self.speed = speed
        self.paced_ms = 0
        self._max_gap_ms = max_gap_ms
        self._latest_ms: int | None = None

    def due_s(self, time_ms: int) -> float:
        """How many seconds after the start an event with this time is due.

        To be called in the order of the log. It never goes back: an event older than the latest is
        due with that.

        >>> pacer = Pacer(speed=10, max_gap_ms=5_000)
        >>> [pacer.due_s(ms) for ms in (1_000, 3_000, 2_000, 900_000)]
        [0.0, 0.2, 0.2, 0.7]
        """
        if self._latest_ms is None:
            self._latest_ms = time_ms
        elif time_ms > self._latest_ms:
            gap_ms = time_ms - self._latest_ms
            if self._max_gap_ms is not None:
                gap_ms = min(gap_ms, self._max_gap_ms)
            self.paced_ms += gap_ms
            self._latest_ms = time_ms
        return 0.0 if self.speed is None else self.paced_ms / _MS / self.speed


def paced(
    items: Iterable[_T],
    time_of: Callable[[_T], int | None],
    pacer: Pacer,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[_T]:
    """The items, each when it is due; this thread waits.

    Args:
        items: in the order of the log.
        time_of: the event time of an item, in ms; ``None`` for one that is due with the one before.
        pacer: tells when; not to be used by others at the same time.
        clock: seconds that never go back.
        sleep: waits for so many seconds.
    """
    for batch in paced_batches(items, time_of, pacer, size=1, clock=clock, sleep=sleep):
        yield from batch


def paced_batches(
    items: Iterable[_T],
    time_of: Callable[[_T], int | None],
    pacer: Pacer,
    *,
    size: int,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[_T]]:
    """The items in batches of those that are due; none is kept waiting for its batch to be full.

    Args:
        items: in the order of the log.
        time_of: as for :func:`paced`.
        pacer: tells when; not to be used by others at the same time.
        size: the most items in a batch.
        clock: seconds that never go back.
        sleep: waits for so many seconds.
    """
    began_s: float | None = None
    batch: list[_T] = []
    for item in items:
        if (time_ms := time_of(item)) is not None:
            due_s = pacer.due_s(time_ms)
            if began_s is None:
                began_s = clock()
            if batch and began_s + due_s > clock():
                yield batch
                batch = []
            while (left_s := began_s + due_s - clock()) > 0:
                sleep(left_s)
        batch.append(item)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


async def paced_async(
    items: Iterable[_T],
    time_of: Callable[[_T], int | None],
    pacer: Pacer,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[_T]:
    """The items, each when it is due; other tasks of the loop run meanwhile.

    Args:
        items: in the order of the log. What it takes to get the next one blocks the loop.
        time_of: as for :func:`paced`.
        pacer: tells when; not to be used by others at the same time.
        clock: seconds that never go back.
    """
    began_s: float | None = None
    due_s = 0.0
    turn_s = -math.inf
    for item in items:
        now_s = clock()
        if (time_ms := time_of(item)) is not None:
            due_s = pacer.due_s(time_ms)
            if began_s is None:
                began_s = now_s
        while (left_s := _left_s(began_s, due_s, now_s)) > 0 or now_s - turn_s > _TURN_S:
            await asyncio.sleep(max(0.0, left_s))
            now_s = turn_s = clock()
        yield item


def _left_s(began_s: float | None, due_s: float, now_s: float) -> float:
    return 0.0 if began_s is None else began_s + due_s - now_s
