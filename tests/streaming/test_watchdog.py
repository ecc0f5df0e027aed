"""A worker that hangs is ended and says what hung; one that failed ends by itself."""

import asyncio
from pathlib import Path

import pytest

from processor.embedded.server import free_port
from tests.harness.faulty import BROKEN
from tests.harness.health import HealthChecks
from tests.harness.kafka import Record, create_topics, send
from tests.harness.state import StoredState
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment, WorkerProcess
from tests.streaming.owning import answer

STALL_AFTER_S = 6

STALLS = {
    "stuck_agent": "fetched up to",
    "lost_batch": "fetched up to",
    "dead_fetcher": "nothing is fetched",
    "stuck_flush": "its flush hangs",
}


def faulty(
    deployment: Deployment,
    folder: Path,
    fault: str,
    port: int | None,
    stall_after_s: int = STALL_AFTER_S,
) -> WorkerProcess:
    settings = {
        # It bounds the making of topics, too, which a busy broker takes longer for: they are there.
        "KAFKA__REQUEST_TIMEOUT_S": "6",
        "WORKER__STALL_AFTER_S": str(stall_after_s),
        **({} if port is None else {"WORKER__HEALTH_PORT": str(port)}),
    }
    command = ("processor.cli", "worker") if not fault else ("tests.harness.faulty", fault)
    return WorkerProcess(deployment, folder, settings=settings, command=command)


async def send_answers(deployment: Deployment, first: int = 0) -> None:
    topic = deployment.topic("survey-response")
    records = [Record(topic, b"%d" % n, answer(n)) for n in range(first, first + 40)]
    await send(deployment, records)


@pytest.mark.timeout(120)
async def test_a_blocked_loop_is_not_live_and_ends_the_worker(
    deployment: Deployment, tmp_path: Path
) -> None:
    port = free_port()
    checks = HealthChecks(port)
    # After 5 s the loop is late: there is time to see that before the worker ends.
    await create_topics(deployment)
    with faulty(deployment, tmp_path, "blocked_loop", port, stall_after_s=15) as worker:
        await checks.until_ready()
        await send_answers(deployment)
        await checks.until_not("event_loop", "has not run for")
        assert worker.wait(within_s=60) == 1
        (line,) = worker.log_lines("stalled: ")
        assert "the event loop has not run for 15 s" in line
        assert worker.log_lines("time.sleep"), "the main thread's stack names the culprit"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("fault", STALLS)
async def test_a_partition_that_stands_still_ends_the_worker(
    deployment: Deployment, tmp_path: Path, fault: str
) -> None:
    await create_topics(deployment)
    with faulty(deployment, tmp_path, fault, None) as worker:
        await worker.until_ready()
        await send_answers(deployment)
        assert worker.wait(within_s=120) == 1
        (line,) = worker.log_lines("stalled: ")
        assert f"{deployment.topic_prefix}" in line
        assert "stands at offset" in line
        assert STALLS[fault] in line


@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", ["broken_agent", "broken_flush", "broken_publisher"])
async def test_a_failure_in_the_background_ends_the_worker_and_is_told_once(
    deployment: Deployment, tmp_path: Path, fault: str
) -> None:
    await create_topics(deployment)
    with faulty(deployment, tmp_path, fault, None) as worker:
        if fault != "broken_publisher":
            await worker.until_ready()
            await send_answers(deployment)
        assert worker.wait(within_s=60) == 1
        assert len(worker.log_lines("the worker ended by an error")) == 1, worker.log()
        assert len(worker.log_lines(f"BrokenError: {BROKEN}")) == 1, worker.log()
        assert not worker.log_lines("stalled: ")


@pytest.mark.timeout(180)
async def test_a_worker_that_slept_goes_on(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    port = free_port()
    await create_topics(deployment)
    with faulty(deployment, tmp_path, "", port) as worker:
        await HealthChecks(port).until_ready()
        await send_answers(deployment)
        await eventually(lambda: state.stat("counted"), lambda n: n == 40, what="40 counted")
        for first in (40, 80):
            worker.suspend()
            await send_answers(deployment, first)
            await asyncio.sleep(3 * STALL_AFTER_S)  # the sleep itself is what is tested
            worker.resume()
            await eventually(lambda: state.stat("counted"), (first + 40).__le__, what="all counted")
        assert worker.running
        assert not worker.log_lines("stalled")
        assert worker.terminate(within_s=30)[0] == 0
