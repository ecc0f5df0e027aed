"""The stream: snapshot, changes, resume, and what it does to those who do not read."""

import asyncio
import socket
from typing import Any

import pytest

from processor.embedded.redis import EmbeddedRedis
from processor.settings import Settings
from processor.state.keys import Keys
from processor.state.redis_url import async_client
from tests.harness.waiting import PATIENCE, eventually
from tests.monitor.publishing import Publishing, reading
from tests.monitor.serving import Served, following, serving, settings_of

pytestmark = pytest.mark.timeout(60)

ODD = "<script>\"'&🎉, =1+1:*%\u2028".ljust(64, "x")


async def test_a_snapshot_then_what_changed(served: Served, publishing: Publishing) -> None:
    await publishing.tick(reading("nps", 10.0), reading("csat", 80.0))
    async with following(served) as stream:
        # The monitor may see the tick before or after the client came.
        seen = await stream.rows()
        while len(seen) < 2:
            seen |= await stream.rows()
        assert seen == {"nps|24h|all": 10.0, "csat|24h|all": 80.0}
        revision = await publishing.tick(reading("nps", 12.0))
        event = await stream.next("readings")
        assert [row["value"] for row in event.data["readings"]] == [12.0]
        assert event.data["status"]["revision"] == revision
        assert event.id is not None
        assert event.id.startswith(f"{revision}-")


async def test_only_what_was_asked_for(served: Served, publishing: Publishing) -> None:
    async with following(served, "?metric=nps&segment=channel:*&segment=all") as stream:
        await stream.next("snapshot")
        await publishing.tick(
            reading("nps", 1.0),
            reading("csat", 2.0),
            reading("nps", 3.0, segment={"channel": "web"}),
            reading("nps", 4.0, segment={"channel": "web", "product": "x"}),
        )
        assert await stream.rows() == {"nps|24h|all": 1.0, "nps|24h|channel=web": 3.0}


async def test_a_tick_without_changes_is_told(served: Served, publishing: Publishing) -> None:
    await publishing.tick(reading())
    async with following(served) as stream:
        while not await stream.rows():
            pass  # else the message with the reading might tell of both ticks
        revision = await publishing.tick()
        while True:
            event = await stream.next("status")
            if event.data["status"]["revision"] == revision:
                break
        assert event.data["status"]["stale"] is False


async def test_values_pass_as_text(served: Served, publishing: Publishing) -> None:
    assert len(ODD) == 64
    async with following(served) as stream:
        await stream.next("snapshot")
        await publishing.tick(reading(segment={"channel": ODD}))
        event = await stream.next("readings")
        assert event.data["readings"][0]["segment"] == {"channel": ODD}


async def test_resumes_over_a_restart(settings: Settings, publishing: Publishing) -> None:
    await publishing.tick(reading("nps", 1.0), reading("csat", 1.0))
    async with serving(settings) as served, following(served) as stream:
        last = (await stream.next("snapshot")).id
        assert last is not None
    await publishing.tick(reading("nps", 2.0))
    await publishing.tick(reading("nps", 3.0), reading("ctr", 5.0))
    async with serving(settings) as served:
        for query, headers in ((f"?last_event_id={last}", None), ("", {"Last-Event-ID": last})):
            async with following(served, query, headers) as stream:
                event = await stream.next()
                assert event.name == "readings"
                values = {row["metric"]: row["value"] for row in event.data["readings"]}
                assert values == {"nps": 3.0, "ctr": 5.0}
        for unknown in ("17-1700000000000-0", "x", "-", "1-2-3-4"):
            async with following(served, f"?last_event_id={unknown}") as stream:
                assert (await stream.next()).name == "snapshot"


