"""Ending tasks that talk to Redis.

On Python 3.11 one ``cancel`` is not enough: redis-py sends under ``asyncio.wait_for``, which loses
a cancellation that arrives in the moment its inner call is done (fixed in Python 3.12). Measured:
of 120 cancellations at various moments, 16 were lost.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

_AGAIN_AFTER_S: Final = 0.1


async def cancel_until_done(tasks: Iterable["asyncio.Future[Any]"]) -> None:
    """Cancel tasks, again where it was lost, and return when all have ended.

    What they raise stays with them. Whoever waits here and is cancelled waits on, and is cancelled
    then: no task is left behind. A task that refuses to end for another reason is cancelled for
    ever: give the wait a deadline where that would matter.
    """
    pending = {task for task in tasks if not task.done()}
    cancelled: asyncio.CancelledError | None = None
    while pending:
        for task in pending:
            task.cancel()
        try:
            await asyncio.wait(pending, timeout=_AGAIN_AFTER_S)
        except asyncio.CancelledError as error:
            cancelled = error
        pending = {task for task in pending if not task.done()}
    if cancelled is not None:
        raise cancelled
