"""A worker's health as others see it, while its servers come and go."""

import asyncio
from pathlib import Path

import pytest

from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis
from processor.embedded.server import free_port
from processor.state.redis_url import async_client
from tests.harness.health import HealthChecks
from tests.harness.kafka import Record, create_topics, send
from tests.harness.state import StoredState
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment, WorkerProcess
from tests.streaming.owning import answer

SETTINGS = {
    # It bounds the making of topics, too, which a busy broker takes longer for: they are there.
    "KAFKA__REQUEST_TIMEOUT_S": "6",
    "REDIS__TIMEOUT_S": "2",
    # Partitions may stand for twice this: less than the servers are away for.
    "WORKER__STALL_AFTER_S": "6",
}


def answers(deployment: Deployment, first: int, count: int) -> list[Record]:
    topic = deployment.topic("survey-response")
    return [Record(topic, b"%d" % n, answer(n)) for n in range(first, first + count)]


@pytest.mark.timeout(240)
async def test_redis_that_hangs_is_told_and_costs_no_partition(
    kafka_bootstrap: str, topic_prefix: str, redis_prefix: str, tmp_path: Path
) -> None:
    port = free_port()
    checks = HealthChecks(port)
    with EmbeddedRedis() as server:
        deployment = Deployment(
            kafka_bootstrap,
            server.url,
            topic_prefix,
            redis_prefix.rstrip(":"),
            {**SETTINGS, "WORKER__HEALTH_PORT": str(port)},
        )
        client = async_client(server.url, timeout_s=60)
        state = StoredState(client, deployment.redis_prefix)
        await create_topics(deployment)
        with WorkerProcess(deployment, tmp_path) as worker:
            await worker.until_ready()
            await checks.until_ready()
            await send(deployment, answers(deployment, 0, 20))
            await eventually(lambda: state.stat("counted"), lambda n: n == 20, what="20 counted")
            owners = [(await state.meta(*p))["epoch"] for p in await state.partitions()]
            server.suspend()
            await send(deployment, answers(deployment, 20, 20))
            await checks.until_not("redis", "does not answer")
            # Longer than the group's session, and than the watchdog's patience with partitions.
            for _ in range(14):
                assert await checks.live() == 200, worker.log()
                assert "redis" in await checks.reasons()
                await asyncio.sleep(1)
            server.resume()
            await checks.until_ready()
            await eventually(lambda: state.stat("counted"), lambda n: n == 40, what="40 counted")
            # Nobody claimed anything anew: the group never noticed.
            assert [(await state.meta(*p))["epoch"] for p in await state.partitions()] == owners
            assert len(worker.log_lines("ready, counting")) == 1
            assert worker.terminate(within_s=30)[0] == 0
        await client.aclose()


@pytest.mark.timeout(240)
async def test_a_broker_that_is_away_is_told_and_is_no_stall(
    redis_url: str, topic_prefix: str, redis_prefix: str, tmp_path: Path
) -> None:
    port = free_port()
    checks = HealthChecks(port)
    with EmbeddedKafka() as broker:
        deployment = Deployment(
            broker.bootstrap,
            redis_url,
            topic_prefix,
            redis_prefix.rstrip(":"),
            {**SETTINGS, "WORKER__HEALTH_PORT": str(port)},
        )
        await create_topics(deployment)
        with WorkerProcess(deployment, tmp_path) as worker:
            await checks.until_ready()
            broker.kill()
            await checks.until_not("kafka", "does not answer")
            for _ in range(14):
                assert await checks.live() == 200, worker.log()
                await asyncio.sleep(1)
            broker.start()
            await checks.until_ready(within_s=90)
            await send(deployment, answers(deployment, 0, 20))
            client = async_client(redis_url, timeout_s=60)
            state = StoredState(client, deployment.redis_prefix)
            await eventually(lambda: state.stat("counted"), lambda n: n == 20, what="20 counted")
            await client.aclose()
            assert worker.running


@pytest.mark.timeout(120)
async def test_the_start_says_what_it_waits_for(deployment: Deployment, tmp_path: Path) -> None:
    port = free_port()
    checks = HealthChecks(port)
    away = f"redis://127.0.0.1:{free_port()}/0"
    settings = {"WORKER__HEALTH_PORT": str(port), "REDIS__URL": away}
    command = ("processor.cli", "worker", "--wait", "60s")
    with WorkerProcess(deployment, tmp_path, settings=settings, command=command) as worker:
        await checks.until_not("worker", "waiting for Kafka and Redis")
        assert await checks.live() == 200
        code, _ = worker.terminate(within_s=30)
        assert code == 0, worker.log()


async def test_a_taken_port_is_refused_in_a_line(deployment: Deployment, tmp_path: Path) -> None:
    port = free_port()
    settings = {"WORKER__HEALTH_PORT": str(port)}
    with WorkerProcess(deployment, tmp_path, "one", settings) as one:
        await eventually(HealthChecks(port).live, what="health checks")
        with WorkerProcess(deployment, tmp_path, "two", settings) as two:
            assert two.wait(within_s=60) == 1
            assert two.log_lines(f"worker.health_port {port}"), two.log()
        assert one.running


async def test_without_a_port_nothing_is_served(deployment: Deployment, tmp_path: Path) -> None:
    with WorkerProcess(deployment, tmp_path) as worker:
        await worker.until_ready()
        assert not worker.log_lines("health checks on")
