"""Apprise's services, asked for real: its JSON service at a receiver of ours."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from processor.notifying.apprise import body, title
from processor.notifying.notification import Change, Notification
from processor.settings import AnyReceiver
from tests.harness.waiting import PATIENCE, eventually
from tests.notifying.outboxes import Outboxes, alert, receiver

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of what its services import
]


class Chat:
    """Takes what Apprise's JSON service posts."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.port = 0
        self.runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/chat", self.take)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]

    async def take(self, request: web.Request) -> web.Response:
        self.messages.append(json.loads(await request.text()))
        return web.Response()


def load() -> None:
    """What the first call does: on a busy machine it takes longer than a call may."""
    import apprise as library  # noqa: PLC0415 - where warnings of what it imports are let pass

    assert library.Apprise.instantiate("json://127.0.0.1")


@pytest.fixture
async def chat() -> AsyncIterator[Chat]:
    await asyncio.to_thread(load)
    chat = Chat()
    await chat.start()
    yield chat
    assert chat.runner is not None
    await chat.runner.cleanup()


def apprise(chat: Chat, **settings: Any) -> AnyReceiver:
    return receiver("apprise", f"json://127.0.0.1:{chat.port}/chat", **settings)


async def test_people_read_what_began_and_what_ended(outbox: Outboxes, chat: Chat) -> None:
    async with outbox.dispatching(apprise(chat)):
        await outbox.change(alert())
        await eventually(lambda: _count(chat), (1).__eq__, what="firing")
        await outbox.change(alert("resolved"))
        await eventually(lambda: _count(chat), (2).__eq__, what="resolved")
    first, last = chat.messages
    assert first["title"] == "[FIRING 1] NPS low"
    assert "critical (channel web): NPS is low" in first["message"]
    assert "firing since 2026-02-25T06:13:20" in first["message"]
    assert "https://cx.example.org/?window=24h" in first["message"]
    assert last["title"] == "[RESOLVED] NPS low"


async def test_an_address_of_this_machine_has_to_be_allowed(outbox: Outboxes, chat: Chat) -> None:
    async with outbox.dispatching(
        apprise(chat, name="refused", allow_private=False),
        apprise(chat, name="named", allow_private=False, allowed_hosts=["127.0.0.1"]),
    ):
        await outbox.change(alert())
        (given_up,) = await eventually(outbox.undelivered, what="given up")
        await eventually(lambda: _count(chat), bool, what="told the other")
    assert given_up["receiver"] == "refused"
    assert "its address is loopback" in given_up["reason"]
    assert len(chat.messages) == 1


async def test_a_call_that_hangs_is_left_to_itself(outbox: Outboxes, chat: Chat) -> None:
    """A service that accepts and never answers: other receivers are told meanwhile."""

    held = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    hangs = receiver(
        "apprise", f"json://127.0.0.1:{port}/", name="hangs", timeout_s=0.5, connect_timeout_s=0.5
    )
    began = time.monotonic()
    async with outbox.dispatching(hangs, apprise(chat)):
        await outbox.change(alert())
        await eventually(lambda: _count(chat), bool, what="told the other")
    assert time.monotonic() - began < 10 * PATIENCE
    held.set()
    server.close()
    await server.wait_closed()


def test_words_for_many() -> None:
    changes = tuple(Change("1-0", alert(channel=f"c{n:02}")) for n in range(25))
    many = Notification((("alertname", "NPS low"), ("team", "web")), changes, (), 5)
    assert title(many) == "[FIRING 30] NPS low, web"
    assert body(many, "").endswith("and 10 more")


async def _count(chat: Chat) -> int:
    return len(chat.messages)
