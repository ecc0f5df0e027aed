"""The worker dies twenty times, at random moments.

::

    produce   |======================================|
    worker    |--x|-----x|x|---x|--x|------x| … |----- - -     x: kill -9, started again at once

Some kills hit it while it starts, some while it claims, some while it counts.
Expected: everything counted once.
"""

import asyncio
from typing import Final

import pytest

from tests.faults.scenario import Scenario
from tests.harness.running import say

KILLS: Final = 20
LIVES_S: Final = 2.5
"""It lives twice as long at most; starting takes about half of that."""


@pytest.mark.timeout(180)
async def test_f01_twenty_kills_at_random_moments(scenario: Scenario) -> None:
    over_s = 40.0
    scenario.write_log(40_000, over_s=over_s)
    await scenario.create_topics()
    with scenario.worker() as worker:
        sending = scenario.sending(over_s)
        while_counting = 0
        for number in range(KILLS):
            before = await scenario.counted()
            if number % 4 == 0:  # a slow machine might else never be killed while it counts
                await scenario.until_counted(min(before + 1, len(scenario.log)))
            # The random moment itself: no condition says when it is.
            await asyncio.sleep(scenario.random.uniform(0, LIVES_S * (number % 4 != 0) + 0.5))
            while_counting += await scenario.counted() > before
            worker.kill()
            worker.start()
        say(f"{KILLS} kills, {while_counting} of them after it had begun to count")
        await sending
        await scenario.equal()
