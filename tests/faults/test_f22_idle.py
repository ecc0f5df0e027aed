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
from tests.faults.scenario import Scenario
from tests.harness.events import LoggedEvent
from tests.harness.waiting import eventually
from tests.streaming.owning import answer
from tests.streaming.test_workers import says

TWO_HOURS_S: Final = 7_200.0


async def nps_answers(scenario: Scenario) -> int:
    """How many answers the last reading of a minute has."""
    row = (await scenario.state.readings()).get("nps|1m|all")
    return row["n"] if row else 0


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
        lone: list[LoggedEvent] = []

        async def with_one_more() -> int:
            """It is in the window for ten seconds only: another, where that was missed."""
            event_id = f"lone{len(lone)}"
            value = answer(0, event_id=event_id, seconds_ago=50)
            lone.append(LoggedEvent("survey-response", b"k", value))
            await scenario.send(lone[-1:])
            return await nps_answers(scenario)

        await eventually(with_one_more, what="an event in the window", poll_s=1)
        as_of = (await state.status())["as_of"]
        await eventually(state.readings, partial(says, "nps|1m|all", 0), what="the window past it")
        assert (await state.status())["as_of"] > as_of
        await scenario.send(backfill)
        scenario.log = [*lone, *backfill]
        await scenario.equal()
