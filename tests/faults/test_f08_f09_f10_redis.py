"""Redis goes away, hangs, or comes back with what it held a second ago.

::

     8  produce  |==============================|
        redis    |-----x             |----------- - -     x: kill -9, started again with its data
        worker   |-----: paused      :----------- - -     acknowledges nothing meanwhile

     9  redis    |-----~~~~~~~~~~~~~~|----------- - -     ~: accepts, never answers
        worker   |-----: time-outs   :----------- - -     stays in its group, in both threads

    10  redis    |--s--------x s|---------------- - -     s: the data of this moment, put back
        worker   |--|count|--: moved: reads |count| again

Expected: equal, without a restart of the worker.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from processor.embedded.redis import EmbeddedRedis
from processor.embedded.server import free_port
from schemas.timestamps import format_rfc3339
from tests.faults.conftest import NewScenario
from tests.faults.scenario import Scenario
from tests.harness.health import HealthChecks
from tests.harness.kafka import Record, producing, send_all
from tests.harness.running import say
from tests.harness.waiting import eventually
from tests.streaming.owning import now_ms

OUTAGE_S = 10.0
LONG_OUTAGE_S = 60.0


async def members(scenario: Scenario) -> list[tuple[str, str]]:
    """The group's state and its members' ids, as the broker has them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=scenario.deployment.bootstrap)
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups(
            [f"{scenario.deployment.topic_prefix}group"]
        )
    finally:
        await admin.close()
    (group,) = answer.groups
    _, _, state, _, _, found, *_ = group
    return [(state, member[0]) for member in found]


async def outage(
    scenario: Scenario,
    begin: Callable[[], None],
    end: Callable[[], Awaitable[object]],
    for_s: float,
) -> None:
    """The log is sent over an outage, and counted to its end when that is over."""
    over_s = for_s + 4
    log = scenario.write_log(20_000, over_s=over_s)
    await scenario.create_topics()
    port = free_port()
    checks = HealthChecks(port)
    settings = {"REDIS__TIMEOUT_S": "1", "WORKER__HEALTH_PORT": str(port)}
    with scenario.worker(settings=settings) as worker:
        await worker.until_ready()
        await checks.until_ready()
        pid = worker.pid
        sending = scenario.sending(2, log[:2_000])
        counted = await scenario.until_counted(1_000)
        await sending
        before = await eventually(
            lambda: members(scenario),
            lambda found: {state for state, _ in found} == {"Stable"},
            what="a stable group",
        )
        sending = scenario.sending(over_s - 2, log[2_000:])
        begin()
        await checks.until_not("redis", "")
        # The fault itself: no condition says how long it lasts.
        await asyncio.sleep(for_s / 2)
        committed = await scenario.committed()
        await asyncio.sleep(for_s / 2)
        assert await scenario.committed() == committed, "acknowledged what cannot be stored"
        assert "redis" in await checks.reasons()
        assert await checks.live() == 200
        await eventually(
            lambda: asyncio.to_thread(worker.log_lines, "trying again in"), what="the worker's word"
        )
        assert await members(scenario) == before, "left its group"
        await end()
        clock = asyncio.get_running_loop().time
        began = clock()
        await scenario.until_counted(counted + 1_000)
        await checks.until_ready()
        say(f"counted again {clock() - began:.2f} s after an outage of {for_s:g} s")
        await sending
        await scenario.equal()
        assert (worker.running, worker.pid) == (True, pid)


@pytest.mark.timeout(120)
async def test_f08_redis_down(new_scenario: NewScenario, own_redis: EmbeddedRedis) -> None:
    scenario = new_scenario(redis_url=own_redis.url)
    await outage(scenario, own_redis.kill, starting(own_redis), OUTAGE_S)


@pytest.mark.soak
@pytest.mark.timeout(240)
async def test_f08_redis_down_for_a_minute(
    new_scenario: NewScenario, own_redis: EmbeddedRedis
) -> None:
    scenario = new_scenario(redis_url=own_redis.url)
    await outage(scenario, own_redis.kill, starting(own_redis), LONG_OUTAGE_S)


