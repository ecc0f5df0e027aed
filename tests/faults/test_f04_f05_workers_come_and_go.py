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

import pytest

from tests.faults.scenario import Scenario


@pytest.mark.timeout(120)
async def test_f04_sigterm_under_load_ends_in_order_and_loses_nothing(scenario: Scenario) -> None:
    scenario.write_log(30_000, over_s=8)
    await scenario.create_topics()
    with scenario.worker() as worker:
        await worker.until_ready()
        sending = scenario.sending(over_s=8)
        for _ in range(2):
            await scenario.until_more_counted(1_000)
            code, took_s = await asyncio.to_thread(worker.terminate, 10)
            assert (code, took_s < 10) == (0, True), worker.log()
            assert not worker.log_lines("not stopped after"), worker.log()
            worker.start()
        await sending
        await scenario.equal()


@pytest.mark.timeout(180)
async def test_f05_workers_join_and_leave_and_no_partition_is_stuck(scenario: Scenario) -> None:
    scenario.write_log(40_000, over_s=20)
    await scenario.create_topics()
    a, b, c = (scenario.worker(name) for name in "abc")
    with a:
        await a.until_ready()
        sending = scenario.sending(over_s=20)
        for round_ in range(2):
            with b, c:
                await scenario.until_owned(a, b, c)
                await scenario.until_more_counted(500)
                assert (await asyncio.to_thread(c.terminate, 10))[0] == 0, c.log()
                await scenario.until_owned(a, b)
                if round_ == 0:
                    b.kill()
                else:
                    assert (await asyncio.to_thread(b.terminate, 10))[0] == 0, b.log()
                await scenario.until_owned(a)
        await sending
        await scenario.equal()
