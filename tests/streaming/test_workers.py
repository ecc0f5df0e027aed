"""Workers as processes: they start, end, take over from one another, and agree."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest

from processor.embedded.redis import EmbeddedRedis
from processor.settings import PublisherSettings
from processor.state.redis_url import async_client
from tests.harness.events import LoggedEvent
from tests.harness.kafka import (
    Record,
    create_topics,
    end_offsets,
    producing,
    read_all,
    send,
    send_all,
    send_paced,
)
from tests.harness.state import StoredState
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment, WorkerProcess
from tests.streaming.owning import answer
from tests.streaming.publishing import readings_in_kafka


def surveys(deployment: Deployment, events: list[bytes]) -> list[Record]:
    """Survey events, spread over the partitions."""
    topic = deployment.topic("survey-response")
    return [Record(topic, b"%d" % n, event) for n, event in enumerate(events)]


async def answers(state: StoredState, series: str = "all") -> int:
    """NPS answers in the stored minutes."""
    minutes = [by for (pane_ms, _), by in (await state.panes()).items() if pane_ms == 60_000]
    return sum(by[series]["nps.9"] for by in minutes if series in by)


async def until_answers(state: StoredState, count: int, within_s: float = 30) -> None:
    await eventually(
        lambda: answers(state), lambda n: n == count, within_s=within_s, what=f"{count} answers"
    )


def says(key: str, n: int, readings: dict[str, dict[str, Any]]) -> bool:
    """Whether a reading has been published for this many."""
    return key in readings and readings[key]["n"] == n


def leader(
    *workers: WorkerProcess, state: StoredState
) -> Callable[[], Awaitable[WorkerProcess | None]]:
    """Which of the workers published last."""

    async def find() -> WorkerProcess | None:
        token = (await state.status()).get("leader", "")
        return next((w for w in workers if f":{w.pid}:" in token), None)

    return find


async def test_repeats_across_a_restart_count_once(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    events = [answer(n) for n in range(200)]
    with WorkerProcess(deployment, tmp_path) as worker:
        await worker.until_ready()
        await send(deployment, surveys(deployment, events))
        await until_answers(state, 200)
        worker.kill()
        worker.start()
        await send(deployment, surveys(deployment, [*events, answer(200)]))
        await until_answers(state, 201)
        worker.terminate(within_s=30)
        worker.start()
        await send(deployment, surveys(deployment, [*events, answer(200), answer(201)]))
        await until_answers(state, 202)
        # Another partition's repeats may still be on their way when the last answer is counted.
        await eventually(lambda: state.stat("repeats"), lambda n: n == 401, what="401 repeats")


async def test_without_input_sessions_close_and_windows_move_on(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    settings = {
        "ENGINE__SESSION_TIMEOUT": "15s",
        "ENGINE__LATENESS": "1s",
        "ENGINE__IDLE_AFTER": "1s",
    }
    view = {"type": "session", "event_id": "e", "session_id": "s", "action": "page_view"}
    with WorkerProcess(deployment, tmp_path, settings=settings) as worker:
        await worker.until_ready()
        # Both are to be seen before they are over, and a busy machine takes its time for that: it
        # publishes, and there is a producer, before they happen.
        await eventually(state.revision, what="a first tick")
        async with producing(deployment) as producer:
            view["occurred_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            session = Record(deployment.topic("session"), b"s", json.dumps(view).encode())
            survey = surveys(deployment, [answer(0, seconds_ago=42)])
            await send_all(producer, [session, *survey])
        await eventually(
            state.status, lambda s: s.get("open_sessions") == "1", what="the session open"
        )
        await eventually(state.readings, partial(says, "nps|1m|all", 1), what="the answer")
        await eventually(state.readings, partial(says, "bounce_rate|1m|all", 1), what="its close")
        assert (await state.readings())["bounce_rate|1m|all"]["value"] == 100
        assert (await state.status())["open_sessions"] == "0"
        await eventually(
            state.readings, partial(says, "nps|1m|all", 0), what="the answer out of the minute"
        )
        assert (await state.readings())["nps|5m|all"]["n"] == 1


async def test_another_worker_publishes_within_5_s_of_a_leader_s_death(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    first = WorkerProcess(deployment, tmp_path, "first")
    second = WorkerProcess(deployment, tmp_path, "second")
    with first, second:
        await first.until_ready()
        await second.until_ready()
        await send(deployment, surveys(deployment, [answer(n) for n in range(20)]))
        found = await eventually(leader(first, second, state=state), what="a leader")
        assert found is not None
        other = second if found is first else first
        revision = await state.revision()
        found.kill()
        # The other asks for the lease at each tick, and leads when that of the dead has run out.
        publisher = PublisherSettings()
        left_ms = await state.redis.pttl(state.keys.lease)
        assert left_ms / 1000 <= publisher.lease_ttl_s
        assert publisher.lease_ttl_s + publisher.interval_s <= 5
        await eventually(leader(other, state=state), within_s=5, what="the other worker publishing")
        # The lead may have gone to the other just before: then it has still to publish.
        await eventually(state.revision, lambda now: now > revision, within_s=5, what="a tick")


async def test_a_leader_that_slept_changes_nothing_when_it_wakes(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    """It wakes with events in hand that another has counted, and a tick that another passed."""
    settings = {"REDIS__FLUSH_INTERVAL_S": "2"}
    first = WorkerProcess(deployment, tmp_path, "first", settings)
    second = WorkerProcess(deployment, tmp_path, "second", settings)
    log = [LoggedEvent("survey-response", b"%d" % n, answer(n)) for n in range(16_000)]
    held_back = log[8_000:]  # else all might be sent before one falls asleep
    with first, second:
        await first.until_ready()
        await second.until_ready()
        await send_paced(deployment, log[:8_000], 4)
        await eventually(lambda: state.stat("counted"), lambda n: n > 4_000, what="some counted")
        asleep = await eventually(leader(first, second, state=state), what="a leader")
        assert asleep is not None
        awake = second if asleep is first else first
        sending = asyncio.create_task(send_paced(deployment, held_back, 4))
        await eventually(
            partial(logged_answers, deployment), lambda n: n > 10_000, what="more events"
        )
        asleep.suspend()
        await sending
        await eventually(leader(awake, state=state), what="the other worker publishing")
        # Its partitions are taken over, too, once its session has run out.
        await until_answers(state, len(log), within_s=60)
        asleep.resume()
        await eventually(
            partial(owned_by, state, asleep), within_s=60, what="it has partitions again"
        )
        revision = await state.revision()
        await eventually(state.revision, lambda now: now > revision + 3, what="further ticks")
        assert await answers(state) == len(log)
        assert await state.stat("counted") == len(log)
        assert first.running
        assert second.running
    check_revisions(await read_all(deployment, deployment.readings_topic))


async def logged_answers(deployment: Deployment) -> int:
    """How many survey records there are."""
    ends = await end_offsets(deployment, [deployment.topic("survey-response")])
    return sum(ends.values())


async def owned_by(state: StoredState, worker: WorkerProcess) -> int:
    """How many partitions a worker has claimed and not lost."""
    owners = [(await state.meta(*part))["owner"] for part in await state.partitions()]
    return sum(f":{worker.pid}:" in owner for owner in owners)


def check_revisions(records: list[Any]) -> None:
    """Each series' revisions only grow."""
    latest: dict[bytes, int] = {}
    for record in records:
        revision = json.loads(record.value)["revision"]
        assert revision > latest.get(record.key, 0), record.key
        latest[record.key] = revision


