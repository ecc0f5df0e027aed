"""Where the log and what is stored do not meet: a gap, a new topic of the old name, lost state."""

import asyncio
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import TopicPartition

from tests.harness.kafka import Record, end_offsets, send
from tests.harness.state import StoredState
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment, WorkerProcess
from tests.streaming.owning import answer


async def send_to(deployment: Deployment, first: int, count: int) -> None:
    """Answers of these numbers, all to one partition."""
    topic = deployment.topic("survey-response")
    await send(deployment, [Record(topic, b"k", answer(n)) for n in range(first, first + count)])


async def the_partition(deployment: Deployment) -> tuple[str, int]:
    """The one that has events."""
    ends = await end_offsets(deployment, [deployment.topic("survey-response")])
    (found,) = [part for part, end in ends.items() if end]
    return found


async def until_stored(state: StoredState, part: tuple[str, int], offset: int) -> None:
    await eventually(
        lambda: state.offsets([part]), lambda s: s[part] == offset, what=f"offset {offset} stored"
    )


async def test_events_that_expired_uncounted_are_told(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    with WorkerProcess(deployment, tmp_path) as worker:
        await worker.until_ready()
        await send_to(deployment, 0, 10)
        part = await the_partition(deployment)
        await until_stored(state, part, 10)
        worker.kill()
        await send_to(deployment, 10, 20)
        admin = AIOKafkaAdminClient(bootstrap_servers=deployment.bootstrap)
        await admin.start()
        await admin.delete_records({TopicPartition(*part): RecordsToDelete(before_offset=25)})
        await admin.close()
        worker.start()
        await until_stored(state, part, 30)
        assert await state.stat("counted") == 15
        assert await state.stat("missed") == 15
        assert worker.log_lines("15 records"), worker.log()


async def test_a_topic_that_was_made_again_stops_the_worker_loudly(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    """Its offsets mean other events: going on would count some twice and others never."""
    topic = deployment.topic("survey-response")
    with WorkerProcess(deployment, tmp_path) as worker:
        await worker.until_ready()
        await send_to(deployment, 0, 10)
        part = await the_partition(deployment)
        await until_stored(state, part, 10)
        worker.kill()
        admin = AIOKafkaAdminClient(bootstrap_servers=deployment.bootstrap)
        await admin.start()
        await admin.delete_topics([topic])

        async def made_again() -> bool:
            answered = await admin.create_topics([NewTopic(topic, 4, 1)])
            return all(code == 0 for _, code, *_ in answered.topic_errors)

        await eventually(made_again, what="the topic made again")
        await admin.close()
        await send_to(deployment, 100, 3)
        worker.start()
        code = await asyncio.to_thread(worker.wait, 60)
        assert code == 1
        assert worker.log_lines("made again"), worker.log()
        assert await state.offsets([part]) == {part: 10}
        assert await state.stat("counted") == 10


@pytest.mark.parametrize(
    "running",
    [
        pytest.param(True, id="while it runs"),
        pytest.param(False, id="while it is away", marks=pytest.mark.soak),
    ],
)
async def test_an_emptied_redis_is_filled_again_from_the_log(
    deployment: Deployment, state: StoredState, tmp_path: Path, running: bool
) -> None:
    with WorkerProcess(deployment, tmp_path) as worker:
        await worker.until_ready()
        await send_to(deployment, 0, 10)
        part = await the_partition(deployment)
        await until_stored(state, part, 10)
        if not running:
            worker.kill()
        keys = [key async for key in state.redis.scan_iter(f"{deployment.redis_prefix}:*")]
        await state.redis.delete(*keys)
        if not running:
            worker.start()
        await send_to(deployment, 10, 5)
        await until_stored(state, part, 15)
        assert await state.stat("counted") == 15
