"""Readings that lack events say so until they are whole, on real servers."""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from processor.core.panes import DAY_MS, HOUR_MS, MINUTE_MS
from processor.embedded.redis import EmbeddedRedis
from processor.state.redis_url import async_client
from tests.faults.scenario import Scenario
from tests.harness.kafka import Record, create_topics, end_offsets, read_all, send
from tests.harness.running import seed_of
from tests.harness.state import StoredState
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment
from tests.streaming.owning import now_ms

Rows = dict[str, dict[str, Any]]

COUNTS: Final = ("nps|30d|all", "orders|30d|all", "bounce_rate|30d|all")
"""Readings of each event type, whose n only grows while no event leaves the window."""


@pytest.fixture
async def emptied(
    request: pytest.FixtureRequest,
    kafka_bootstrap: str,
    topic_prefix: str,
    redis_prefix: str,
    tmp_path: Path,
) -> AsyncIterator[Scenario]:
    """A scenario with a Redis of its own, that may be emptied."""
    with EmbeddedRedis() as server:
        settings = {
            "ENGINE__IDLE_AFTER": "1h",
            "PUBLISHER__INTERVAL_S": "0.2",
            # Who sleeps keeps its partitions until it wakes.
            "KAFKA__SESSION_TIMEOUT_S": "60",
            "KAFKA__REQUEST_TIMEOUT_S": "60",
        }
        deployment = Deployment(
            kafka_bootstrap, server.url, topic_prefix, redis_prefix.rstrip(":"), settings
        )
        client = async_client(server.url, timeout_s=60)
        state = StoredState(client, deployment.redis_prefix)
        yield Scenario(deployment, state, tmp_path, seed_of(request.node.name))
        await client.aclose()


def ns(rows: Rows) -> dict[str, int]:
    """Observations of the readings of each event type."""
    return {key: rows[key]["n"] for key in COUNTS if key in rows}


async def until_rows(
    state: StoredState, look: Callable[[Rows], bool], what: str, within_s: float = 60
) -> Rows:
    return await eventually(state.readings, look, within_s=within_s, what=what)


def is_whole(rows: Rows) -> bool:
    return set(COUNTS) <= rows.keys() and not any(row["incomplete"] for row in rows.values())


async def never_partial(scenario: Scenario, revision: int, before: dict[str, int]) -> int:
    """No reading after a revision claims to be whole with less than was counted before.

    Returns:
        How many readings of the whole were flagged.
    """
    flagged = 0
    topic = scenario.deployment.readings_topic
    for record in await read_all(scenario.deployment, topic, isolation_level="read_committed"):
        key, row = record.key.decode(), json.loads(record.value)
        if key in before and row["revision"] > revision:
            assert row["incomplete"] or row["n"] >= before[key], row
            flagged += row["incomplete"]
    return flagged


@pytest.mark.timeout(240)
async def test_redis_emptied_under_load_is_filled_again_and_flagged_until_it_is(
    emptied: Scenario,
) -> None:
    """::

        produce    |=========================|
        leader     |-----------------------------------------
        sleeper    |-----------s  |--------------------------
        Redis                    E
        readings   whole         |incomplete      | whole, equal

    One sleeps meanwhile: its partitions are claimed by nobody for a while. It does not lead:
    before another did, they might be claimed and filled.
    """
    await emptied.create_topics()
    log = emptied.write_log(20_000, over_s=10)
    state = emptied.state
    with emptied.worker("a") as a, emptied.worker("b") as b:
        await emptied.until_owned(a, b)
        await emptied.sending(over_s=5, log=log[:10_000])
        await emptied.until_counted(7_500)
        await until_rows(state, is_whole, "all whole")
        before, revision = ns(await state.readings()), await state.revision()
        # What tells the workers that Redis was emptied is sent only now.
        sending = emptied.sending(over_s=5, log=log[10_000:])
        leader = (await state.status())["leader"]
        sleeper = a if f":{b.pid}:" in leader else b
        sleeper.suspend()
        await state.redis.flushall()
        await until_rows(state, lambda rows: any(map(_incomplete, rows.values())), "flags")
        sleeper.resume()
        await sending
        await emptied.until_all_counted()
        await until_rows(
            state,
            lambda rows: is_whole(rows) and ns(rows)["nps|30d|all"] > before["nps|30d|all"],
            "all whole again, and more of them",
        )
        await emptied.equal()
        assert await never_partial(emptied, revision, before) > 0
        assert await state.stat("rebuilds") == 12
        status = await state.status()
        assert (status["rebuilding"], status["unclaimed"]) == ("0", "0")


def _incomplete(row: dict[str, Any]) -> bool:
    return bool(row["incomplete"])


