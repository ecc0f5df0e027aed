"""Long work on the event loop in short turns, so that counting goes on beside it."""

import asyncio
import time
from typing import Final

_TURN_S: Final = 0.005
_REST: Final = 0.5
"""Of a turn, how long others then have the loop: what takes a second alone takes one and a half."""


class Pace:
    """Keeps a piece of work to turns of a few milliseconds."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def rest(self) -> None:
        """Let others have their turn, if this one was long enough."""
        worked_s = time.perf_counter() - self._began
        if worked_s >= _TURN_S:
            await asyncio.sleep(worked_s * _REST)
            self._began = time.perf_counter()
