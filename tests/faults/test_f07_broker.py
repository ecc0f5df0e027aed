"""The broker goes away and comes back.

::

    produce   |====|                |====|                     |====|
    broker    |-----x |--------------------x                  |------ - -    x: kill -9
    worker    |---- : ------------------- :                  : ----- - -
                   restart at once          longer than the session timeout

Expected: the worker resumes by itself, without a restart; everything is counted once.
"""

import asyncio
from typing import Final

import pytest

from processor.embedded.kafka import EmbeddedKafka
from tests.faults.conftest import NewScenario

SESSION_TIMEOUT_S: Final = 6.0
"""The workers', see the deployment's environment."""


@pytest.mark.timeout(180)
async def test_f07_the_broker_restarts_and_stays_away_for_longer_than_a_session(
    new_scenario: NewScenario, own_kafka: EmbeddedKafka
) -> None:
    scenario = new_scenario(bootstrap=own_kafka.bootstrap)
    log = scenario.write_log(15_000, over_s=30)
    await scenario.create_topics()
    with scenario.worker() as worker:
        await worker.until_ready()
        pid = worker.pid
        await scenario.send(log[:5_000])
        await scenario.until_counted(2_000)
        own_kafka.kill()
        await asyncio.to_thread(own_kafka.start)
        await scenario.send(log[5_000:10_000])
        await scenario.until_counted(10_000)
        own_kafka.kill()
        # The fault itself: nobody to talk to for longer than a session lasts.
        await asyncio.sleep(SESSION_TIMEOUT_S + 2)
        assert worker.running, worker.log()
        await asyncio.to_thread(own_kafka.start)
        await scenario.send(log[10_000:])
        await scenario.until_counted(15_000)
        await scenario.equal()
        assert (worker.running, worker.pid) == (True, pid)
        assert (await asyncio.to_thread(worker.terminate, 30))[0] == 0
