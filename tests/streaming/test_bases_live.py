"""Customers, members, followers and more through workers that are killed, against the oracle."""

import random
from functools import partial
from itertools import pairwise
from operator import eq
from pathlib import Path
from typing import Any

import pytest

from processor.core.bases import CELL, Stored
from tests.harness.kafka import Record, create_topics, send
from tests.harness.state import StoredState, Tick
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment, WorkerProcess
from tests.replay.histories import LATENESS_MS, MINUTE_MS, history
from tests.replay.oracle import World, valid_events
from tests.replay.oracle_relations import CHECKS
from tests.replay.test_oracle import WINDOWS, same
from tests.streaming.owning import now_ms

SETTINGS = {
    "ENGINE__WINDOWS": '["1m", "5m", "1h"]',
    "ENGINE__SEGMENTS": '[["channel"], ["channel", "plan"]]',
    "ENGINE__BASE_DETAIL": "5m",
    "ENGINE__IDLE_AFTER": "60m",  # only events move the clock, so that all is exact
}


def arriving(rng: random.Random, begin_ms: int, minutes: int) -> list[dict[str, Any]]:
    """Valid events of the types with bases, late within the lateness."""
    lines = [line for _, line in history(rng, 900, minutes * MINUTE_MS, begin_ms=begin_ms)]
    events = [event | {"line": line} for line in lines for event in valid_events([line])]
    chosen = [event for event in events if event["type"] in CHECKS]
    return sorted(chosen, key=lambda event: event["at"] + rng.randrange(LATENESS_MS))


def record(deployment: Deployment, rng: random.Random, event: dict[str, Any]) -> Record:
    """To any partition: who keys by something else shall get the same readings."""
    topic = deployment.topic(event["type"].replace("_", "-"))
    return Record(topic, b"%d" % rng.randrange(100), event["line"])


def wrong(tick: Tick, world: World) -> list[str]:
    """Readings that say otherwise than the contract."""
    found = []
    for key, row in tick.rows.items():
        size_ms, pane_ms = WINDOWS[row["window"]]
        end_ms = tick.clock_ms - tick.clock_ms % pane_ms + pane_ms
        what = row["metric"], row["segment"], row.get("currency")
        value, n = world.said(*what, end_ms - size_ms, end_ms)
        previous, _ = world.said(*what, end_ms - 2 * size_ms, end_ms - size_ms)
        if row["n"] != n or not same(row["value"], value) or not same(row["previous"], previous):
            said = row["value"], row["n"], row["previous"]
            found.append(f"{key}: {said}, not {(value, n, previous)}")
    return found


async def stored_points(state: StoredState) -> int:
    """How many counters of instants there are."""
    counters = (await state.panes())[CELL].values()
    return sum(Stored.parse(name).told is None for names in counters for name in names)


async def horizon_ms(state: StoredState) -> int:
    """What is older is put together."""
    *_, register = state.keys.bases("customers")
    return int(await state.redis.hget(register, "horizon") or 0)


@pytest.mark.timeout(180)
async def test_bases_over_kills_are_those_of_the_contract(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    rng = random.Random(2)
    await create_topics(deployment, partitions=2)
    events = arriving(rng, now_ms() - 65 * MINUTE_MS, minutes=60)
    ends = [0, len(events) // 3, 2 * len(events) // 3, len(events)]
    with (
        WorkerProcess(deployment, tmp_path, settings=SETTINGS) as worker,
        WorkerProcess(deployment, tmp_path, "other", settings=SETTINGS) as other,
    ):
        await worker.until_ready()
        await other.until_ready()
        for begin, end in pairwise(ends):
            records = [record(deployment, rng, event) for event in events[begin:end]]
            await send(deployment, records)
            counted = partial(state.stat, "counted")
            await eventually(counted, partial(eq, end), within_s=60, what=f"{end} events")
            await until_all_are_right(state, World(events[:end]))
            if end < len(events):
                worker.kill()
                worker.start()
        # What is older than the horizon is put together, by the flushes after the last events.
        half_ms = events[len(events) // 2]["at"]
        await eventually(
            partial(horizon_ms, state), lambda ms: ms > half_ms, what="a horizon behind the events"
        )
        moved = [event for event in events if event["type"] in {"customer", "social"}]
        await eventually(
            partial(stored_points, state), lambda n: 0 < n < len(moved), what="points put together"
        )


async def until_all_are_right(state: StoredState, world: World) -> None:
    """The publisher follows within a tick or two of the last flush."""
    await eventually(
        lambda: _wrong(state, world), lambda found: found == [], within_s=20, what="right readings"
    )


async def _wrong(state: StoredState, world: World) -> list[str]:
    tick = await state.tick()
    return ["no readings"] if len(tick.rows) < 100 else wrong(tick, world)[:5]
