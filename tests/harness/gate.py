"""A door between a client and its server: each request and reply is looked at as it passes."""

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

_CHUNK: Final = 65_536

Before = Callable[[bytes], bool]
"""Whether a request may pass, by its beginning; what is to happen at that very point happens in it.
"""

After = Callable[[bytes, bytes], bool]
"""The same of a reply, by the beginnings of its request and of itself."""


def pass_all(*_data: bytes) -> bool:
    """Nothing is stopped."""
    return True


class Gate:
    """Forwards to a server that answers one request of a connection after the other, as Redis does.

    Args:
        url: the server's.

    Attributes:
        before: sees each request before the server does.
        after: sees each reply before the client does.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._passage = asyncio.Event()
        self._passage.set()
        self.before: Before = pass_all
        self.after: After = pass_all

    @property
    def url(self) -> str:
        """Address of the same server behind the gate."""
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    @property
    def is_shut(self) -> bool:
        """Whether it holds whatever comes."""
        return not self._passage.is_set()

    def shut(self) -> None:
        """Hold whatever comes, in both directions: nobody is refused and nobody is answered."""
        self._passage.clear()

    def open(self) -> None:
        """Let pass what was held, and what comes."""
        self._passage.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self.open()
        self._server.close()
        for writer in list(self._open):
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        self._open |= ends
        request = bytearray()
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
            ends.add(server_writer)
            self._open |= ends
            await asyncio.gather(
                self._requests(reader, server_writer, request),
                self._replies(server_reader, writer, request),
            )
        except OSError:
            pass  # the server is away: so is the door
        finally:
            for end in ends:
                end.close()
            self._open -= ends

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytearray
    ) -> None:
        with contextlib.suppress(ConnectionError):  # either side may go at any time
            while data := await reader.read(_CHUNK):
                is_beginning = not request
                request += data
                if is_beginning and not self.before(data):
                    break
                await self._passage.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytearray
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                beginning = bytes(request[:_CHUNK])
                request.clear()
                if beginning and not self.after(beginning, data):
                    break
                await self._passage.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
