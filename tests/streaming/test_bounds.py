"""No wait for Kafka, or for a claim, is without an end."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaConnectionError

from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis
from processor.settings import KafkaSettings
from processor.state.redis_url import async_client
from processor.streaming.bounded import start_producer, stop_producer, within
from processor.streaming.kafka import durable_producer, readings_producer
from tests.harness.kafka import Record, create_topics, send
from tests.harness.state import StoredState
from tests.harness.waiting import PATIENCE, eventually
from tests.harness.worker import Deployment, WorkerProcess
from tests.streaming.owning import answer

pytestmark = pytest.mark.timeout(240)


async def test_within_gives_the_result_or_the_error() -> None:
    async def right() -> int:
        return 7

    async def wrong() -> int:
        raise KeyError

    assert await within(5, right(), "this") == 7
    with pytest.raises(KeyError):
        await within(5, wrong(), "this")


async def test_within_ends_work_that_tidies_up_for_ever() -> None:
    ended = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:  # as a transaction does that is aborted at a broker that does not answer
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    with pytest.raises(TimeoutError, match=r"^this took more than 0.01 s$"):
        await within(0.01, stubborn(), "this")
    assert ended.is_set()


async def test_within_ends_its_work_when_nobody_waits_any_more() -> None:
    ended = asyncio.Event()

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(within(60, long(), "this"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedKafka]:
    """One to suspend."""
    with EmbeddedKafka() as own:
        yield own


@asynccontextmanager
async def suspended(broker: EmbeddedKafka) -> AsyncIterator[None]:
    broker.suspend()
    try:
        yield
    finally:
        broker.resume()


async def no_other_tasks() -> None:
    async def others() -> list[str]:
        ours = asyncio.current_task()
        return [repr(task) for task in asyncio.all_tasks() if task is not ours]

    await eventually(others, lambda tasks: not tasks, what="the end of all tasks")


@pytest.mark.parametrize("transactional", [False, True])
async def test_a_producer_that_cannot_send_is_given_up_whole(
    broker: EmbeddedKafka, topic_prefix: str, *, transactional: bool
) -> None:
    kafka = KafkaSettings(bootstrap=broker.bootstrap, group=f"{topic_prefix}group")
    producer = (readings_producer if transactional else durable_producer)(kafka)
    await start_producer(producer, 30 * PATIENCE)
    await producer.client._wait_on_metadata(f"{topic_prefix}out")
    async with suspended(broker):
        if transactional:
            await producer.begin_transaction()
        unsent = await producer.send(f"{topic_prefix}out", b"x")
        began = time.monotonic()
        with pytest.raises(TimeoutError, match="stopping a producer"):
            await stop_producer(producer, 0.2)
        assert time.monotonic() - began < 25  # a request alone may take 30 s
        with pytest.raises(Exception, match="given up"):
            await unsent
        await no_other_tasks()


async def test_a_broker_that_knows_of_no_broker_is_one_that_is_away(
    broker: EmbeddedKafka, topic_prefix: str
) -> None:
    kafka = KafkaSettings(bootstrap=broker.bootstrap, group=f"{topic_prefix}group")
    producer = readings_producer(kafka)
    connect = producer.client.bootstrap

    async def connect_to_a_fenced_one() -> None:
        await connect()
        # As its answer leaves it when it was cut off for a moment, and is not let in again yet.
        producer.client.cluster._brokers.clear()

    producer.client.bootstrap = connect_to_a_fenced_one
    with pytest.raises(KafkaConnectionError, match="knows of no broker yet"):
        await start_producer(producer, 30 * PATIENCE)
    await no_other_tasks()
    again = readings_producer(kafka)
    await start_producer(again, 30 * PATIENCE)
    await stop_producer(again, 30 * PATIENCE)


async def test_a_producer_that_does_not_start_leaves_nothing_behind(
    broker: EmbeddedKafka, topic_prefix: str
) -> None:
    kafka = KafkaSettings(bootstrap=broker.bootstrap, group=f"{topic_prefix}group")
    async with suspended(broker):
        with pytest.raises(TimeoutError, match="starting a producer"):
            await start_producer(readings_producer(kafka), 0.2)
        await no_other_tasks()
    away = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(KafkaConnectionError):
        await start_producer(away, 30)
    await no_other_tasks()


@asynccontextmanager
async def a_member_more(deployment: Deployment) -> AsyncIterator[None]:
    """Somebody joins the workers' group and leaves it: each time its partitions move."""
    consumer = AIOKafkaConsumer(
        deployment.topic("survey-response"),
        bootstrap_servers=deployment.bootstrap,
        group_id=f"{deployment.topic_prefix}group",
        partition_assignment_strategy=[RoundRobinPartitionAssignor],
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        yield
    finally:
        await consumer.stop()


async def test_a_claim_that_takes_too_long_is_made_again(
    kafka_bootstrap: str, topic_prefix: str, redis_prefix: str, tmp_path: Path
) -> None:
    with EmbeddedRedis() as redis:
        deployment = Deployment(
            kafka_bootstrap,
            redis.url,
            topic_prefix,
            redis_prefix.rstrip(":"),
            # Faust bounds a claim by what a request may take.
            {"KAFKA__REQUEST_TIMEOUT_S": "7", "REDIS__TIMEOUT_S": "2"},
        )
        async with AsyncExitStack() as stack:
            client = async_client(deployment.redis_url, timeout_s=60)
            stack.push_async_callback(client.aclose)
            state = StoredState(client, deployment.redis_prefix)
            await create_topics(deployment)  # within a client's own time
            worker = stack.enter_context(WorkerProcess(deployment, tmp_path))
            await worker.until_ready()

            async def given_up() -> list[str]:
                return worker.log_lines("claiming partitions took more than")

            redis.suspend()
            async with a_member_more(deployment):
                await eventually(given_up, within_s=60, what="a claim that is given up")
            redis.resume()
            topic = deployment.topic("survey-response")
            await send(deployment, [Record(topic, b"%d" % n, answer(n)) for n in range(100)])
            await eventually(
                lambda: state.stat("counted"), lambda n: n == 100, within_s=90, what="100 counted"
            )


async def test_a_worker_whose_partitions_went_to_others_lives_on(
    kafka_bootstrap: str, redis_url: str, topic_prefix: str, redis_prefix: str, tmp_path: Path
) -> None:
    deployment = Deployment(
        kafka_bootstrap,
        redis_url,
        topic_prefix,
        redis_prefix.rstrip(":"),
        {"KAFKA__PARTITIONS": "1"},  # three topics: a partition each for three workers
    )
    async with AsyncExitStack() as stack:
        first = [WorkerProcess(deployment, tmp_path, name) for name in ("b", "c", "d")]
        for worker in first:
            stack.enter_context(worker)
        for worker in first:
            await worker.until_ready()
        # Members are sorted by name: the last is left with nothing.
        more = stack.enter_context(WorkerProcess(deployment, tmp_path, "a"))
        await more.until_ready()
        client = async_client(redis_url, timeout_s=60)
        stack.push_async_callback(client.aclose)
        state = StoredState(client, deployment.redis_prefix)
        sent = 0

        async def counted_by_four() -> bool:
            nonlocal sent
            assert all(worker.running for worker in [*first, more])
            topic = deployment.topic("survey-response")
            sent += await send(deployment, [Record(topic, b"k", answer(sent))])
            return await state.stat("counted") >= 20

        # Longer than it takes to claim back what another worker has.
        began = time.monotonic()
        await eventually(
            counted_by_four,
            lambda done: done and time.monotonic() - began > 8,
            within_s=60,
            what="counting with a worker to spare",
            poll_s=0.3,
        )
        for worker in [*first, more]:
            assert worker.log_lines("Traceback") == []
            code, _ = worker.terminate(within_s=30)
            assert code == 0
