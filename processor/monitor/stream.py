"""``/api/stream``: server-sent events, resumable, and an end for those who do not read."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from processor.monitor.clients import Client
from processor.monitor.filters import Filter
from processor.monitor.hub import Hub, TooManyClients
from processor.monitor.problems import Problem, problem_responses
from processor.monitor.query import monitor_of, wanted
from processor.monitor.ring import Place
from processor.state.cancelling import cancel_until_done

router = APIRouter(prefix="/api", tags=["readings"])

TRANSPORT: Final = "cxpulse.transport"
"""Where the server leaves the connection in a request's scope, to be cut."""

_BYE_S: Final = 1.0
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)
_EXAMPLE: Final = (
    "id: 1795347661453-1795347661453-0\n"
    "event: snapshot\n"
    'data: {"status":{"revision":1795347661453},"readings":[]}\n\n'
)


@router.get(
    "/stream",
    operation_id="followReadings",
    summary="Readings as they change",
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events. `snapshot`: status and all readings, first or "
            "where too much was missed; `readings`: status and those that changed; `status`: the "
            "status alone, where no reading changed; `alerts`: as /api/alerts, at first and when "
            "they or the silences change; `bye`: the reason for which the stream ends. Comments "
            "keep it open",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
        **problem_responses(422, 503),
    },
)
async def stream(
    request: Request,
    which: Annotated[Filter, Depends(wanted)],
    last_event_id: Annotated[
        str | None, Header(max_length=128, description="the id of the last event that was seen")
    ] = None,
    last_event_id_parameter: Annotated[
        str | None,
        Query(alias="last_event_id", max_length=128, description="the same, as a parameter"),
    ] = None,
) -> Response:
    """Follow the readings that are wanted; after a pause, what was missed comes first."""
    hub = monitor_of(request).hub
    given = last_event_id or last_event_id_parameter
    try:
        client = hub.subscribe(which, None if given is None else Place.parse(given))
    except TooManyClients:
        raise Problem(
            503,
            "the stream has as many clients as monitor.stream_clients_max allows",
            headers={"Retry-After": "10"},
        ) from None
    return EventStream(hub, which, client)


class EventStream(Response):
    """Sends a client's messages until it goes or is closed.

    Args:
        hub: where the client is subscribed, and leaves in the end.
        which: what it subscribed to.
        client: its messages.
    """

    def __init__(self, hub: Hub, which: Filter, client: Client) -> None:
        super().__init__()
        self._hub = hub
        self._which = which
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        tasks: list[asyncio.Task[Any]] = []
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            sending = asyncio.create_task(self._send(send))
            gone = asyncio.create_task(_until_gone(receive))
            closed = asyncio.create_task(self._client.closed.wait())
            tasks = [sending, gone, closed]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if closed.done():
                tasks = [sending, gone]
                await asyncio.wait(tasks, timeout=_BYE_S, return_when=asyncio.FIRST_COMPLETED)
                if not sending.done():
                    _cut(scope)
            if sending.done():
                sending.result()
        finally:
            self._hub.leave(self._which, self._client)
            await cancel_until_done(tasks)

    async def _send(self, send: Send) -> None:
        while messages := await self._client.take():
            await send({"type": "http.response.body", "body": messages, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _cut(scope: Scope) -> None:
    """End a connection whose other end does not read: closing it would wait for that."""
    transport: asyncio.Transport | None = scope.get(TRANSPORT)
    if transport is not None:
        transport.abort()
