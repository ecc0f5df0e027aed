"""SIGTERM ends a worker in time and with exit code 0, whatever it is in the middle of."""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis
from processor.embedded.server import free_port
from tests.harness.health import HealthChecks
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment, WorkerProcess

WITHIN_S = 12.0
"""The promise is 10 s; a busy machine takes some to start a thread."""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def port() -> int:
    """Of the worker's health checks."""
    return free_port()


async def ends(worker: WorkerProcess) -> None:
    """It ends in time, in order, and has nothing to explain."""
    code, _ = await asyncio.to_thread(worker.terminate, WITHIN_S)
    assert code == 0, worker.log()
    assert not worker.log_lines("the worker ended by an error"), worker.log()
    assert not worker.log_lines("stalled"), worker.log()


def with_checks(deployment: Deployment, folder: Path, port: int) -> WorkerProcess:
    settings = {"WORKER__HEALTH_PORT": str(port), "KAFKA__REQUEST_TIMEOUT_S": "6"}
    return WorkerProcess(deployment, folder, settings=settings)


async def test_while_redis_hangs(deployment: Deployment, tmp_path: Path, port: int) -> None:
    with EmbeddedRedis() as server:
        hanging = replace(deployment, redis_url=server.url)
        with with_checks(hanging, tmp_path, port) as worker:
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
        with with_checks(deployment, tmp_path, port) as worker:
            await HealthChecks(port).until_ready()
            broker.kill()
            await HealthChecks(port).until_not("kafka", "does not answer")
            await ends(worker)


async def test_in_the_middle_of_a_rebalance(
    deployment: Deployment, tmp_path: Path, port: int
) -> None:
    second = WorkerProcess(deployment, tmp_path, "second")
    with with_checks(deployment, tmp_path, port) as worker:
        await HealthChecks(port).until_ready()
        with second:
            await HealthChecks(port).until_not("partitions", "rebalancing")
            await ends(worker)
            await second.until_ready()
            assert second.running


@pytest.mark.parametrize(
    ("check", "reason"),
    [("partitions", "joining the consumer group"), ("partitions", "rebalancing")],
)
async def test_during_the_start(
    deployment: Deployment, tmp_path: Path, port: int, check: str, reason: str
) -> None:
    with with_checks(deployment, tmp_path, port) as worker:
        await HealthChecks(port).until_not(check, reason)
        await ends(worker)


async def test_twice_in_a_row(deployment: Deployment, tmp_path: Path, port: int) -> None:
    with with_checks(deployment, tmp_path, port) as worker:
        await HealthChecks(port).until_ready()
        os.kill(worker.pid, signal.SIGTERM)

        async def said() -> bool:
            return bool(worker.log_lines("stopping"))

        await eventually(said, what="stopping")
        if worker.running:
            await ends(worker)
        assert worker.wait(within_s=WITHIN_S) == 0
