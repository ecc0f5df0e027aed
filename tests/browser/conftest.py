"""One deployment for all tests of the page: a worker, a monitor, an hour of events."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from processor.embedded.server import free_port
from tests.browser.chromium import launch
from tests.browser.showing import Shown
from tests.browser.visitors import hour
from tests.harness.waiting import PATIENCE
from tests.harness.worker import Deployment, WorkerProcess


@pytest.fixture(scope="session")
def shown(
    kafka_bootstrap: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shown]:
    """The deployment; its events are counted when this yields."""
    folder = tmp_path_factory.mktemp("page")
    name = f"t-{uuid.uuid4().hex[:12]}"
    deployment = Deployment(
        kafka_bootstrap,
        redis_url,
        topic_prefix=f"{name}.",
        redis_prefix=name,
        settings={
            "KAFKA__PARTITIONS": "2",
            # No rules: that of sessions that are gone would fire after minutes without any.
            "ALERTS": "[]",
            # A worker that is slow for seconds leads on: who begins to lead, also again, resolves
            # the alerts of rules that it does not have, and those that the tests store are such.
            "PUBLISHER__LEASE_TTL_S": "30",
            "REDIS__TIMEOUT_S": str(10 * PATIENCE),
            # And the page does not begin to say that it is stale, in a line more.
            "MONITOR__STALE_AFTER_S": str(20 * PATIENCE),
        },
    )
    # It comes back under its port: none that an outgoing connection may take meanwhile.
    port = free_port()
    command = ("processor.cli", "monitor", "--port", str(port))
    monitor = WorkerProcess(deployment, folder, "monitor", command=command)
    with WorkerProcess(deployment, folder) as worker, monitor:
        one = Shown(deployment, monitor, f"http://127.0.0.1:{port}")
        asyncio.run(_fill(one, worker))
        yield one


async def _fill(one: Shown, worker: WorkerProcess) -> None:
    await worker.until_ready()
    await one.until_answered()
    await one.send(hour())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A Chromium, for the tests of one module."""
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        yield browser
        await browser.close()
