"""Events that come again, and others under an id that was used.

::

    sent      | e e e' | e e' |        | e e' |          | e |      ': other content, the same id
    worker    |------x | |------------------------------- - -
    another                   |--[half of the partitions]-- - -
                in one batch  after a kill   after a rebalance

Expected: each counts once, as it came first; what differed is counted as a conflict.
"""

import json
from typing import Final

import pytest

from tests.faults.conftest import NewScenario
from tests.harness.events import LoggedEvent

HORIZON: Final = {"ENGINE__DEDUP_HORIZON": "2h"}
"""Longer than the log: no id is forgotten meanwhile."""


def conflicts_in(log: list[LoggedEvent]) -> int:
    """Records with an id that came before with other content."""
    first: dict[tuple[str, str], bytes] = {}
    found = 0
    for event in log:
        if event_id := _event_id(event):
            found += first.setdefault((event.topic, event_id), event.value) != event.value
    return found


def _event_id(event: LoggedEvent) -> str | None:
    try:
        parsed = json.loads(event.value)
    except ValueError:
        return None
    refused = parsed.get("occurred_at", "2999").startswith("2999")
    return None if refused else parsed["event_id"]


def altered(event: LoggedEvent) -> LoggedEvent:
    """The same id with another channel, where it has one."""
    return event._replace(value=event.value.replace(b'"channel":"web"', b'"channel":"email"'))


@pytest.mark.timeout(120)
async def test_f20_repeats_in_a_batch_over_a_kill_and_over_a_rebalance(
    new_scenario: NewScenario,
) -> None:
    scenario = new_scenario(settings=HORIZON)
    once = scenario.write_log(6_000)
    again = scenario.random.sample(once, 2_000)
    other = [altered(event) for event in scenario.random.sample(once, 2_000)]
    one_batch = [copy for event in once for copy in (event, event)]
    parts = [one_batch, again + other, other + again, again]
    scenario.log = [event for part in parts for event in part]
    await scenario.create_topics()
    first, second = scenario.worker("first"), scenario.worker("second")
    with first:
        await scenario.send(parts[0])
        await scenario.until_counted(len(parts[0]) / 2)
        first.kill()
        first.start()
        await scenario.send(parts[1])
        await scenario.until_counted(len(parts[0]) + len(parts[1]))
        with second:
            await scenario.until_owned(first, second)
            await scenario.send(parts[2])
            await scenario.until_counted(sum(map(len, parts[:3])))
            second.kill()
            await scenario.send(parts[3])
            await scenario.equal()
        conflicts = conflicts_in(scenario.log)
        assert conflicts > 500
        assert await scenario.state.stat("conflicts") == conflicts
