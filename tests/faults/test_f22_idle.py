"""One partition has events, the others have none; then one of these gets two hours at once.

::

    partition 0   |e------------------------------------------|
    others        |                                           |
    another                        |== two hours of events ==|
    1m window      [1]…[1][0] moves on without any event

Expected: windows advance with the clock; the backfill is counted, each event in its own pane.
"""

from functools import partial
from typing import Final

import pytest

from tests.faults.conftest import NewScenario
from tests.harness.events import LoggedEvent
from tests.harness.waiting import eventually
from tests.streaming.owning import answer
from tests.streaming.test_workers import says

TWO_HOURS_S: Final = 7_200.0


@pytest.mark.timeout(120)
async def test_f22_idle_partitions_and_a_two_hour_backfill(new_scenario: NewScenario) -> None:
    scenario = new_scenario(settings={"ENGINE__IDLE_AFTER": "1s"})
    state = scenario.state
    # A session that the clock has closed cannot be had back after two hours: these are not sent.
    backfill = [
        event
        for event in scenario.write_log(12_000, span_s=TWO_HOURS_S)
        if event.topic != "session"
    ]
    await scenario.create_topics()
    with scenario.worker() as worker:
        await worker.until_ready()
        lone = LoggedEvent("survey-response", b"k", answer(0, event_id="lone", seconds_ago=50))
        await scenario.send([lone])
        await eventually(state.readings, partial(says, "nps|1m|all", 1), what="the event")
        as_of = (await state.status())["as_of"]
        await eventually(state.readings, partial(says, "nps|1m|all", 0), what="the window past it")
        assert (await state.status())["as_of"] > as_of
        await scenario.send(backfill)
        scenario.log = [lone, *backfill]
        await scenario.equal()
