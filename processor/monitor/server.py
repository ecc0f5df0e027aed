"""The monitor's web server: uvicorn, with an end within seconds and limits of its own."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from processor.monitor.stream import TRANSPORT
from processor.settings import MonitorSettings

log = logging.getLogger(__name__)

_STOP_WITHIN_S: Final = 3
_FIRST_REQUEST_S: Final = 10.0
_IDLE_CONNECTIONS: Final = 256
_SEND_BUFFER: Final = 256 * 1024
_HEADERS_MAX: Final = 32_768


class _Protocol(H11Protocol):
    """A connection that does not stay without a request, and that a stream can cut."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app = _with_transport(self.app, transport)
        connection = transport.get_extra_info("socket")
        if connection is not None:  # else the kernel keeps megabytes for each who does not read
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._waiting = self.loop.call_later(_FIRST_REQUEST_S, self._end_without_request)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        super().connection_lost(exc)

    def _end_without_request(self) -> None:
        cycle: object | None = self.cycle  # None until there is a request
        if cycle is None:
            self.transport.abort()


def _with_transport(app: ASGIApp, transport: asyncio.Transport) -> Any:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        scope[TRANSPORT] = transport
        await app(scope, receive, send)

    return call


class MonitorServer(uvicorn.Server):
    """Serves a monitor's application; says goodbye to streams before it waits for them."""

    def __init__(self, app: FastAPI, settings: MonitorSettings) -> None:
        self._say_goodbye: Callable[[str], None] = app.state.monitor.hub.say_goodbye
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            loop="uvloop",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # Beside what they are for, so that one too many is told in words.
            limit_concurrency=settings.stream_clients_max
            + settings.requests_max
            + _IDLE_CONNECTIONS,
            timeout_graceful_shutdown=_STOP_WITHIN_S,
            h11_max_incomplete_event_size=_HEADERS_MAX,
            backlog=1024,
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in order."""
        self._say_goodbye("the monitor is stopping")
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on the monitor's address.

    Raises:
        OSError: it cannot; the message names the settings.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise OSError(
            error.errno,
            f"no monitor on monitor.host {host}, monitor.port {port}: {error.strerror}",
        ) from error
    listening.set_inheritable(True)
    return listening


def url_of(listening: socket.socket, host: str) -> str:
    """The address to open, with the port that it got."""
    port = listening.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared, not bound
    return f"http://{shown}:{port}/"


def serve(
    app: FastAPI, settings: MonitorSettings, listening: socket.socket, started: Callable[[], None]
) -> bool:
    """Serve until SIGTERM or ctrl-c.

    Args:
        app: the application.
        settings: its limits.
        listening: the socket, closed in the end.
        started: called before the first request is answered.

    Returns:
        Whether it was told to stop: false where it could not start.
    """
    server = MonitorServer(app, settings)

    def stop(_signal: int, _frame: object) -> None:
        server.should_exit = True

    # Uvicorn raises the signal once more when it has stopped: it then meets these.
    before = {one: signal.signal(one, stop) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        started()
        server.run(sockets=[listening])
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        listening.close()
    return bool(server.started)