@pytest.mark.soak  # over a minute; fault 11 and the test above empty a Redis in each run
@pytest.mark.timeout(240)
async def test_a_worker_killed_while_it_fills_redis_again(emptied: Scenario) -> None:
    await emptied.create_topics()
    emptied.write_log(60_000)
    await emptied.send()
    state = emptied.state
    with emptied.worker() as worker:
        await emptied.until_all_counted()
        rows = await until_rows(state, is_whole, "all whole")
        before, revision = ns(rows), await state.revision()
        await eventually(emptied.committed, lambda c: len(c) == 12, what="committed")
        worker.kill()
        await state.redis.flushall()
        worker.start()
        for _ in range(2):
            await emptied.until_more_counted()
            worker.kill()
            worker.start()
        await emptied.until_all_counted()
        await until_rows(state, is_whole, "all whole again")
        await emptied.equal()
        await never_partial(emptied, revision, before)


# -- logs that were cut -------------------------------------------------------------------------


def event(topic: str, number: int, at_ms: int) -> bytes:
    """An answer or an order, at a time."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms / 1000))
    kind = {
        "survey-response": '"type":"survey_response","survey":"nps","score":9',
        "purchase": '"type":"purchase","customer_id":"c","order_id":"o","amount":1,'
        '"currency":"USD"',
    }[topic]
    return f'{{{kind},"event_id":"e{number}","occurred_at":"{when}"}}'.encode()


async def send_at(deployment: Deployment, at_ms: int, numbers: Iterable[int]) -> None:
    """Answers and orders of one time, their records' timestamps as well."""
    await send(
        deployment,
        [
            Record(deployment.topic(topic), b"k", event(topic, number, at_ms), at_ms)
            for number in numbers
            for topic in ("survey-response", "purchase")
        ],
    )


async def the_partition(deployment: Deployment, name: str) -> tuple[str, int]:
    ends = await end_offsets(deployment, [deployment.topic(name)])
    (found,) = [part for part, end in ends.items() if end]
    return found


async def cut(deployment: Deployment, part: tuple[str, int], before: int) -> None:
    """Delete the first records of a log."""
    admin = AIOKafkaAdminClient(bootstrap_servers=deployment.bootstrap)
    await admin.start()
    await admin.delete_records({TopicPartition(*part): RecordsToDelete(before_offset=before)})
    await admin.close()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("lost", [True, False], ids=["Redis emptied", "a gap"])
async def test_windows_that_reach_before_a_cut_are_flagged_and_no_others(
    emptied: Scenario, lost: bool
) -> None:
    """::

        answers    10, three days ago    10, 100 minutes ago    10, now
                   |___ deleted ____|    |---------------------------->
        1h                           [  before  )[  now  )                 whole, not compared
        24h 7d 30d      [   before       )[              now           )   incomplete

    Orders are of the same times, and their log was not cut.
    """
    deployment, state = emptied.deployment, emptied.state
    await create_topics(deployment)
    started_ms = now_ms()
    times = (started_ms - 3 * DAY_MS, started_ms - 100 * MINUTE_MS, started_ms - MINUTE_MS)
    with emptied.worker() as worker:
        await worker.until_ready()
        await send_at(deployment, times[0] - HOUR_MS, range(1))
        part = await the_partition(deployment, "survey-response")
        await _until_stored(state, part, 1)
        if not lost:
            worker.kill()
        for place, at_ms in enumerate(times):
            await send_at(deployment, at_ms, range(10 * place + 1, 10 * place + 11))
        if lost:
            both = [part, await the_partition(deployment, "purchase")]
            await _until_stored(state, part, 31)
            await eventually(
                emptied.committed, lambda c: {*map(c.get, both)} == {31}, what="committed"
            )
            worker.kill()
            await state.redis.flushall()
        await cut(deployment, part, before=11)
        worker.start()
        await _until_stored(state, part, 31)
        counted = 20 if lost else 21  # the first answer was counted before
        await until_rows(state, lambda rows: _n(rows, "nps|30d|all") == counted, "answers")
        await until_rows(state, lambda rows: _n(rows, "orders|30d|all") == 31, "all orders")
        # Of both partitions: what a reading counts is stored.
        assert await state.stat("missed") == (0 if lost else 10)
        assert await state.stat("rebuilds") == (2 if lost else 0)
        flags = {"1h": False, "24h": True, "7d": True, "30d": True}
        rows = await until_rows(
            state,
            lambda rows: (
                not rows["orders|30d|all"]["incomplete"]
                and {w: rows[f"nps|{w}|all"]["incomplete"] for w in flags} == flags
            ),
            "orders whole, and answers where they reach before the cut not",
        )
        hour = rows["nps|1h|all"]
        assert (hour["n"], hour["value"], hour["previous"]) == (10, 100.0, None)
        assert rows["nps|24h|all"]["previous"] is None
        assert rows["orders|24h|all"]["previous"] is not None


async def _until_stored(state: StoredState, part: tuple[str, int], offset: int) -> None:
    await eventually(
        lambda: state.offsets([part]), lambda s: s[part] == offset, what=f"offset {offset} stored"
    )


def _n(rows: Rows, key: str) -> int:
    return int(rows[key]["n"]) if key in rows else -1