@pytest.mark.timeout(120)
async def test_f09_redis_hangs(new_scenario: NewScenario, own_redis: EmbeddedRedis) -> None:
    async def resume() -> None:
        own_redis.resume()

    scenario = new_scenario(redis_url=own_redis.url)
    await outage(scenario, own_redis.suspend, resume, OUTAGE_S)


def starting(server: EmbeddedRedis) -> Callable[[], Awaitable[object]]:
    """Starts a server beside the running loop."""
    return lambda: asyncio.to_thread(server.start)


class Snapshot:
    """The data of a running Redis as of now, to be put back later.

    Its append-only file may be copied at any time: a command cut at its end is left out.
    """

    def __init__(self, server: EmbeddedRedis, folder: Path) -> None:
        self._server = server
        self._copy = folder / "snapshot"
        # A file that it writes anew goes under another name when it is whole.
        passing = shutil.ignore_patterns("*.log", ".lock", "temp-*")
        shutil.copytree(server.data_dir, self._copy, ignore=passing)

    def put_back(self) -> None:
        """Kill the server and start it with this data."""
        self._server.kill()
        shutil.copytree(self._copy, self._server.data_dir, dirs_exist_ok=True)
        self._server.start()


@pytest.mark.timeout(120)
async def test_f10_redis_rolled_back(
    new_scenario: NewScenario, own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    scenario = new_scenario(redis_url=own_redis.url)
    log = scenario.write_log(20_000, over_s=8)
    await scenario.create_topics()
    with scenario.worker() as worker:
        await worker.until_ready()
        sending = scenario.sending(3, log[:7_500])
        await scenario.until_counted(4_000)
        snapshot = Snapshot(own_redis, tmp_path)
        await sending
        sending = scenario.sending(3, log[7_500:15_000])
        await scenario.until_more_counted(2_500)  # a second's worth
        at = await scenario.counted()
        await asyncio.to_thread(snapshot.put_back)
        say(f"rolled back from {at:,} records counted")
        await sending
        sending = scenario.sending(2, log[15_000:])  # which each partition has to put somewhere
        await eventually(
            lambda: asyncio.to_thread(worker.log_lines, "reading again from there"),
            what="the worker noticing",
        )
        await sending
        await scenario.equal()


@pytest.mark.timeout(120)
async def test_f10_redis_rolled_back_while_nothing_arrives(
    new_scenario: NewScenario, own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    """What is counted by time alone, a session that ends, moves no offset and is not lost."""
    settings = {
        "ENGINE__SESSION_TIMEOUT": "10s",  # within it they are seen open, and the snapshot is taken
        "ENGINE__LATENESS": "1s",
        "ENGINE__IDLE_AFTER": "1s",
    }
    scenario = new_scenario(redis_url=own_redis.url, settings=settings)

    async def closed() -> int:
        panes = await scenario.state.panes()
        return sum(
            by_series["all"]["session.closed"]
            for (pane_ms, _), by_series in panes.items()
            if pane_ms == 60_000 and "all" in by_series
        )

    async def opened() -> int:
        # As flushed: a publisher that only begins would see them too late.
        metas = [await scenario.state.meta(*part) for part in scenario.partitions]
        return sum(int(meta.get("open_sessions", 0)) for meta in metas)

    await scenario.create_topics()
    with scenario.worker() as worker:
        await worker.until_ready()
        view = (
            b'{"type":"session","event_id":"e%d","session_id":"s%d","action":"page_view",'
            b'"occurred_at":"%s"}'
        )
        topic = scenario.deployment.topic("session")
        async with producing(scenario.deployment) as producer:
            views = [view % (n, n, format_rfc3339(now_ms()).encode()) for n in range(20)]
            await send_all(producer, [Record(topic, b"%d" % n, v) for n, v in enumerate(views)])
        await eventually(opened, lambda n: n == 20, what="open sessions")
        snapshot = Snapshot(own_redis, tmp_path)
        await eventually(closed, lambda n: n == 20, what="sessions closed by time")
        await asyncio.to_thread(snapshot.put_back)
        await eventually(closed, lambda n: n == 20, what="the sessions closed again")
        await eventually(opened, lambda n: n == 0, what="none open")
        await scenario.state.until_ticked()
        assert await closed() == 20
        assert worker.running
