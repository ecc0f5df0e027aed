"""A small HTTP server in threads of its own: it answers while the event loop is blocked.

It serves a few fixed paths to ``GET`` and ``HEAD`` and nothing else: other paths are 404, other
methods 405. It is meant for loopback or a private network; every answer is small, a connection
serves one request and is cut after `_CONNECTION_S`, and no more than `_CONNECTIONS` are served at
once, so that nobody who holds connections open can keep others out for long.

A health check of a container, where ``worker.health_port`` is 8090::

    python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8090/livez', timeout=3)"
"""

import json
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final, Self, cast
from urllib.parse import urlsplit

from processor.streaming.health import Health, Report

log = logging.getLogger(__name__)

_CONNECTIONS: Final = 16
_CONNECTION_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Page:
    """An answer.

    Attributes:
        status: of HTTP.
        content_type: with its charset.
        body: the whole of it.
    """

    status: HTTPStatus
    content_type: str
    body: bytes


Routes = Mapping[str, Callable[[], Page]]
"""What makes the page of each path; called in a thread of the server."""


def health_routes(health: Health) -> dict[str, Callable[[], Page]]:
    """``/livez`` and ``/readyz``: 200 or 503, and JSON with a reason for each check."""
    return {
        "/livez": lambda: _report(health.live()),
        "/readyz": lambda: _report(health.ready()),
    }


def _report(report: Report) -> Page:
    status = HTTPStatus.OK if report.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return _json(status, report.as_dict())


def _json(status: HTTPStatus, content: Mapping[str, object]) -> Page:
    return Page(status, "application/json", json.dumps(content, indent=2).encode() + b"\n")


class HealthServer(ThreadingMixIn, TCPServer):
    """Serves pages until it is closed.

    Args:
        host: address or name to bind.
        port: TCP port; 0 for a free one, see `port`.
        routes: what is served.

    Raises:
        OSError: it cannot listen there; the message names the settings.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, host: str, port: int, routes: Routes) -> None:
        self.routes = routes
        self._free = threading.BoundedSemaphore(_CONNECTIONS)
        self._thread: threading.Thread | None = None
        try:
            family, _, _, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            self.address_family = family
            super().__init__(cast("tuple[str, int]", address), _Handler)
        except OSError as error:
            raise OSError(
                error.errno,
                f"no health checks on worker.health_host {host}, worker.health_port {port}: "
                f"{error.strerror}",
            ) from error

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.socket.getsockname()[1])

    def start(self) -> Self:
        """Serve in a thread that ends with the process."""
        self._thread = threading.Thread(target=self.serve_forever, name="health", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread, or cut it where too many are served already."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, which has not for ever."""
        deadline = threading.Timer(_CONNECTION_S, _cut, (request,))
        deadline.daemon = True
        deadline.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            deadline.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away: nothing that concerns us."""
        del request, client_address
        log.debug("a health check was cut off")


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError as gone:
        log.debug("a health check ended at its deadline: %s", gone)


class _Handler(BaseHTTPRequestHandler):
    """One request; says nothing of us but what a page says."""

    timeout = _CONNECTION_S
    server_version = "cxpulse"
    sys_version = ""

    def do_GET(self) -> None:
        """A page with its body."""
        self._answer(self._page())

    def do_HEAD(self) -> None:
        """The same without its body."""
        self._answer(self._page())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server refuses; to it an unknown method is 501."""
        del message, explain  # they quote the request
        status = HTTPStatus(code)
        if status is HTTPStatus.NOT_IMPLEMENTED:
            status = HTTPStatus.METHOD_NOT_ALLOWED
        self._answer(_json(status, {"error": status.phrase}))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Not to the log: a check comes every few seconds."""

    def _page(self) -> Page:
        make = cast("HealthServer", self.server).routes.get(urlsplit(self.path).path)
        if make is None:
            return _json(HTTPStatus.NOT_FOUND, {"error": HTTPStatus.NOT_FOUND.phrase})
        try:
            return make()
        except Exception:
            log.exception("no answer could be made for %s", self.path)
            error = HTTPStatus.INTERNAL_SERVER_ERROR
            return _json(error, {"error": error.phrase})

    def _answer(self, page: Page) -> None:
        self.close_connection = True
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        if page.status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.body)