async def test_readings_are_published_by_key_for_a_compacted_topic(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    with WorkerProcess(deployment, tmp_path) as worker:
        await worker.until_ready()
        for n in range(3):
            await send(deployment, surveys(deployment, [answer(n, channel="in app")]))
            await eventually(
                state.readings,
                partial(says, "nps|1h|channel=in%20app", n + 1),
                what=f"{n + 1} answers published",
            )
        await eventually(
            partial(readings_in_kafka, deployment),
            partial(says, "nps|1h|channel=in%20app", 3),
            what="the last of them in Kafka",
        )
    records = await read_all(deployment, deployment.readings_topic)
    check_revisions(records)
    last = {record.key.decode(): json.loads(record.value) for record in records}
    assert last["nps|1h|channel=in%20app"]["n"] == 3
    assert last["nps|1h|channel=in%20app"]["segment"] == {"channel": "in app"}
    for window in ("1m", "5m", "1h", "24h", "7d", "30d"):
        assert {f"nps|{window}|all", f"ctr|{window}|all"} <= last.keys()


async def test_two_workers_admit_the_same_segments(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    settings = {"ENGINE__SEGMENT_CAP": "3"}
    channels = [f"c{n}" for n in range(12)]
    events = [
        answer(n, event_id=f"{n}-{channel}", channel=channel)
        for n in range(100)
        for channel in channels[n % 12 :] + channels[: n % 12]
    ]
    await create_topics(deployment)
    await send(deployment, surveys(deployment, events))
    first = WorkerProcess(deployment, tmp_path, "first", settings)
    second = WorkerProcess(deployment, tmp_path, "second", settings)
    with first, second:
        await until_answers(state, 1_200, within_s=60)
    series: Counter[str] = Counter()
    for (pane_ms, _), by_series in (await state.panes()).items():
        if pane_ms == 60_000:
            series.update({name: counts["nps.9"] for name, counts in by_series.items()})
    kept = {name for name in series if name.startswith("channel=c")}
    assert len(kept) == 3
    # A segment that one worker kept apart and the other did not would be short here.
    assert {name: series[name] for name in kept} == dict.fromkeys(kept, 100)
    assert series["channel=__other__"] == 900
    assert series["all"] == 1_200


@pytest.mark.soak
async def test_sigterm_while_redis_does_not_answer_ends_in_time(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    with EmbeddedRedis() as server:
        elsewhere = replace(deployment, redis_url=server.url)
        with WorkerProcess(elsewhere, tmp_path) as worker:
            await worker.until_ready()
            await send(deployment, surveys(deployment, [answer(n) for n in range(50)]))
            stored = StoredState(async_client(server.url), deployment.redis_prefix)
            await until_answers(stored, 50)
            server.suspend()
            await send(deployment, surveys(deployment, [answer(n) for n in range(50, 60)]))
            code, took_s = await asyncio.to_thread(worker.terminate, 12)
            assert took_s < 10
            assert code == 0
            server.resume()
            worker.start()
            await until_answers(stored, 60)
        await stored.redis.aclose()


async def test_faust_s_own_command_works_and_serves_nothing(
    deployment: Deployment, state: StoredState, tmp_path: Path
) -> None:
    """Faust's web server would give the tables to anyone, on every address."""
    faust = ("faust", "-A", "processor.streaming.app", "worker")
    first = WorkerProcess(deployment, tmp_path, "first", command=faust)
    second = WorkerProcess(deployment, tmp_path, "second", command=faust)
    await create_topics(deployment)
    with first, second:
        await send(deployment, surveys(deployment, [answer(n) for n in range(50)]))
        await until_answers(state, 50, within_s=60)
        for worker in (first, second):
            await eventually(
                partial(owned_by, state, worker),
                within_s=60,
                what=f"{worker.log_file.name} at work",
            )
            connections = psutil.Process(worker.pid).net_connections()
            assert connections, "it talks to Kafka and Redis"
            assert [c.laddr for c in connections if c.status == psutil.CONN_LISTEN] == []
        assert first.terminate(within_s=30)[0] == 0
