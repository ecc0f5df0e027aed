"""Workers end in order, join and leave while events arrive.

::

    4  produce  |==============================|
       worker   |-----T |-----T |-------------- - -     T: SIGTERM, exit 0 within 10 s

    5  produce  |==============================|
       a        |------------------------------ - -
       b          |----T  |---x   |----T                x: kill -9
       c             |------T |-------T

Expected: everything counted once, every partition owned by who is there.
"""

import asyncio
from collections.abc import Awaitable

import pytest

from tests.faults.scenario import Scenario
from tests.harness.worker import WorkerProcess


@pytest.mark.timeout(120)
async def test_f04_sigterm_under_load_ends_in_order_and_loses_nothing(scenario: Scenario) -> None:
    scenario.write_log(30_000, over_s=8)
    await scenario.create_topics()
    with scenario.worker() as worker:
        sending = scenario.sending(over_s=8)
        for counted in (2_000, 12_000):
            await worker.until_ready()  # the one before it may have counted that many
            await scenario.until_counted(counted)
            code, took_s = await asyncio.to_thread(worker.terminate, 10)
            assert (code, took_s < 10) == (0, True), worker.log()
            assert not worker.log_lines("not stopped after"), worker.log()
            worker.start()
        await sending
        await scenario.equal()


@pytest.mark.timeout(180)
async def test_f05_workers_join_and_leave_and_no_partition_is_stuck(scenario: Scenario) -> None:
    log = scenario.write_log(24_000)
    await scenario.create_topics()
    a, b, c = (scenario.worker(name) for name in "abc")
    sent = 0

    async def while_events_arrive(change: Awaitable[None]) -> None:
        nonlocal sent
        begin, sent = sent, sent + len(log) // 6
        sending = asyncio.create_task(scenario.send(log[begin:sent]))
        await change
        await sending
        await scenario.until_counted(sent)

    async def leave(worker: WorkerProcess) -> None:
        assert (await asyncio.to_thread(worker.terminate, 30))[0] == 0, worker.log()

    async def die(worker: WorkerProcess) -> None:
        worker.kill()

    with a:
        await a.until_ready()
        for end in (die, leave):
            with b, c:
                await while_events_arrive(scenario.until_owned(a, b, c))
                await while_events_arrive(leave(c))
                await scenario.until_owned(a, b)
                await while_events_arrive(end(b))
                await scenario.until_owned(a)
        await scenario.equal()