async def test_one_too_many(redis_url: str, redis_prefix: str) -> None:
    settings = settings_of(redis_url, redis_prefix, stream_clients_max=2)
    async with serving(settings) as served:
        async with following(served), following(served):
            refused = await served.http.get("/api/stream")
            assert refused.status_code == 503
            assert refused.headers["content-type"] == "application/problem+json"
            assert int(refused.headers["retry-after"]) > 0

        async def clients() -> int:
            return served.monitor.hub.clients

        await eventually(clients, lambda n: n == 0, what="clients that went are not counted")
        async with following(served) as stream:
            await stream.next("snapshot")


async def test_who_does_not_read_is_dropped(served: Served, publishing: Publishing) -> None:
    large = [reading(segment={"channel": f"{n:064}"}) for n in range(400)]
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.connect(("127.0.0.1", served.port))
    lazy.sendall(b"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    try:
        async with following(served, "?metric=csat") as stream:
            await stream.next("snapshot")

            async def both() -> bool:
                return served.monitor.hub.clients == 2

            await eventually(both, what="both clients")
            for number in range(200):
                await publishing.tick(*large, reading("csat", float(number)))
                assert await stream.rows() == {"csat|24h|all": float(number)}
                if served.monitor.hub.dropped:
                    break
            assert served.monitor.hub.dropped == 1

            async def one() -> bool:
                return served.monitor.hub.clients == 1

            await eventually(one, what="the lazy one is gone")
            # It can read on: its connection was cut, not left to it.
            await publishing.tick(reading("csat", -1.0))
            assert await stream.rows() == {"csat|24h|all": -1.0}
    finally:
        lazy.close()


async def test_says_goodbye(settings: Settings) -> None:
    async with serving(settings) as served, following(served) as stream:
        await stream.next("snapshot")
        served.monitor.hub.say_goodbye("stopping")
        assert (await stream.next("bye")).data == {"reason": "stopping"}


async def test_a_redis_that_is_killed_and_comes_back() -> None:
    with EmbeddedRedis() as server:
        redis = async_client(server.url, timeout_s=10 * PATIENCE, retries=0)
        publishing = Publishing(redis, Keys("cx"))
        await publishing.tick(reading("nps", 1.0))
        settings = settings_of(server.url, "cx", stale_after_s=3.0)
        async with serving(settings) as served, following(served) as stream:
            assert await stream.rows() == {"nps|24h|all": 1.0}
            assert (await served.http.get("/readyz")).status_code in {200, 503}
            await publishing.tick(reading("nps", 1.5))  # fresh, however long all this took to start
            assert await stream.rows() == {"nps|24h|all": 1.5}
            server.kill()
            while not (await stream.next("status")).data["status"]["stale"]:
                pass

            async def checks() -> Any:
                refused = await served.http.get("/readyz")
                assert refused.status_code == 503
                return refused.json()["checks"]

            # What is published grows stale by itself; that Redis is away is another finding.
            await eventually(checks, lambda now: not now["redis"]["ok"], what="Redis is away")
            assert (await served.http.get("/livez")).status_code == 200
            kept = (await served.http.get("/api/readings")).json()
            assert kept["status"]["stale"]
            assert [row["value"] for row in kept["readings"]] == [1.5]
            server.restart()
            await redis.connection_pool.disconnect()
            await publishing.tick(reading("nps", 2.0))
            seen: dict[str, float] = {}
            while seen.get("nps|24h|all") != 2.0:
                seen |= await stream.rows()
        await redis.aclose()


async def test_a_redis_that_hangs_does_not_hold_up_answers() -> None:
    with EmbeddedRedis() as server:
        redis = async_client(server.url, timeout_s=10 * PATIENCE)
        await Publishing(redis, Keys("cx")).tick(reading())
        async with serving(settings_of(server.url, "cx", timeout_s=2.0)) as served:
            server.suspend()
            try:

                async def failing() -> bool:
                    return served.monitor.hub.error is not None

                await eventually(failing, what="a time-out of the hub")
                async with asyncio.timeout(5 * PATIENCE):
                    assert (await served.http.get("/livez")).status_code == 200
                    assert (await served.http.get("/api/readings")).status_code == 200
            finally:
                server.resume()
        await redis.aclose()
