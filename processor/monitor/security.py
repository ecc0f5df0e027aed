"""What stands before every route: who asks, whom they ask, how much; and what browsers may do.

Plain ASGI: streams pass through without a task or a queue of their own.
"""

import logging
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from processor.monitor.problems import Problem
from processor.monitor.sessions import COOKIE, Doorkeeper
from processor.settings import MonitorSettings

log = logging.getLogger(__name__)

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with none a browser sends no origin with the login form
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_OPEN: Final = frozenset({"/livez", "/readyz", "/login", "/favicon.ico"})
_HEADERS_MAX: Final = 32_768
_STREAM: Final = "/api/stream"
_NEXT_MAX: Final = 1_000
"""A longer query is not carried through the login."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1", "ip6-localhost"})


class SecurityHeaders:
    """Adds to every answer what browsers are to know."""

    def __init__(self, app: ASGIApp, *, cors: bool) -> None:
        self._app = app
        self._headers = dict(HEADERS)
        if cors:  # others may read it: that is what their origin is listed for
            self._headers["Cross-Origin-Resource-Policy"] = "cross-origin"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # Told here, as what the framework tells of itself passes by these headers.
            log.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise
            problem = Problem(500, "an error of ours; the monitor's log has more of it")
            await problem.response(scope["path"])(scope, receive, send_with_headers)


class Guard:
    """Lets through what may pass, and answers the rest with a problem.

    Args:
        app: what is guarded.
        settings: hosts and limits.
        doorkeeper: knows the token and the sessions.
    """

    def __init__(self, app: ASGIApp, *, settings: MonitorSettings, doorkeeper: Doorkeeper) -> None:
        self._app = app
        self._settings = settings
        self._doorkeeper = doorkeeper
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        if settings.on_loopback:
            self._hosts |= _LOOPBACK | {settings.host.lower()}
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            answer = self._refusal(scope)
        except Problem as problem:
            answer = problem.response(scope["path"])
        if answer is not None:
            await answer(scope, receive, send)
        elif scope["path"] == _STREAM:  # the hub counts these
            await self._app(scope, receive, send)
        else:
            self._requests += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._requests -= 1

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        self._check_host(headers)
        self._check_size(scope, headers)
        self._check_origin(scope, headers)
        if self._requests >= self._settings.requests_max and scope["path"] not in _OPEN:
            raise Problem(
                503,
                f"{self._requests} requests are being answered; try again",
                headers={"Retry-After": "1"},
            )
        return self._stranger(scope, headers)

    def _check_host(self, headers: Headers) -> None:
        """Against DNS rebinding: a page of another name must not reach a local monitor."""
        hosts = headers.getlist("host")
        name = _host_name(hosts[0]) if len(hosts) == 1 else None
        if name is None:
            raise Problem(400, "the request has not one Host header")
        if self._hosts and name not in self._hosts:
            raise Problem(
                421,
                "this monitor does not answer to the name in the Host header; "
                "monitor.allowed_hosts names further ones",
            )

    def _check_size(self, scope: Scope, headers: Headers) -> None:
        most = self._settings.query_max_bytes
        if len(scope["query_string"]) > most or len(scope["path"]) > most:
            raise Problem(414, f"the query is longer than {most} bytes")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > _HEADERS_MAX:
            raise Problem(431, f"the headers are longer than {_HEADERS_MAX} bytes")
        length = headers.get("content-length", "0")
        most = self._settings.body_max_bytes
        if not length.isascii() or not length.isdigit() or int(length[:20]) > most:
            raise Problem(413, f"the body is longer than {most} bytes")

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """A form on another site must not log anybody in or out."""
        if scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            return
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != headers["host"].lower():
            raise Problem(403, "the request comes from a page of another origin")

    def _stranger(self, scope: Scope, headers: Headers) -> Response | None:
        path = scope["path"]
        if self._doorkeeper.is_open or path in _OPEN or path.startswith("/static/"):
            return None
        session = session_of(headers)
        if session is not None and self._doorkeeper.knows_session(session):
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            address = address_of(scope)
            require_patience(self._doorkeeper, address)
            if self._doorkeeper.knows_token(token.strip()):
                return None
            self._doorkeeper.guessed_wrong(address)
        elif path == "/" and "text/html" in headers.get("accept", ""):
            asked = scope["query_string"].decode("latin-1")
            then = f"?next={quote(f'/?{asked}', safe='')}" if 0 < len(asked) <= _NEXT_MAX else ""
            return RedirectResponse(f"/login{then}", 303, {"Cache-Control": "no-store"})
        raise Problem(
            401,
            "the monitor's token is needed: Authorization: Bearer …, or a session from /login",
            headers={"WWW-Authenticate": 'Bearer realm="cxpulse"'},
        )


def require_patience(doorkeeper: Doorkeeper, address: str) -> None:
    """Make those wait who tried too many tokens.

    Raises:
        Problem: 429.
    """
    wait_s = doorkeeper.wait_s(address)
    if wait_s > 0:
        raise Problem(
            429, "too many wrong tokens; try again later", headers={"Retry-After": f"{wait_s:.0f}"}
        )


def session_of(headers: Headers) -> str | None:
    """The session that a browser sends, if it does."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return None
    found = cookies.get(COOKIE)
    return None if found is None else found.value


def address_of(scope: Scope) -> str:
    """Who asks."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _host_name(host: str) -> str | None:
    """The name in a Host header, without its port."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 - raises where it is not a number
    except ValueError:
        return None
    return None if parts.hostname is None or parts.path or parts.username else parts.hostname


def _netloc(origin: str) -> str:
    """Host and port of an origin, in small letters; empty where it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
