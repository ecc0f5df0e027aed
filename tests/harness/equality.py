"""Equal, by ``==``: stored panes of every tier, last readings, their topic, and the log."""

import json
import time
from collections import Counter
from collections.abc import Iterator

from processor.core.config import EngineConfig
from tests.harness.expected import ExpectedCounts
from tests.harness.kafka import read_each, until_committed
from tests.harness.readings import Row, differences
from tests.harness.state import Panes, StoredState, Tick
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment


async def check(deployment: Deployment, state: StoredState, expected: ExpectedCounts) -> None:
    """Stored panes and published readings against the log, while a worker runs."""
    await eventually(
        state.status,
        lambda status: int(status.get("open_sessions", -1)) == expected.open_sessions,
        within_s=60,
        what=f"{expected.open_sessions} open sessions: idle partitions follow the clock",
    )
    await check_panes(state, expected)
    tick = await told_tick(state)
    assert differences(tick.rows, expected, tick.clock_ms, EngineConfig()) == []
    await check_history(deployment, tick)
    assert time.time_ns() // 1_000_000 < expected.times.compared_until_ms, (
        "too late to compare sessions"
    )


async def told_tick(state: StoredState) -> Tick:
    """A whole tick that began after this call, and that its leader has told Kafka, too."""
    while not await is_told(state, tick := await state.until_ticked()):
        pass  # one that lost its lead in between may not have: the next says it all anew
    return tick


async def is_told(state: StoredState, tick: Tick) -> bool:
    """Whether who published a tick went on to the next: the topic has it by then."""
    after = await eventually(
        state.status,
        lambda status: int(status["revision"]) > tick.revision,
        what=f"a tick after {tick.revision}",
    )
    return after["leader"] == tick.leader


async def check_history(deployment: Deployment, tick: Tick) -> None:
    """The readings topic: revisions that only grow, aborted ticks included; last rows the tick's.

    The last rows are those of Redis at that tick, byte for byte: a live reader and a reader of
    the topic see the same.
    """
    topic = deployment.readings_topic
    latest: dict[bytes, int] = {}
    async for record in read_each(deployment, topic):
        revision = json.loads(record.value)["revision"]
        assert revision > latest.get(record.key, 0), f"{record.key!r} went back to {revision}"
        latest[record.key] = revision
    await until_committed(deployment, topic)
    last: dict[str, Row] = {}
    async for record in read_each(deployment, topic, isolation_level="read_committed"):
        row = json.loads(record.value)
        if row["revision"] <= tick.revision:
            last[record.key.decode()] = row
    assert len(last) > 100, "hardly anything was published to Kafka"
    keys = last.keys() | tick.rows.keys()
    unlike = {key: (last.get(key), tick.rows.get(key)) for key in keys}
    unlike = {key: rows for key, rows in unlike.items() if rows[0] != rows[1]}
    assert not unlike, f"in Kafka and in Redis, {len(unlike)} rows: {list(unlike.items())[:4]}"


async def check_panes(state: StoredState, expected: ExpectedCounts) -> None:
    """The panes of every tier that are still kept, each counter of them."""
    stored = await state.panes()
    clock_ms = await state.clock_ms()
    for tier in EngineConfig().tiers:
        wanted = {
            cell: by_series
            for cell, by_series in expected.panes(tier.pane_ms).items()
            if tier.keeps(cell[1], clock_ms)
        }
        kept = {
            cell: by_series
            for cell, by_series in stored.items()
            if cell[0] == tier.pane_ms and tier.keeps(cell[1], clock_ms)
        }
        assert wanted, f"no panes of {tier.pane_ms} ms left to compare"
        unlike = list(_unlike(kept, wanted))
        assert not unlike, f"stored and counted, {len(unlike)} counters: {unlike[:20]}"


def _unlike(kept: Panes, wanted: Panes) -> Iterator[tuple[object, ...]]:
    """The counters that differ: pane, series, measure, as stored and as counted."""
    for cell in sorted(kept.keys() | wanted.keys()):
        stored, counted = kept.get(cell, {}), wanted.get(cell, {})
        for series in sorted(stored.keys() | counted.keys()):
            here, there = stored.get(series, Counter()), counted.get(series, Counter())
            for measure in sorted(here.keys() | there.keys()):
                if here[measure] != there[measure]:
                    yield cell, series, measure, here[measure], there[measure]
