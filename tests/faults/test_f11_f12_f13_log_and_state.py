"""What is stored and the log do not meet any more.

::

    11  log      |==========|==========|          Redis    |----------x--------   x: emptied
        counts   |--------->0 ..... made again from the log, flagged meanwhile, then equal

    12  log      |==========x===|                 x: deleted, and made again under its name
        worker   |------------stops, exit code 1, names the topic

    13  log      |=====|xxxxx|==|                 x: deleted before it was counted
        counts   |-----|.....|--                  the gap is counted, readings say they lack events
"""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import TopicPartition

from processor.embedded.redis import EmbeddedRedis
from tests.faults.conftest import NewScenario
from tests.faults.scenario import Scenario
from tests.harness.kafka import Record, end_offsets, send
from tests.harness.waiting import eventually
from tests.streaming.owning import answer


async def flags(scenario: Scenario) -> dict[str, bool]:
    """Which readings say that they may lack events."""
    return {key: row["incomplete"] for key, row in (await scenario.state.readings()).items()}


@pytest.mark.timeout(180)
async def test_f11_an_emptied_redis_is_filled_again_from_the_log(
    new_scenario: NewScenario, own_redis: EmbeddedRedis
) -> None:
    scenario = new_scenario(redis_url=own_redis.url)
    scenario.write_log(12_000)
    half = len(scenario.log) // 2
    await scenario.create_topics()
    await scenario.send(scenario.log[:half])
    with scenario.worker() as worker:
        await worker.until_ready()
        await scenario.until_all_counted()
        await scenario.state.redis.flushall()
        await scenario.send(scenario.log[half:])
        await eventually(
            lambda: scenario.state.stat("rebuilds"), lambda n: n == 12, what="12 partitions rebuilt"
        )
        await scenario.until_all_counted()
        await eventually(
            lambda: flags(scenario),
            lambda seen: len(seen) > 100 and not any(seen.values()),
            what="readings that lack nothing",
        )
        await scenario.equal()


@pytest.mark.timeout(120)
async def test_f12_a_topic_that_was_made_again_ends_the_worker_and_is_named(
    scenario: Scenario,
) -> None:
    scenario.write_log(2_000)
    topic = scenario.deployment.topic("purchase")
    await scenario.create_topics()
    await scenario.send()
    with scenario.worker() as worker:
        await worker.until_ready()
        stored = await scenario.until_all_counted()
        worker.kill()
        admin = AIOKafkaAdminClient(bootstrap_servers=scenario.deployment.bootstrap)
        await admin.start()
        await admin.delete_topics([topic])

        async def made_again() -> bool:
            answered = await admin.create_topics([NewTopic(topic, 4, 1)])
            return all(code == 0 for _, code, *_ in answered.topic_errors)

        await eventually(made_again, what="the topic made again")
        await admin.close()
        before = await scenario.state.panes()
        worker.start()
        code = await asyncio.to_thread(worker.wait, 60)
        assert code == 1, worker.log()
        assert [line for line in worker.log_lines("made again") if topic in line], worker.log()
        assert not worker.log_lines("should not happen"), worker.log()
        assert await scenario.state.offsets(stored) == stored
        assert await scenario.state.panes() == before


@pytest.mark.timeout(120)
async def test_f13_events_that_expired_uncounted_are_counted_as_missed_and_flagged(
    scenario: Scenario,
) -> None:
    await scenario.create_topics()
    topic = scenario.deployment.topic("survey-response")
    records = [Record(topic, b"k", answer(n)) for n in range(30)]
    with scenario.worker() as worker:
        await worker.until_ready()
        await send(scenario.deployment, records[:10])
        await scenario.until_counted(10)
        both = ("nps|1h|all", "bounce_rate|1h|all")
        await eventually(
            lambda: flags(scenario),
            lambda seen: [seen.get(key) for key in both] == [False, False],
            what="both whole",
        )
        worker.kill()
        await send(scenario.deployment, records[10:])
        ends = await end_offsets(scenario.deployment, [topic])
        (part,) = [part for part, end in ends.items() if end]
        admin = AIOKafkaAdminClient(bootstrap_servers=scenario.deployment.bootstrap)
        await admin.start()
        await admin.delete_records({TopicPartition(*part): RecordsToDelete(before_offset=25)})
        await admin.close()
        worker.start()
        await scenario.until_counted(30)
        await eventually(
            lambda: flags(scenario), lambda seen: seen.get("nps|1h|all") is True, what="flagged"
        )
        readings = await eventually(
            scenario.state.readings, lambda rows: rows["nps|1h|all"]["n"] == 15, what="15 answers"
        )
    assert readings["nps|1h|all"]["incomplete"]
    assert await scenario.state.stat("counted") == 15
    assert await scenario.state.stat("missed") == 15
    assert not readings["bounce_rate|1h|all"]["incomplete"], "sessions lack nothing"
