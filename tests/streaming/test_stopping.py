"""SIGTERM ends a worker in time and with exit code 0, whatever it is in the middle of."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis
from processor.embedded.server import free_port
from tests.harness.gate import Gate, pass_all
from tests.harness.health import HealthChecks
from tests.harness.kafka import create_topics
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment, WorkerProcess

WITHIN_S = 12.0
"""The promise is 10 s; a busy machine takes some to start a thread."""

CUT = "not stopped after 9 s: leaving"
"""The last words of a worker whose stop took too long."""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def port() -> int:
    """Of the worker's health checks."""
    return free_port()


async def ends(worker: WorkerProcess) -> None:
    """It ends in time, in order, and has nothing to explain."""
    code, took_s = await asyncio.to_thread(worker.terminate, WITHIN_S)
    assert code == 0, worker.log()
    # Where the machine is slower than that, the worker has cut its stop short by its own clock.
    assert took_s < WITHIN_S or worker.log_lines(CUT), worker.log()
    assert not worker.log_lines("the worker ended by an error"), worker.log()
    assert not worker.log_lines("stalled"), worker.log()


async def with_checks(
    deployment: Deployment, folder: Path, port: int, **over: str
) -> WorkerProcess:
    """A worker whose topics are there: a busy broker takes longer for them than requests may."""
    await create_topics(deployment)
    settings = {"WORKER__HEALTH_PORT": str(port), "KAFKA__REQUEST_TIMEOUT_S": "6", **over}
    return WorkerProcess(deployment, folder, settings=settings)


async def test_while_redis_hangs(deployment: Deployment, tmp_path: Path, port: int) -> None:
    with EmbeddedRedis() as server:
        hanging = replace(deployment, redis_url=server.url)
        with await with_checks(hanging, tmp_path, port) as worker:
            await HealthChecks(port).until_ready()
            server.suspend()
            await HealthChecks(port).until_not("redis", "does not answer")
            await ends(worker)
        server.resume()


async def test_while_kafka_is_away(
    redis_url: str, topic_prefix: str, redis_prefix: str, tmp_path: Path, port: int
) -> None:
    with EmbeddedKafka() as broker:
        deployment = Deployment(broker.bootstrap, redis_url, topic_prefix, redis_prefix.rstrip(":"))
        with await with_checks(deployment, tmp_path, port) as worker:
            await HealthChecks(port).until_ready()
            broker.kill()
            await HealthChecks(port).until_not("kafka", "does not answer")
            await ends(worker)


class _Holder(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Gives its partitions up when it is let, and so keeps a rebalance from its end."""

    def __init__(self) -> None:
        self.joined = asyncio.Event()
        self.lets_go = asyncio.Event()

    async def on_partitions_revoked(self, _revoked: list[TopicPartition]) -> None:
        if self.joined.is_set():
            await self.lets_go.wait()

    async def on_partitions_assigned(self, _assigned: list[TopicPartition]) -> None:
        self.joined.set()


@asynccontextmanager
async def a_member_that_holds(deployment: Deployment) -> AsyncIterator[asyncio.Event]:
    """A member of the group, with whom the next rebalance lasts until the event is set."""
    holder = _Holder()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=deployment.bootstrap,
        group_id=f"{deployment.topic_prefix}group",
        partition_assignment_strategy=[RoundRobinPartitionAssignor],
        session_timeout_ms=60_000,
        heartbeat_interval_ms=200,
        enable_auto_commit=False,
    )
    consumer.subscribe([deployment.topic("survey-response")], listener=holder)
    await consumer.start()
    try:
        await holder.joined.wait()
        yield holder.lets_go
    finally:
        holder.lets_go.set()
        await consumer.stop()


async def test_in_the_middle_of_a_rebalance(
    deployment: Deployment, tmp_path: Path, port: int
) -> None:
    second = WorkerProcess(deployment, tmp_path, "second")
    checks = HealthChecks(port)
    with await with_checks(deployment, tmp_path, port) as worker:
        await checks.until_ready()
        async with a_member_that_holds(deployment) as lets_go:
            await checks.until_ready()
            with second:
                await checks.until_not("partitions", "rebalancing")
                await ends(worker)
                lets_go.set()
                await second.until_ready()
                assert second.running


async def test_while_it_joins_the_group(deployment: Deployment, tmp_path: Path, port: int) -> None:
    await create_topics(deployment)  # for the member, who comes first
    async with a_member_that_holds(deployment):
        with await with_checks(deployment, tmp_path, port) as worker:
            await HealthChecks(port).until_not("partitions", "joining the consumer group")
            await ends(worker)


async def test_while_it_claims_its_first_partitions(
    deployment: Deployment, tmp_path: Path, port: int
) -> None:
    async with Gate(deployment.redis_url) as gate:

        def before(request: bytes) -> bool:
            if b":probe" in request:  # of a claim
                gate.shut()
            return True

        gate.before = before
        held = replace(deployment, redis_url=gate.url)
        with await with_checks(held, tmp_path, port, KAFKA__REQUEST_TIMEOUT_S="60") as worker:
            await HealthChecks(port).until_not("partitions", "rebalancing")
            os.kill(worker.pid, signal.SIGTERM)
            gate.before = pass_all
            gate.open()
            await ends(worker)


async def test_once_more_while_it_stops(deployment: Deployment, tmp_path: Path, port: int) -> None:
    with await with_checks(deployment, tmp_path, port) as worker:
        await HealthChecks(port).until_ready()
        os.kill(worker.pid, signal.SIGTERM)

        async def said() -> bool:
            return bool(worker.log_lines("stopping"))

        await eventually(said, what="stopping")
        # At every moment from there on, up to the process's last: they change nothing.
        while worker.running:
            os.kill(worker.pid, signal.SIGTERM)
            await asyncio.sleep(0.005)
        assert worker.wait(within_s=WITHIN_S) == 0, worker.log()
