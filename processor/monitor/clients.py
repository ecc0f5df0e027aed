"""One who follows the stream: a bounded queue of encoded messages, and how it ends."""

import asyncio
import json
from collections import deque
from typing import Final

QUEUE_MESSAGES: Final = 32
"""A client this many messages behind does not read, or not fast enough."""

HEARTBEAT: Final = b": \n\n"


class Client:
    """A client of the stream.

    Messages are whole server-sent events, shared between clients and never changed.

    Args:
        messages_max: the most that wait.
    """

    def __init__(self, messages_max: int = QUEUE_MESSAGES) -> None:
        self._messages: deque[bytes] = deque()
        self._messages_max = messages_max
        self._some = asyncio.Event()
        self.closed = asyncio.Event()
        self.reason = ""

    @property
    def waiting(self) -> int:
        """How many messages wait to be sent."""
        return len(self._messages)

    def put(self, message: bytes) -> bool:
        """Queue a message; false where the queue is full."""
        if len(self._messages) >= self._messages_max:
            return False
        self._messages.append(message)
        self._some.set()
        return True

    def close(self, reason: str) -> None:
        """Say goodbye in place of what is queued; the first reason counts."""
        if self.closed.is_set():
            return
        self.reason = reason
        self._messages.clear()
        self._messages.append(event("bye", json.dumps({"reason": reason}).encode()))
        self._some.set()
        self.closed.set()

    async def take(self) -> bytes:
        """All that waits, in one piece; waits for some. Empty when it was closed and all is out."""
        while not self._messages:
            if self.closed.is_set():
                return b""
            self._some.clear()
            await self._some.wait()
        taken = b"".join(self._messages)
        self._messages.clear()
        return taken


def event(name: str, data: bytes, place: str | None = None) -> bytes:
    """A server-sent event.

    Args:
        name: of the event.
        data: JSON without line breaks.
        place: its id: where a client that comes back goes on.
    """
    head = b"" if place is None else b"id: %s\n" % place.encode()
    return b"%sevent: %s\ndata: %s\n\n" % (head, name.encode(), data)
