"""A monitor that serves in the test's own loop, and clients of its stream."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from processor.monitor.app import create_app
from processor.monitor.monitor import Monitor
from processor.monitor.server import MonitorServer, listen
from processor.settings import Settings
from tests.harness.waiting import PATIENCE, eventually

TOKEN = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Served:
    """A monitor that serves.

    Attributes:
        url: its address, without a slash at the end.
        port: its port.
        monitor: its parts.
        http: a client without a token.
    """

    url: str
    port: int
    monitor: Monitor
    http: httpx.AsyncClient


def settings_of(
    redis_url: str, prefix: str, *, timeout_s: float = 10 * PATIENCE, **monitor: Any
) -> Settings:
    """The configuration of a monitor on a Redis.

    Unless told it is a patient one: on a machine that is slow for seconds no tick is stale, and a
    Redis that is there is not taken for one that is away, after which there would be a snapshot.
    """
    return Settings.model_validate(
        {
            "redis": {"url": redis_url, "prefix": prefix.rstrip(":"), "timeout_s": timeout_s},
            "monitor": {"port": 0, "stale_after_s": 20 * PATIENCE, **monitor},
        }
    )


@asynccontextmanager
async def serving(settings: Settings, *, port: int = 0) -> AsyncIterator[Served]:
    """Serve a monitor; it has read Redis, which is to be there, when this yields."""
    app = create_app(settings)
    monitor: Monitor = app.state.monitor
    listening = listen("127.0.0.1", port)
    port = listening.getsockname()[1]
    server = MonitorServer(app, settings.monitor)
    task = asyncio.create_task(server.serve(sockets=[listening]))

    async def has_read() -> bool:
        assert not task.done(), "the server ended"
        return server.started and monitor.hub.error is None

    url = f"http://127.0.0.1:{port}"
    try:
        await eventually(has_read, what="a monitor that has read Redis")
        # Connections that rest are closed by the server after seconds: none is used again then, or
        # a request could meet its end.
        limits = httpx.Limits(keepalive_expiry=1.0)
        async with httpx.AsyncClient(base_url=url, timeout=10 * PATIENCE, limits=limits) as http:
            yield Served(url, port, monitor, http)
    finally:
        server.should_exit = True
        await task
        listening.close()


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event."""

    name: str
    data: Any
    id: str | None


class Follower:
    """Reads a stream's events."""

    def __init__(self, response: httpx.Response) -> None:
        self._events = self._parse(response)

    async def next(self, *names: str) -> Event:
        """The next event of these names; others are passed over."""
        async with asyncio.timeout(20 * PATIENCE):
            async for event in self._events:
                if not names or event.name in names:
                    return event
        raise AssertionError(f"the stream ended before {names}")

    async def rows(self) -> dict[str, Any]:
        """The rows of the next event that has some, by key."""
        event = await self.next("snapshot", "readings")
        return {row["key"]: row["value"] for row in event.data["readings"]}

    @staticmethod
    async def _parse(response: httpx.Response) -> AsyncIterator[Event]:
        fields: dict[str, str] = {}
        async for line in response.aiter_lines():
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            elif "event" in fields:
                yield Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
                fields = {}
            else:
                fields = {}


@asynccontextmanager
async def following(
    served: Served, query: str = "", headers: dict[str, str] | None = None
) -> AsyncIterator[Follower]:
    """Follow a monitor's stream."""
    async with served.http.stream("GET", f"/api/stream{query}", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Follower(response)
