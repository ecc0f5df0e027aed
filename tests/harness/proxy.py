"""A network that loses Redis's answers: the command arrives, its reply does not."""

import asyncio
import contextlib
import ssl
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

_CHUNK: Final = 65_536


class LossyProxy:
    """Forwards to a Redis; loses the next replies when told to.

    Args:
        redis_url: the server's.
        tls: with which to speak to clients, who have to use TLS then.

    Attributes:
        lost: replies that it has lost.
        delay_s: how late every reply is.
    """

    def __init__(self, redis_url: str, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(redis_url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._to_lose = 0
        self._hang = False
        self._open: set[asyncio.StreamWriter] = set()
        self.lost = 0
        self.delay_s = 0.0

    @property
    def url(self) -> str:
        """Address of the same Redis through this network."""
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    def lose_replies(self, n: int = 1, *, hang: bool = False) -> None:
        """Swallow the next ``n`` replies, and close their connection or leave it hanging."""
        self._to_lose, self._hang = n, hang

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        self._open |= ends
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
            ends.add(upstream_writer)
            self._open |= ends
            await asyncio.gather(
                self._pump(reader, upstream_writer),
                self._pump_replies(upstream_reader, writer, upstream_writer),
            )
        except OSError:
            pass  # the server is away: so is its network
        finally:
            for end in ends:
                end.close()
            self._open -= ends

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):  # either side may go at any time
            while data := await reader.read(_CHUNK):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _pump_replies(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream_writer: asyncio.StreamWriter,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                if self._to_lose:
                    self._to_lose -= 1
                    self.lost += 1
                    if self._hang:
                        continue
                    break
                await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()
        writer.close()
        upstream_writer.close()
