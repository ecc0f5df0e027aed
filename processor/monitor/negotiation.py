"""What HTTP asks of every resource: HEAD beside GET, and tags that hold for every encoding.

Plain ASGI, as what stands before the routes is.
"""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ENDLESS: Final = "/api/stream"


class HeadAsGet:
    """Answers HEAD as GET; the server leaves out the body. A stream, which never ends, has none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and scope["method"] == "HEAD" and scope["path"] != _ENDLESS:
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


class WeakTags:
    """Makes entity tags weak: a strong one would claim that compressed bytes are the plain ones."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_weak(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                tag = headers.get("etag")
                if tag is not None and not tag.startswith("W/"):
                    headers["etag"] = f"W/{tag}"
            await send(message)

        await self._app(scope, receive, send_weak)
