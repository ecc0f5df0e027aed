"""The promise kept under fire: every event counted once, whatever is killed and when.

::

    produce   |==================================================|
    worker A  |------x  |-------x |---x   |-----x |----------------- - -
    worker B             |----------x |-------|  ended in order
                     kills: six, each at a random event; A and B by chance while both run

In the end the stored panes of every tier, and the last reading of every series, equal what plain
counting over the log gives, and no series' revision ever went back.
"""

import asyncio
import os
import random
import statistics
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from schemas.events import EventType
from tests.harness.equality import check
from tests.harness.events import MINUTE_MS, TOPICS, Times, event_log
from tests.harness.expected import ExpectedCounts
from tests.harness.kafka import create_topics, end_offsets, send_paced
from tests.harness.running import say
from tests.harness.state import StoredState
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment, WorkerProcess

KILLS: Final = 6
_B_FROM, _B_UNTIL = 2, 5
"""The second worker runs from this kill until that one."""


class Chaos:
    """One run: workers come and go while events arrive.

    Args:
        deployment: where.
        state: its state.
        folder: for logs.
        seed: of the moments and victims.
        count: events.
    """

    def __init__(
        self, deployment: Deployment, state: StoredState, folder: Path, seed: int, count: int
    ) -> None:
        self._state = state
        self._random = random.Random(seed)
        self._count = count
        self.a = WorkerProcess(deployment, folder, "a")
        self.b = WorkerProcess(deployment, folder, "b")
        self.partitions: list[tuple[str, int]] = [
            (deployment.topic(topic), number) for topic in TOPICS for number in range(4)
        ]
        self.recoveries_s: list[float] = []

    async def counted(self) -> int:
        return sum((await self._state.offsets(self.partitions)).values())

    async def run(self) -> None:
        """Kills at six random events, spread over the first nine tenths of the log."""
        moments = sorted(self._random.uniform(0.05, 0.9) * self._count for _ in range(KILLS))
        for number, moment in enumerate(moments):
            if number == _B_FROM:
                self.b.start()
            if number == _B_UNTIL:
                await self.b.until_ready()
                code, _ = self.b.terminate(within_s=30)
                assert code == 0, self.b.log()
            await self._until_counted(moment)
            victim = self._random.choice([w for w in (self.a, self.b) if w.running])
            await self._kill_and_restart(victim)

    async def _until_counted(self, events: float) -> None:
        await eventually(
            self.counted, lambda n: n >= events, within_s=120, what=f"{events:.0f} events counted"
        )

    async def _kill_and_restart(self, victim: WorkerProcess) -> None:
        victim.kill()
        began = time.monotonic()
        before = await self._state.offsets(await self._owned_by(victim.pid))
        victim.start()
        if not before:  # it was killed before it had a partition: nothing waits for it
            return

        async def goes_on() -> bool:
            now = await self._state.offsets(before)
            return any(now[p] > before[p] for p in now)

        async def goes_on_or_is_done() -> bool:  # on a slow machine all may be sent and counted
            return await goes_on() or await self.counted() == self._count

        await eventually(goes_on_or_is_done, within_s=60, what="events counted again after a kill")
        if await goes_on():
            self.recoveries_s.append(time.monotonic() - began)

    async def _owned_by(self, pid: int) -> list[tuple[str, int]]:
        owners = {p: (await self._state.meta(*p)).get("owner", "") for p in self.partitions}
        return [p for p, owner in owners.items() if owner.split(":")[1:2] == [str(pid)]]


async def survives(
    deployment: Deployment,
    state: StoredState,
    folder: Path,
    *,
    count: int,
    seed: int,
    over_s: float,
) -> None:
    """One whole run, and the comparison at its end."""
    say(f"seed {seed}, {count:,} events over {over_s:g} s")
    now_ms = time.time_ns() // 1_000_000
    last_ms = now_ms + int(over_s * 1000) - 3 * MINUTE_MS  # near now when it is compared
    times = Times.until(last_ms, looked_at_ms=now_ms)
    log = event_log(count, seed, times)
    await create_topics(deployment)
    chaos = Chaos(deployment, state, folder, seed, count)
    async with AsyncExitStack() as stack:
        stack.enter_context(chaos.a)
        stack.callback(chaos.b.discard)
        await eventually(
            state.partitions,
            lambda p: len(p) == 4 * len(EventType),
            what="a worker with all partitions",
        )
        began = time.monotonic()
        producing_all = asyncio.create_task(send_paced(deployment, log, over_s))
        await chaos.run()
        assert await producing_all == count
        ends = await end_offsets(deployment, map(deployment.topic, TOPICS))
        assert sum(ends.values()) == count
        assert min(ends.values()) > 0, "a partition without events"
        await eventually(
            lambda: state.offsets(ends), lambda stored: stored == ends, within_s=120, what=f"{ends}"
        )
        took_s = time.monotonic() - began
        recoveries_s = sorted(chaos.recoveries_s)
        say(
            f"counted in {took_s:.1f} s, {count / took_s:,.0f} events/s with {KILLS} kills; first "
            f"event after a kill: median {statistics.median(recoveries_s or [0]):.2f} s, "
            f"worst {max(recoveries_s, default=0):.2f} s"
        )
        expected = ExpectedCounts(log, times)
        await check(deployment, state, expected)
        code, _ = chaos.a.terminate(within_s=30)
        assert code == 0


@pytest.mark.soak  # tests/faults/test_f01_kills.py has twenty, in every run
@pytest.mark.timeout(240)
async def test_six_kills_lose_nothing_and_count_nothing_twice(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    seed = int(os.environ.get("CX_TEST_SEED") or random.randrange(10**6))
    count = int(os.environ.get("CX_TEST_EVENTS") or 100_000)
    await survives(deployment, state, tmp_path, count=count, seed=seed, over_s=30)


@pytest.mark.soak
@pytest.mark.timeout(1_200)
async def test_a_million_events_and_six_kills(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    seed = int(os.environ.get("CX_SOAK_SEED") or random.randrange(10**6))
    count = int(os.environ.get("CX_SOAK_EVENTS") or 1_000_000)
    await survives(deployment, state, tmp_path, count=count, seed=seed, over_s=90)
