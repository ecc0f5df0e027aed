"""A Redis that answers, and refuses.

::

    14  log      |==========|==========|
        Redis    |----------[ refuses  ]----------      full, or a replica: nothing is written
        worker   |----------[ tries    ]========|

    14  log      |=====================|
        scripts  |-f-f-f-f-f-f-f-f-f-f-f--------- - -   f: SCRIPT FLUSH, also between two flushes

Expected: a batch is written whole or not at all, and in the end everything is equal.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from processor.embedded.redis import EmbeddedRedis
from tests.faults.conftest import NewScenario
from tests.faults.scenario import Scenario
from tests.faults.stored import held_under
from tests.harness.running import say
from tests.harness.waiting import eventually

Change = Callable[[Redis], Awaitable[Any]]


async def fill(redis: Redis) -> None:
    await redis.config_set("maxmemory", 1)


async def make_room(redis: Redis) -> None:
    await redis.config_set("maxmemory", 0)


async def demote(redis: Redis) -> None:
    """A replica of a server that is not there keeps its data and takes no writes."""
    await redis.replicaof("127.0.0.1", 1)


async def promote(redis: Redis) -> None:
    await redis.replicaof("NO", "ONE")


async def everything(scenario: Scenario) -> dict[bytes, Any]:
    """What each key of the partitions holds; a dump's order may change with every look."""
    redis, prefix = scenario.state.redis, scenario.deployment.redis_prefix
    keys = [key async for key in redis.scan_iter(f"{prefix}:*") if b"{publisher}" not in key]
    return {key: await held_under(redis, key) for key in keys}


@pytest.mark.parametrize(
    ("refuse", "accept", "refusal"),
    [
        pytest.param(fill, make_room, "maxmemory", id="full"),
        pytest.param(demote, promote, "read only replica", id="read-only", marks=pytest.mark.soak),
    ],
)
@pytest.mark.timeout(120)
async def test_f14_a_redis_that_takes_no_writes_gets_none_in_part(
    new_scenario: NewScenario,
    own_redis: EmbeddedRedis,
    refuse: Change,
    accept: Change,
    refusal: str,
) -> None:
    scenario = new_scenario(redis_url=own_redis.url)
    scenario.write_log(12_000)
    half = len(scenario.log) // 2
    await scenario.create_topics()
    await scenario.send(scenario.log[:half])
    with scenario.worker() as worker:
        await worker.until_ready()
        await scenario.until_all_counted()
        await refuse(scenario.state.redis)
        before = await everything(scenario)
        await scenario.send(scenario.log[half:])

        async def told() -> set[str]:
            lines = worker.log_lines(refusal)
            names = {f"{topic}-{number}" for topic, number in scenario.partitions}
            return {name for name in names if any(name in line for line in lines)}

        await eventually(told, lambda names: len(names) >= 12, what="12 partitions that try")
        assert await everything(scenario) == before
        assert worker.running
        await accept(scenario.state.redis)
        await scenario.equal()


@pytest.mark.timeout(120)
async def test_f14_scripts_that_are_forgotten_are_loaded_again(
    new_scenario: NewScenario, own_redis: EmbeddedRedis
) -> None:
    scenario = new_scenario(redis_url=own_redis.url)
    scenario.write_log(12_000, over_s=6)
    await scenario.create_topics()
    with scenario.worker() as worker:
        await worker.until_ready()
        sending = scenario.sending(over_s=6)
        flushed = 0
        while not sending.done():
            await scenario.state.redis.script_flush()
            flushed += 1
            await asyncio.wait([sending], timeout=0.01)
        await sending
        say(f"{flushed} times forgotten")
        assert flushed > 10
        await scenario.equal()
        assert not worker.log_lines("NOSCRIPT"), worker.log()
