"""A worker that sleeps through the loss of its partitions, with a write in flight.

::

    produce   |==============================|
    zombie    |---------w                   ~~~|----------- - -   suspended, then resumed
                        '- its flush is held -'-> Redis: refused
    other     |---------------[takes over all]------------- - -

Expected: the write arrives after the other worker's claim and is refused by the fence; the zombie
joins again; everything is counted once.
"""

from dataclasses import replace

import pytest

from tests.faults.scenario import Scenario
from tests.faults.test_f02_f03_between_two_writes import FLUSH
from tests.harness.gate import Gate, pass_all
from tests.harness.waiting import eventually


class HeldFlush:
    """Shuts a gate at the first flush it sees."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.held = False

    def __call__(self, request: bytes) -> bool:
        if FLUSH in request and not self.held:
            self.held = True
            self._gate.shut()
        return True

    async def is_held(self) -> bool:
        return self.held


@pytest.mark.timeout(120)
async def test_f06_the_write_of_a_zombie_is_refused(scenario: Scenario, redis_url: str) -> None:
    log = scenario.write_log(30_000, over_s=12)
    await scenario.create_topics()
    refused: list[bytes] = []

    def watch(_request: bytes, reply: bytes) -> bool:
        if b"fenced" in reply:
            refused.append(reply)
        return True

    async with Gate(redis_url) as gate:
        gate.after = watch
        behind = replace(scenario.deployment, redis_url=gate.url)
        # It is to hear the refusal when it wakes up, and not first to find its patience gone.
        patient = {"REDIS__TIMEOUT_S": "300"}
        zombie = scenario.worker("zombie", patient, deployment=behind)
        other = scenario.worker("other")
        with zombie, other:
            await scenario.until_owned(zombie, other)
            sending = scenario.sending(2, log[:4_000])
            await scenario.until_counted(1_000)
            await sending
            flush = HeldFlush(gate)
            gate.before = flush
            sending = scenario.sending(10, log[4_000:])
            await eventually(flush.is_held, what="a flush of the zombie on its way")
            zombie.suspend()
            refused.clear()  # as the two shared the partitions, one may have come too late
            await scenario.until_owned(other)
            await scenario.until_counted(20_000)  # more than the other had of its own
            assert refused == []
            gate.before = pass_all
            gate.open()  # what it wrote before it fell asleep arrives now

            async def is_refused() -> bool:
                return bool(refused)

            await eventually(is_refused, what="the fence refusing the zombie's write")
            zombie.resume()
            await scenario.until_owned(zombie, other)
            await sending
            await scenario.equal()
            assert zombie.log_lines("another worker owns this partition"), zombie.log()
