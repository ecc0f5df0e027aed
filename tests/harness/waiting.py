"""Waiting for what the other side does: by condition and deadline, never for a fixed time."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

_T = TypeVar("_T")

_POLL_S: Final = 0.05

PATIENCE: Final = float(os.environ.get("CX_TEST_PATIENCE", "3"))
"""Deadlines are for a machine of one's own; a shared one gets so many times as long to fail."""


async def eventually(
    look: Callable[[], Awaitable[_T]],
    until: Callable[[_T], bool] = bool,
    *,
    within_s: float = 30.0,
    what: str,
    poll_s: float = _POLL_S,
) -> _T:
    """Looks again and again until what is seen is what is waited for.

    Args:
        look: fetches what is judged.
        until: whether the wait is over.
        within_s: the deadline, `PATIENCE` times longer on a shared machine.
        what: is waited for, for the failure's message.
        poll_s: between two looks.

    Returns:
        What was seen last.

    Raises:
        AssertionError: the deadline has passed; the message shows what was seen last.
    """
    within_s *= PATIENCE
    deadline = time.monotonic() + within_s
    while True:
        seen = await look()
        if until(seen):
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {what}; seen last: {seen!r:.2000}")
        await asyncio.sleep(poll_s)
