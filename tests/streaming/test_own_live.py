"""Metrics of one's own in a worker that is killed: the reference page's example, live."""

from functools import partial
from itertools import pairwise
from operator import eq
from pathlib import Path

import pytest

from schemas.events import kafka_key
from tests.harness.kafka import Record, create_topics, send
from tests.harness.state import StoredState
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment, WorkerProcess
from tests.metrics.own_example import (
    Event,
    encoded,
    events,
    expected,
    within,
    write_example,
)
from tests.streaming.owning import now_ms

MINUTE_MS = 60_000
SETTINGS = {
    "ENGINE__WINDOWS": '["5m", "1h"]',
    "ENGINE__SEGMENTS": '[["channel"], ["channel", "plan"]]',
    "ENGINE__IDLE_AFTER": "60m",  # only events move the clock, so that all is exact
}
EMAIL_READINGS = 2 * (1 + 1 + 2)
"""By window: of the whole, of email, and of email with either plan."""


async def wrong(state: StoredState, happened: list[Event]) -> list[str]:
    """Readings of one's own metrics that say otherwise than the events."""
    rows = (await state.tick()).rows
    own = {key: row for key, row in rows.items() if row["metric"] in expected([])}
    said = {
        key: (row["value"], row["n"], expected(within(happened, row))[row["metric"]])
        for key, row in own.items()
    }
    found = [
        f"{key}: {value, n}, not {right}"
        for key, (value, n, right) in said.items()
        if n != right[1] or value != (right[0] and pytest.approx(right[0]))
    ]
    shares = sum(key.startswith("unhappy_mail_answers|") for key in own)
    return found if shares == EMAIL_READINGS else [*found, f"{shares} shares of answers by email"]


@pytest.mark.timeout(180)
async def test_the_example_over_a_kill_says_what_the_events_say(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    write_example(tmp_path)
    await create_topics(deployment, partitions=2)
    happened = events(seed=5, size=3000, begin_ms=now_ms() - 50 * MINUTE_MS, span_ms=49 * MINUTE_MS)
    ends = [0, len(happened) // 2, len(happened)]
    with WorkerProcess(deployment, tmp_path, settings=SETTINGS) as worker:
        for begin, end in pairwise(ends):
            records = [
                Record(
                    deployment.topic(event["type"].replace("_", "-")),
                    kafka_key(event).encode(),
                    encoded(event),
                )
                for event in happened[begin:end]
            ]
            await send(deployment, records)
            counted = partial(state.stat, "counted")
            await eventually(counted, partial(eq, end), within_s=60, what=f"{end} events")
            await eventually(
                partial(wrong, state, happened[:end]),
                partial(eq, []),
                within_s=20,
                what="right readings",
            )
            if end < len(happened):
                worker.kill()
                worker.start()
