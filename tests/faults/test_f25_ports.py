"""What a worker opens to others: nothing, unless told, and then on this machine only.

::

    25  worker                      no port listens
        worker, worker.health_port  one port, on loopback

That the monitor refuses an address of others without a token is tested with it, and what a webhook
must not reach in test_f25_webhooks.py.
"""

import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest

from processor.embedded.server import free_port
from tests.faults.scenario import Scenario
from tests.harness.kafka import Record, send
from tests.harness.worker import WorkerProcess
from tests.streaming.owning import answer


def listening(worker: WorkerProcess) -> list[tuple[str, int]]:
    """Addresses that a worker's processes listen on."""
    process = psutil.Process(worker.pid)
    return [
        (connection.laddr.ip, connection.laddr.port)
        for each in (process, *process.children(recursive=True))
        for connection in each.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]


async def counts_one(scenario: Scenario) -> None:
    """The worker is at work: whatever it opens is open by now."""
    topic = scenario.deployment.topic("survey-response")
    await send(scenario.deployment, [Record(topic, b"k", answer(1))])
    await scenario.until_counted(1)


@pytest.mark.timeout(60)
async def test_f25_a_worker_listens_nowhere(scenario: Scenario) -> None:
    await scenario.create_topics()
    with scenario.worker() as worker:
        await worker.until_ready()
        await counts_one(scenario)
        assert psutil.Process(worker.pid).net_connections(), "it talks to Kafka and Redis"
        assert listening(worker) == []


@pytest.mark.timeout(60)
async def test_f25_a_health_port_is_for_this_machine(scenario: Scenario) -> None:
    await scenario.create_topics()
    port = free_port()
    with scenario.worker(settings={"WORKER__HEALTH_PORT": str(port)}) as worker:
        await worker.until_ready()
        await counts_one(scenario)
        assert listening(worker) == [("127.0.0.1", port)]
