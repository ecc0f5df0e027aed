"""Events in disorder: within the lateness, later than it, and later than the longest window.

::

    time →      … 1 2 3 4 5 6 …        lateness: 2 minutes
    shuffled    … 3 1 2 6 4 5 …        each less than 2 minutes behind the latest: equal
    late        … 6 … 1                half an hour behind: added to its own panes: equal
    too late    … 6 … -100 days        no window could show it: counted as late_dropped, and
                                       dead-lettered as too_late
"""

import json
from typing import Final

import pytest

from tests.faults.conftest import NewScenario
from tests.faults.scenario import Scenario
from tests.harness.equality import check_panes
from tests.harness.events import DISORDER_MS, LoggedEvent
from tests.harness.kafka import read_all
from tests.harness.waiting import eventually
from tests.streaming.owning import answer

LATENESS_MS: Final = 120_000
DAY_S: Final = 86_400


def shuffled(scenario: Scenario, log: list[LoggedEvent], span_ms: int) -> list[LoggedEvent]:
    """Events moved back by what the lateness leaves beyond the disorder that they have."""
    most = (LATENESS_MS - DISORDER_MS - 5_000) * len(log) // span_ms
    moved = [(n + scenario.random.uniform(0, most), event) for n, event in enumerate(log)]
    return [event for _, event in sorted(moved, key=lambda pair: pair[0])]


@pytest.mark.timeout(120)
async def test_f21_shuffled_then_late_then_too_late(new_scenario: NewScenario) -> None:
    # Repeats of the late ones come half an hour apart.
    scenario = new_scenario(settings={"ENGINE__DEDUP_HORIZON": "2h"})
    log = shuffled(scenario, scenario.write_log(16_000), span_ms=40 * 60_000)
    is_late = {n for n, e in enumerate(log) if e.topic != "session" and n % 7 == 0 and n < 4_000}
    late = [log[n] for n in sorted(is_late)]
    on_time = [event for n, event in enumerate(log) if n not in is_late]
    scenario.log = on_time + late
    await scenario.create_topics()
    with scenario.worker() as worker:
        await scenario.send(on_time)
        await scenario.until_counted(len(on_time))
        await scenario.send(late)
        await scenario.equal()
        letters = scenario.deployment.topic("survey-response.dlq")
        before = await read_all(scenario.deployment, letters)
        old = [
            LoggedEvent("survey-response", b"%d" % n, answer(n, seconds_ago=100 * DAY_S + n))
            for n in range(50)
        ]
        await scenario.send(old)
        await eventually(
            lambda: scenario.state.stat("late_dropped"), lambda n: n == 50, what="50 dropped"
        )
        found = (await read_all(scenario.deployment, letters))[len(before) :]
        assert {dict(letter.headers)["cx.error.code"] for letter in found} == {b"too_late"}
        assert sorted(letter.value for letter in found) == sorted(event.value for event in old)
        assert all(json.loads(letter.value)["event_id"] for letter in found)
        await check_panes(scenario.state, scenario.expected())
        assert worker.running
