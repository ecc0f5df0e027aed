"""The hub over a Redis that forgets, goes back, or was trimmed meanwhile."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from processor.monitor.clients import Client
from processor.monitor.filters import Filter
from processor.monitor.monitor import Monitor
from processor.monitor.ring import Place, Ring
from processor.settings import Settings
from processor.state.keys import Keys
from tests.harness.waiting import eventually
from tests.monitor.publishing import Publishing, reading

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def monitor(settings: Settings, publishing: Publishing) -> AsyncIterator[Monitor]:
    await publishing.tick(reading("nps", 1.0), reading("csat", 1.0))
    one = Monitor(settings)
    await one.start()
    await until(one, {"nps": 1.0, "csat": 1.0})
    yield one
    await one.stop()


async def until(monitor: Monitor, values: dict[str, float]) -> None:
    async def seen() -> dict[str, Any]:
        return {row.metric: row.fields["value"] for row in monitor.hub.rows.values()}

    await eventually(seen, lambda now: now == values, what=f"{values}")


async def names(client: Client) -> list[str]:
    lines = (await client.take()).decode().splitlines()
    found = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    return [name for name in found if name not in {"status", "alerts"}]


async def test_emptied(monitor: Monitor, redis: Redis, keys: Keys, publishing: Publishing) -> None:
    client = monitor.hub.subscribe(Filter())
    assert await names(client) == ["snapshot"]
    await redis.delete(keys.status, keys.readings, keys.updates)
    publishing.revision += 1_000_000  # as a leader does that begins anew
    await publishing.tick(reading("csat", 2.0))
    await publishing.tick(reading("csat", 3.0))
    await until(monitor, {"csat": 3.0})
    told: list[str] = []
    while "snapshot" not in told:
        told += await names(client)


async def test_emptied_and_nothing_published_since(
    monitor: Monitor, redis: Redis, keys: Keys
) -> None:
    await redis.delete(keys.status, keys.readings, keys.updates)
    await until(monitor, {})
    assert monitor.hub.status.as_dict()["revision"] == 0


async def test_rolled_back(
    monitor: Monitor, redis: Redis, keys: Keys, publishing: Publishing
) -> None:
    dumps = {key: await redis.dump(key) for key in (keys.status, keys.readings, keys.updates)}
    await publishing.tick(reading("ctr", 9.0))
    await until(monitor, {"nps": 1.0, "csat": 1.0, "ctr": 9.0})
    at_once: Any = redis.pipeline(transaction=True)
    for key, dump in dumps.items():
        assert dump is not None
        at_once.restore(key, 0, dump, replace=True)
    await at_once.execute()
    await until(monitor, {"nps": 1.0, "csat": 1.0})


async def test_trimmed_while_away(
    monitor: Monitor, redis: Redis, keys: Keys, publishing: Publishing
) -> None:
    client = monitor.hub.subscribe(Filter())
    await names(client)
    publishing.leader = "2:another"  # makes the hub look whether it has missed anything
    await redis.hset(keys.readings, "ces|24h|all", json.dumps(reading("ces", 6.0)))
    await redis.xtrim(keys.updates, maxlen=0, approximate=False)
    await publishing.tick(reading("nps", 2.0))
    await until(monitor, {"nps": 2.0, "csat": 1.0, "ces": 6.0})


async def test_another_leader_is_no_gap(monitor: Monitor, publishing: Publishing) -> None:
    client = monitor.hub.subscribe(Filter())
    assert await names(client) == ["snapshot"]
    publishing.leader = "2:another"
    publishing.revision += 1_000_000
    await publishing.tick(reading("nps", 2.0))
    await until(monitor, {"nps": 2.0, "csat": 1.0})
    assert "readings" in await names(client)


async def test_what_is_not_a_reading_is_not_the_end(
    monitor: Monitor, redis: Redis, keys: Keys, publishing: Publishing
) -> None:
    async def error() -> str | None:
        return monitor.hub.error

    await eventually(error, lambda e: e is None, what="a first round without an error")
    await redis.xadd(keys.updates, {"revision": "x", "readings": "[{}"})
    await eventually(error, lambda e: e is not None, what="an error that is told")
    await redis.delete(keys.updates)
    await publishing.tick(reading("nps", 5.0))
    await until(monitor, {"nps": 5.0, "csat": 1.0})


@pytest.mark.parametrize("number", [500, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_many_series(monitor: Monitor, publishing: Publishing, number: int) -> None:
    many = [reading(segment={"channel": f"c{n}"}) for n in range(number)]
    client = monitor.hub.subscribe(Filter())
    await names(client)
    await publishing.tick(*many)

    async def rows() -> int:
        return len(monitor.hub.rows)

    await eventually(rows, lambda n: n == number + 2, what="all of them")
    assert len(monitor.hub.keys()) == number + 2


def test_a_ring_is_bounded() -> None:
    ring = Ring(updates_max=3, keys_max=5)
    for number in range(1, 6):
        ring.add(Place(number, f"{number}-0"), [f"k{number}", f"j{number}"])
    assert ring.since(Place(3, "3-0")) is None
    assert ring.since(Place(4, "4-0")) == {"k5", "j5"}
    assert ring.since(Place(3, "4-0")) is None, "an entry of that id, but of another history"
    assert ring.since(Place(5, "5-0")) == set()
