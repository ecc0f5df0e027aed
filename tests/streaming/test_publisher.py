"""The publisher on a real Redis and Kafka, with the clock moved by hand."""

import asyncio
import time

import pytest
from redis.asyncio import Redis

from processor.state.keys import Keys
from processor.state.redis_url import async_client
from tests.harness.kafka import create_topics
from tests.harness.proxy import LossyProxy
from tests.harness.state import StoredState
from tests.harness.worker import Deployment
from tests.state.flushing import T0, changes
from tests.streaming.owning import now_ms
from tests.streaming.publishing import MINUTE_MS, flush, owned, publishing, readings_in_kafka


async def test_a_new_leader_takes_back_what_is_over(
    deployment: Deployment, state: StoredState, redis: Redis
) -> None:
    """A minute's reading with one answer is not the last word ten minutes later."""
    await create_topics(deployment)
    store = await owned(redis, deployment)
    await flush(store, T0, "channel=web", nps_9=1, order_n_USD=1, order_minor_USD=500)
    over = ("nps|1m|channel=web", "nps|5m|all", "revenue|1m|channel=web|USD", "revenue|5m|all|USD")
    async with publishing(deployment, redis) as publisher:
        await publisher.tick()
        assert {(await state.readings())[key]["n"] for key in over} == {1}
    later_ms = T0 + 11 * MINUTE_MS
    await store.flush(changes(clock_ms=later_ms), 2)
    async with publishing(deployment, redis, at_ms=later_ms, holder="b") as publisher:
        await publisher.tick()
    for readings in (await state.readings(), await readings_in_kafka(deployment)):
        assert {key: readings[key]["n"] for key in over} == dict.fromkeys(over, 0)
        assert readings["nps|5m|all"]["value"] is None
        assert readings["nps|1h|channel=web"]["n"] == 1


async def test_a_load_longer_than_the_lease_keeps_the_lease(
    deployment: Deployment, state: StoredState, redis: Redis
) -> None:
    """Else two workers take the lead from one another for ever, and none gets to publish."""
    await create_topics(deployment)
    for partition in range(8):
        await flush(await owned(redis, deployment, partition), T0, "channel=web", nps_9=1)
    async with LossyProxy(deployment.redis_url) as network:
        network.delay_s = 0.15
        slow = async_client(network.url, timeout_s=60)
        async with publishing(deployment, slow, lease_ttl_s=3.0) as publisher:
            began = time.monotonic()
            assert await publisher.tick() > 0
            assert time.monotonic() - began > 3.0, "not longer than the lease"
        await slow.aclose()
    assert (await state.readings())["nps|1h|all"]["n"] == 8


async def test_the_rest_after_a_long_tick_is_shorter_than_the_lease(
    deployment: Deployment, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next one begins with all panes, and is a long one for that."""

    class EnoughError(Exception):
        pass

    rests: list[float] = []

    async def tick() -> int:
        await asyncio.sleep(1.1)  # longer than the interval
        return 0

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        raise EnoughError

    async with publishing(deployment, redis, lease_ttl_s=0.2) as publisher:
        monkeypatch.setattr(publisher, "tick", tick)
        with pytest.raises(EnoughError):
            await publisher.run_forever(rest)
    assert 0 < rests[0] < 0.2


async def test_revisions_go_on_when_redis_has_lost_them(
    deployment: Deployment, state: StoredState, redis: Redis
) -> None:
    await create_topics(deployment)
    store = await owned(redis, deployment)
    await flush(store, T0, "channel=web", nps_9=1)
    async with publishing(deployment, redis) as publisher:
        for _ in range(5):
            await publisher.tick()
    before = await readings_in_kafka(deployment)
    await redis.delete(Keys(deployment.redis_prefix).status)
    await flush(store, T0 + 1_000, "channel=web", nps_9=1)
    async with publishing(deployment, redis, at_ms=T0 + 3_000, holder="b") as publisher:
        await publisher.tick()
    after = await readings_in_kafka(deployment)
    assert after["nps|1h|all"]["n"] == 2
    for key, row in before.items():
        assert after[key]["revision"] > row["revision"], key


async def test_a_tick_that_changes_nothing_publishes_nothing(
    deployment: Deployment, state: StoredState, redis: Redis
) -> None:
    await create_topics(deployment)
    store = await owned(redis, deployment)
    await flush(store, T0, "channel=web", nps_9=1)
    async with publishing(deployment, redis) as publisher:
        assert await publisher.tick() > 0
        revision = await state.revision()
        assert await publisher.tick() == 0
        assert await state.revision() == revision + 1  # alive, and says so


async def test_the_clock_of_windows_never_passes_now(
    deployment: Deployment, state: StoredState, redis: Redis
) -> None:
    """A producer's clock that is five minutes ahead does not empty everybody's last minute."""
    await create_topics(deployment)
    store = await owned(redis, deployment)
    ahead_ms = now_ms() + 4 * MINUTE_MS
    await flush(store, ahead_ms - 4 * MINUTE_MS, "channel=web", nps_9=1)
    await store.flush(changes(clock_ms=ahead_ms), 2)
    async with publishing(deployment, redis, at_ms=ahead_ms - 4 * MINUTE_MS) as publisher:
        await publisher.tick()
    assert (await state.readings())["nps|1m|all"]["n"] == 1


async def test_another_leader_takes_back_what_redis_has_forgotten(
    deployment: Deployment, state: StoredState, redis: Redis
) -> None:
    """The topic is the only one that still knows of a minute's reading: it must not stand."""
    await create_topics(deployment)
    store = await owned(redis, deployment)
    await flush(store, T0, "channel=web", nps_9=1)
    async with publishing(deployment, redis) as publisher:
        await publisher.tick()
    assert (await readings_in_kafka(deployment))["nps|1m|channel=web"]["n"] == 1
    await redis.delete(*[key async for key in redis.scan_iter(f"{deployment.redis_prefix}:*")])
    store = await owned(redis, deployment)
    await store.flush(changes(clock_ms=T0 + 11 * MINUTE_MS), 1)
    async with publishing(deployment, redis, at_ms=T0 + 11 * MINUTE_MS, holder="b") as publisher:
        await publisher.tick()
    readings = await state.readings()
    assert readings["nps|1m|channel=web"]["n"] == 0
    assert await readings_in_kafka(deployment) == readings
