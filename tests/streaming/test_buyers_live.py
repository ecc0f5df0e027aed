"""Buyers through workers that are killed: who had bought before is known to the next one."""

import json
import random
from functools import partial
from itertools import pairwise
from operator import eq
from pathlib import Path

import pytest

from processor.core.panes import HOUR_MS
from processor.state.replies import raw
from tests.harness.kafka import Record, create_topics, send
from tests.harness.state import StoredState
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment, WorkerProcess
from tests.replay.histories import LATENESS_MS, MINUTE_MS, history
from tests.replay.oracle import World, valid_events
from tests.streaming.owning import now_ms
from tests.streaming.test_bases_live import SETTINGS, until_all_are_right

LONG = {
    b'"event_id":"e': b'"event_id":"event-number-',
    b'"order_id":"o': b'"order_id":"order-number-',
    b'"customer_id":"c': b'"customer_id":"customer-number-',
}
"""What ids begin with: an id of two bytes is found in keyed hashes by chance."""


def purchases(rng: random.Random, begin_ms: int) -> list[bytes]:
    """Orders and refunds of nine customers over an hour, late within the lateness."""
    lines = [with_long_ids(line) for _, line in history(rng, 4000, HOUR_MS, begin_ms=begin_ms)]
    chosen = [e for line in lines for e in valid_events([line]) if e["type"] == "purchase"]
    late = {e["event_id"]: e["at"] + rng.randrange(LATENESS_MS) for e in chosen}
    by_id = {json.loads(line)["event_id"]: line for line in lines}
    return [by_id[event_id] for event_id in sorted(late, key=lambda found: late[found])]


def with_long_ids(line: bytes) -> bytes:
    for short, long in LONG.items():
        line = line.replace(short, long)
    return line


@pytest.mark.timeout(180)
async def test_buyers_over_kills_are_those_of_the_contract(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    rng = random.Random(4)
    await create_topics(deployment, partitions=2)
    lines = purchases(rng, now_ms() - 65 * MINUTE_MS)
    topic = deployment.topic("purchase")
    # The second part is a single order: of its customer nothing is in the new worker's memory.
    ends = [0, len(lines) // 2, len(lines) // 2 + 1, len(lines)]
    with WorkerProcess(deployment, tmp_path, settings=SETTINGS) as worker:
        for begin, end in pairwise(ends):
            records = [
                Record(topic, json.loads(line)["customer_id"].encode(), line)
                for line in lines[begin:end]
            ]
            await send(deployment, records)
            counted = partial(state.stat, "counted")
            await eventually(counted, partial(eq, end), within_s=60, what=f"{end} events")
            await until_all_are_right(state, World(valid_events(lines[:end])))
            if end < len(lines):
                worker.kill()
                worker.start()
    tick = await state.tick()
    row = tick.rows["repeat_purchase_rate|1h|all"]
    assert row["n"] == 9
    stored = [
        value
        for partition in range(2)
        for n in range(1, 4)
        for value in (
            await state.redis.hgetall(state.keys.partition(topic, partition).customers(n))
        ).items()
    ]
    assert len(stored) == 9
    everything = b"".join(raw(word) for entry in stored for word in entry)
    for line in lines:
        event = json.loads(line)
        for name in ("event_id", "order_id", "customer_id"):
            assert "-number-" in event[name]
            assert event[name].encode() not in everything
