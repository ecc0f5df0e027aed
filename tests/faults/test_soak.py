"""Two workers, a broker and a Redis, any of them killed or suspended at random, while events come.

::

    produce   |==================================================|
    worker a  |-----x |------------~~~~~~-------------------x |--- - -     x: kill -9, restarted
    worker b  |------------x |-------------------~~~~------------- - -     ~: suspended
    broker    |--------x    |------------------~~~---------------- - -
    Redis     |----------------x  |---~~~~~----------------x |---- - -

Expected: counting goes on by itself after each; in the end everything is counted once.
"""

import asyncio
import os

import pytest

from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis
from tests.faults.conftest import NewScenario
from tests.faults.scenario import Scenario
from tests.faults.soak import RESUME_WITHIN_S, RandomFaults
from tests.harness.running import say

SECONDS = float(os.environ.get("CX_SOAK_SECONDS") or 1_800)
SHORT_S = 15.0


async def survives(
    scenario: Scenario, kafka: EmbeddedKafka, redis: EmbeddedRedis, for_s: float, rate: int
) -> None:
    # Events go on until the last fault is survived: the pace is slower than the time needs.
    over_s = for_s + 15
    scenario.write_log(int(rate * over_s), over_s=over_s)
    await scenario.create_topics()
    a, b = scenario.worker("a"), scenario.worker("b")
    with a, b:
        await scenario.until_owned(a, b)
        # A producer gives a record up after this time.
        sending = scenario.sending(over_s, request_timeout_ms=int(RESUME_WITHIN_S * 1000))
        await scenario.until_more_counted(100)
        faults = RandomFaults(scenario, kafka, redis, (a, b), sending)
        try:
            await faults.run(for_s)
        finally:
            faults.report()
        await sending
        say(f"seed {scenario.seed}: {len(scenario.log):,} events sent")
        await faults.until_all_count()
        await scenario.equal()
        for worker in (a, b):
            assert (await asyncio.to_thread(worker.terminate, 30))[0] == 0, worker.log()


@pytest.mark.timeout(300)
async def test_soak_random_faults_for_a_moment(
    new_scenario: NewScenario, own_kafka: EmbeddedKafka, own_redis: EmbeddedRedis
) -> None:
    scenario = new_scenario(own_kafka.bootstrap, own_redis.url)
    await survives(scenario, own_kafka, own_redis, SHORT_S, rate=300)


@pytest.mark.soak
@pytest.mark.timeout(2 * SECONDS + 600)
async def test_soak_random_faults(
    new_scenario: NewScenario, own_kafka: EmbeddedKafka, own_redis: EmbeddedRedis
) -> None:
    settings = {"PUBLISHER__INTERVAL_S": "2"}
    scenario = new_scenario(own_kafka.bootstrap, own_redis.url, settings=settings)
    await survives(scenario, own_kafka, own_redis, SECONDS, rate=300)
