"""A worker dies between two writes, at the exact point: a gate before Redis kills it there.

::

    worker ── flush ──► gate ──► Redis            Kafka
                         │ 3: killed here: the flush never arrives; the commit is not ahead of it
           ◄── done ──── │ ◄──── written
                         │ 2: killed here: Redis has it, the worker does not know,
           ── commit ──────────────────────────► and Kafka's committed offset is behind

Expected: after 2 nothing is counted twice, after 3 nothing is lost.
"""

import hashlib
from dataclasses import replace
from typing import Final

import pytest

from processor.state.scripts import source
from tests.faults.scenario import PARTITIONS, Scenario
from tests.harness.events import TOPICS
from tests.harness.gate import Gate, pass_all
from tests.harness.running import say
from tests.harness.waiting import eventually
from tests.harness.worker import WorkerProcess

FLUSH: Final = hashlib.sha1(source("flush").encode()).hexdigest().encode()
"""The flush script's name in a request."""

KILLS: Final = 3
MOST_FLUSHES: Final = len(TOPICS) * PARTITIONS
"""That surely come of a part of the log: every partition has events in it."""


class KillAtFlush:
    """Kills a worker at a flush, before or after Redis writes it; lets nothing pass from then on.

    Args:
        worker: the victim.
        at: how many flushes before that one pass.
    """

    def __init__(self, worker: WorkerProcess, at: int) -> None:
        self._worker = worker
        self._left = at

    def __call__(self, request: bytes, reply: bytes = b"") -> bool:
        if not self._worker.running:
            return False
        if FLUSH in request and not reply.startswith(b"-"):  # it may not know the script yet
            self._left -= 1
        if self._left >= 0:
            return True
        self._worker.kill()
        return False

    async def until_done(self) -> None:
        """Returns when the victim is dead."""

        async def dead() -> bool:
            return not self._worker.running

        await eventually(dead, what="the kill at a flush")


async def kill_and_restart(scenario: Scenario, redis_url: str, *, before: bool) -> None:
    """Parts of the log, each met by a kill at one of its flushes; after each kill, the offsets."""
    log = scenario.write_log(16_000)
    await scenario.create_topics()
    size = len(log) // (KILLS + 1)
    behind_by: list[int] = []

    async def begun() -> bool:
        metas = [await scenario.state.meta(*part) for part in scenario.partitions]
        pids = {meta.get("owner", "").split(":")[1:2] == [str(worker.pid)] for meta in metas}
        return pids == {True} and all(meta.get("offset") for meta in metas)

    async with Gate(redis_url) as gate:
        behind = replace(scenario.deployment, redis_url=gate.url)
        with scenario.worker(deployment=behind) as worker:
            for number in range(KILLS):
                # A claim is followed by a flush of nothing: past those, each has events.
                await eventually(begun, what="partitions claimed and flushed")
                kill = KillAtFlush(worker, at=scenario.random.randrange(MOST_FLUSHES))
                if before:
                    gate.before = kill
                else:
                    gate.after = kill
                await scenario.send(log[number * size : (number + 1) * size])
                await kill.until_done()
                stored, committed = await scenario.stored_and_committed()
                assert all(committed[part] <= stored[part] for part in committed)
                behind_by.append(sum(stored.values()) - sum(committed.values()))
                say(f"killed; Kafka's committed offsets are {behind_by[-1]} behind the stored ones")
                gate.before = gate.after = pass_all
                worker.start()
            await scenario.send(log[KILLS * size :])
            await scenario.equal()
    # A flush of nothing but the clock moves no offset: not each kill leaves Kafka behind.
    assert before or max(behind_by) > 0


@pytest.mark.timeout(120)
async def test_f02_killed_between_redis_write_and_kafka_commit_nothing_counts_twice(
    scenario: Scenario, redis_url: str
) -> None:
    await kill_and_restart(scenario, redis_url, before=False)


@pytest.mark.timeout(120)
async def test_f03_killed_before_the_redis_write_nothing_is_lost(
    scenario: Scenario, redis_url: str
) -> None:
    await kill_and_restart(scenario, redis_url, before=True)
