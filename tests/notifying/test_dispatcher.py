"""The dispatcher: only who leads tells, and what it depends on may go and come back."""

import asyncio

import pytest

from processor.embedded.redis import EmbeddedRedis
from processor.notifying.dispatcher import Dispatcher
from processor.state.cancelling import cancel_until_done
from processor.state.keys import Keys
from processor.state.redis_url import async_client
from tests.harness.waiting import PATIENCE, eventually
from tests.notifying.outboxes import Outboxes, alert, now_ms, receiver
from tests.notifying.receiving import SECRET, Receiving

pytestmark = pytest.mark.timeout(60)


async def test_only_who_leads_tells(outbox: Outboxes, receiving: Receiving) -> None:
    hook = receiver("webhook", receiving.url, secret=SECRET)
    leading = {"a": False, "b": False}
    slept = {"a": 0, "b": 0}

    def dispatcher(name: str) -> "asyncio.Task[None]":
        async def sleep(seconds: float) -> None:
            slept[name] += 1
            await asyncio.sleep(seconds)

        made = Dispatcher([hook], redis=outbox.redis, keys=outbox.keys, now_ms=now_ms)
        return asyncio.create_task(made.run_forever(lambda: leading[name], sleep))

    async def looks(name: str) -> None:
        """Wait until it has looked who leads, and what it had to end has ended."""
        before = slept[name]
        await receiving.until(lambda: slept[name] > before + 2, "looks")

    tasks = [dispatcher(name) for name in leading]
    try:
        await outbox.change(alert())
        for name in leading:
            await looks(name)
        assert receiving.requests == []
        leading["a"] = True
        await receiving.until(lambda: receiving.messages, "told by the first")
        await eventually(outbox.told, what="kept for who leads next")
        leading["a"] = False
        await looks("a")
        await outbox.change(alert("resolved"))
        await looks("a")
        assert receiving.distinct == [("web", "firing")]
        leading["b"] = True
        await receiving.until(lambda: len(receiving.distinct) == 2, "told by the second")
        assert len(receiving.messages) == 2
    finally:
        await cancel_until_done(tasks)


async def test_redis_goes_and_comes_back(receiving: Receiving) -> None:
    hook = receiver("webhook", receiving.url, secret=SECRET)
    with EmbeddedRedis() as server:
        redis = async_client(server.url, timeout_s=2.0 * PATIENCE, retries=0)
        outbox = Outboxes(redis, Keys("away"))
        async with outbox.dispatching(hook):
            await outbox.change(alert())
            await receiving.until(lambda: receiving.messages, "before")
            await eventually(outbox.told, what="kept for when it comes back")
            await asyncio.to_thread(server.restart)  # with all that it held
            await redis.connection_pool.disconnect()
            await outbox.change(alert("resolved"))
            await receiving.until(lambda: len(receiving.distinct) == 2, "after")
        await redis.aclose()
    assert len(receiving.messages) == 2
