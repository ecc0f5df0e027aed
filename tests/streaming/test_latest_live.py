"""Each customer's latest answer through workers that are killed, and where the setting changes."""

import json
import random
from functools import partial
from itertools import pairwise
from operator import eq
from pathlib import Path
from typing import Any

import pytest

from tests.harness.kafka import Record, create_topics, send
from tests.harness.state import StoredState
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment, WorkerProcess
from tests.replay.histories import LATENESS_MS, MINUTE_MS, line_of, text_of
from tests.replay.oracle import valid_events
from tests.replay.oracle_latest import LatestWorld
from tests.replay.test_latest_answers import answers
from tests.streaming.owning import now_ms
from tests.streaming.test_bases_live import SETTINGS, until_all_are_right

LATEST = {**SETTINGS, "ENGINE__SURVEY_RESPONSES": "latest_per_customer"}


def arriving(rng: random.Random, begin_ms: int) -> list[dict[str, Any]]:
    """Valid answers of an hour with their lines, late within the lateness."""
    lines = [line for _, line in answers(rng, 1000, 60, begin_ms=begin_ms)]
    events = [event | {"line": line} for line in lines for event in valid_events([line])]
    return sorted(events, key=lambda event: event["at"] + rng.randrange(LATENESS_MS))


async def count(
    deployment: Deployment, state: StoredState, events: list[dict[str, Any]], total: int
) -> None:
    """Send answers, keyed as the contract says, and wait until so many are counted."""
    topic = deployment.topic("survey-response")
    await send(
        deployment,
        [
            Record(topic, (event.get("customer_id") or event["event_id"]).encode(), event["line"])
            for event in events
        ],
    )
    counted = partial(state.stat, "counted")
    await eventually(counted, partial(eq, total), within_s=60, what=f"{total} answers")


@pytest.mark.timeout(180)
async def test_latest_answers_over_kills_are_those_of_brute_force(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    rng = random.Random(8)
    await create_topics(deployment, partitions=2)
    events = arriving(rng, now_ms() - 65 * MINUTE_MS)
    # The second part is a single answer: of its customer nothing is in the new worker's memory.
    ends = [0, len(events) // 2, len(events) // 2 + 1, len(events)]
    with WorkerProcess(deployment, tmp_path, settings=LATEST) as worker:
        for begin, end in pairwise(ends):
            await count(deployment, state, events[begin:end], end)
            await until_all_are_right(state, LatestWorld(events[:end]))
            if end < len(events):
                worker.kill()
                worker.start()
        rows = await eventually(
            state.readings,
            lambda rows: not any(row["incomplete"] for row in rows.values()),
            what="nothing incomplete",
        )
    assert rows["nps|1h|all"]["n"] < sum(event["survey"] == "nps" for event in events)


@pytest.mark.timeout(180)
async def test_a_window_with_answers_from_before_the_setting_says_that_it_is_incomplete(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    await create_topics(deployment, partitions=2)
    begin_ms = now_ms() - 30 * MINUTE_MS
    lines = [
        line_of(
            {
                "type": "survey_response",
                "event_id": f"e{number}",
                "occurred_at": text_of(begin_ms + minute * MINUTE_MS),
                "customer_id": customer,
                "survey": "nps",
                "score": score,
            }
        )
        for number, (minute, customer, score) in enumerate(
            [(0, "a", 9), (1, "b", 0), (20, "a", 3), (20, "c", 10)]
        )
    ]
    events = [json.loads(line) | {"line": line} for line in lines]
    with WorkerProcess(deployment, tmp_path, settings=SETTINGS) as before:
        await count(deployment, state, events[:2], 2)
        before.terminate(within_s=20)
    with WorkerProcess(deployment, tmp_path, settings=LATEST):
        await count(deployment, state, events[2:], 4)
        said = {"1m": (0.0, 2, False), "5m": (0.0, 2, False), "1h": (0.0, 2, True)}

        async def rows() -> dict[str, tuple[Any, ...]]:
            found = await state.readings()
            nps = {window: found.get(f"nps|{window}|all", {}) for window in said}
            return {w: tuple(map(row.get, ("value", "n", "incomplete"))) for w, row in nps.items()}

        await eventually(rows, partial(eq, said), within_s=30, what="incomplete where it is")
        await eventually(
            state.readings,
            lambda rows: "cli|1h|all" in rows and not rows["cli|1h|all"]["incomplete"],
            what="the readings of all answers whole, as ever",
        )
