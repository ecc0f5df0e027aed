"""A flood of records that are no events.

::

    16  log      |======================================|
        poison   |p p p p p p p p p p p p p p p p p p p |      200 a second, over all topics
        worker   |--------------------------------------- - -
        lag      |/\\_/\\___/\\__/\\____/\\__/\\___/\\__/\\__/\\__0

Expected: no crash, the lag recovers, everything equal, each poisoned record a dead letter.
"""

import asyncio
import time

import pytest

from tests.faults.refusals import Refusal, check_counts, check_letters, record_of, until_stored
from tests.faults.scenario import Scenario
from tests.faults.test_f15_unreadable import UNREADABLE
from tests.faults.test_f18_numbers import purchases, surveys
from tests.harness.events import TOPICS
from tests.harness.kafka import producing, send_all
from tests.harness.running import say
from tests.harness.waiting import eventually

A_SECOND = 200
_SLICE_S = 0.1


def poisons(scenario: Scenario, count: int) -> list[Refusal]:
    """So many records that are refused, each for one of a hundred reasons."""
    kinds = [Refusal(t, value, code) for t in TOPICS for value, code in UNREADABLE.values()]
    kinds += [*surveys(), *purchases()]
    return scenario.random.choices(kinds, k=count)


async def send_poison(scenario: Scenario, refusals: list[Refusal]) -> None:
    """Send them evenly, two hundred a second."""
    records = [record_of(scenario, n, refusal) for n, refusal in enumerate(refusals)]
    at_once = int(A_SECOND * _SLICE_S)
    began = time.monotonic()
    async with producing(scenario.deployment) as producer:
        for number, begin in enumerate(range(0, len(records), at_once)):
            await send_all(producer, records[begin : begin + at_once])
            await asyncio.sleep(max(0.0, began + (number + 1) * _SLICE_S - time.monotonic()))


async def survives_poison(scenario: Scenario, *, events: int, for_s: int) -> None:
    """One run, and the comparison at its end."""
    scenario.write_log(events, over_s=for_s)
    refusals = poisons(scenario, A_SECOND * for_s)
    await scenario.create_topics()
    # First, as events older than the lateness would be late for a worker that had idled.
    sending = asyncio.gather(scenario.sending(over_s=for_s), send_poison(scenario, refusals))
    with scenario.worker() as worker:
        await worker.until_ready()
        pid = worker.pid
        await sending
        sent_at = time.monotonic()
        ends = await until_stored(scenario)
        assert sum(ends.values()) == len(scenario.log) + len(refusals)
        await eventually(lambda: lag(scenario), lambda n: n == 0, what="no lag")
        say(f"{len(refusals):,} refused; lag 0 after {time.monotonic() - sent_at:.2f} s")
        await check_counts(scenario, refusals)
        assert (worker.running, worker.pid) == (True, pid)
        await check_letters(scenario, refusals)


async def lag(scenario: Scenario) -> int:
    """What the workers say of how far they are behind."""
    return sum([int((await scenario.state.meta(*p)).get("lag", 0)) for p in scenario.partitions])


@pytest.mark.timeout(120)
async def test_f16_poison_for_eight_seconds(scenario: Scenario) -> None:
    await survives_poison(scenario, events=30_000, for_s=8)


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_f16_poison_for_a_minute(scenario: Scenario) -> None:
    await survives_poison(scenario, events=200_000, for_s=60)
