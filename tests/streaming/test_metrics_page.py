"""A worker's ``/metrics``: what it counts, and what it shows while its event loop hangs."""

import asyncio
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from processor.embedded.server import free_port
from processor.streaming.attempts import Attempts
from processor.streaming.counters import WorkerCounters
from processor.streaming.health import Health
from processor.streaming.health_server import HealthServer
from processor.streaming.metrics_page import metrics_route
from processor.streaming.progress import Answer, Attempt, Awaited, PartitionProgress, Snapshot
from schemas.events import EventType
from tests.harness.kafka import Record, send
from tests.harness.metrics import Exposition
from tests.harness.waiting import PATIENCE, eventually
from tests.harness.worker import Deployment, WorkerProcess
from tests.streaming.owning import answer, owning

TYPE = "survey_response"


def scrape(port: int) -> Exposition:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10 * PATIENCE) as page:
        assert page.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return Exposition.parse(page.read().decode())


@pytest.fixture
def health() -> Health:
    return Health(ready_lag_max=100)


@pytest.fixture
def counters() -> WorkerCounters:
    return WorkerCounters()


@pytest.fixture
def port(health: Health, counters: WorkerCounters) -> Iterator[int]:
    server = HealthServer("127.0.0.1", 0, metrics_route(health, counters)).start()
    yield server.port
    server.close()


def test_every_outcome_is_there_before_the_first_event(port: int) -> None:
    seen = scrape(port)
    seen.check_conventions()
    assert seen.value("cxpulse_worker_events_total", type=TYPE, outcome="counted") == 0
    events = seen.of("cxpulse_worker_events_total")
    assert len(events) == len(EventType) * 6
    assert seen.value("cxpulse_worker_ready") == 0
    assert seen.value("cxpulse_worker_check", check="worker") == 0
    assert "cxpulse_worker_lag_records" not in seen.families
    assert seen.families["process_resident_memory_bytes"].samples
    assert seen.families["python_gc_collections"].samples


def test_partitions_are_shown_as_the_event_loop_saw_them(port: int, health: Health) -> None:
    health.show(
        Snapshot(
            number=1,
            joined=True,
            rebalancing=False,
            unclaimed=("s-2",),
            partitions=(
                PartitionProgress("s-0", 1, 10, 12, 15, 15, 20, 10, False, "s", 0, 3),
                PartitionProgress("s-1", 1, None, 0, 4, 4, 4, 4, False, "s", 1, 2),
                PartitionProgress("s-3", 1, 1, 1, 1, 1, 9, 8, True, "s", 3, 7),
            ),
            attempts=(Attempt("s-0", Awaited.REDIS, 0.0, "no"),),
            redis=Answer(None),
            kafka=Answer("no connection"),
        )
    )
    seen = scrape(port)
    seen.check_conventions()
    assert seen.value("cxpulse_worker_lag_records", topic="s", partition="0") == 10
    assert seen.value("cxpulse_worker_unstored_records", topic="s", partition="1") == 4
    assert seen.value("cxpulse_worker_lag_records", topic="s", partition="3") is None
    assert seen.value("cxpulse_worker_open_sessions") == 5
    by_state = {"claimed": 2, "lost": 1, "unclaimed": 1}
    for state, count in by_state.items():
        assert seen.value("cxpulse_worker_partitions", state=state) == count
    assert seen.value("cxpulse_worker_check", check="redis") == 0  # a write waits for it
    assert seen.value("cxpulse_worker_check", check="kafka") == 0
    assert seen.value("cxpulse_worker_waiting_writes") == 1


def test_it_is_answered_while_the_event_loop_hangs(
    port: int, health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(health, "_beat_at", now - 60)
    seen = scrape(port)
    assert seen.value("cxpulse_worker_live") == 0
    age_s = seen.value("cxpulse_worker_event_loop_age_seconds")
    assert age_s is not None
    assert age_s >= 60


async def test_tries_that_fail_are_counted_by_who_was_asked(counters: WorkerCounters) -> None:
    tries = 0

    async def write() -> str:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise RedisConnectionError("away")
        return "stored"

    assert await Attempts(counters).until_done("s-0", write) == "stored"
    name, labels = "cxpulse_worker_errors_total", {"server": "redis", "kind": "ConnectionError"}
    assert counters.registry.get_sample_value(name, labels) == 2


async def test_a_flush_counts_what_it_stored_and_why_records_were_refused(
    redis: Redis, redis_prefix: str
) -> None:
    consumer = owning(redis, redis_prefix.rstrip(":"))
    repeated = answer(1)  # made twice it might be of two seconds, and differ
    consumer.log = [repeated, repeated, answer(2), b"no JSON", b"", answer(3, seconds_ago=-900)]
    await consumer.perform_seek()
    await consumer.deliver()
    value = consumer.partitions.counters.registry.get_sample_value
    counted = {"type": TYPE, "outcome": "counted"}
    assert value("cxpulse_worker_events_total", counted) == 0  # not before it is stored
    assert value("cxpulse_worker_batch_records_sum", {"type": TYPE}) == 6
    await consumer.partitions.flush_all()
    outcomes = {"counted": 2, "repeats": 1, "conflicts": 0, "rejected": 3, "late_dropped": 0}
    for outcome, count in outcomes.items():
        labels = {"type": TYPE, "outcome": outcome}
        assert value("cxpulse_worker_events_total", labels) == count
    for code in ("invalid_json", "empty_value", "too_far_ahead"):
        assert value("cxpulse_worker_dead_letters_total", {"type": TYPE, "code": code}) == 1
    assert value("cxpulse_worker_flush_seconds_count") == 1
    assert value("cxpulse_worker_rebalances_total") == 1


async def test_a_flush_that_another_owner_refuses_counts_nothing(
    redis: Redis, redis_prefix: str
) -> None:
    sleeper, other = (owning(redis, redis_prefix.rstrip(":"), owner=name) for name in "ab")
    sleeper.log = [answer(1)]
    await sleeper.perform_seek()
    await sleeper.deliver()
    await other.perform_seek()
    await sleeper.partitions.flush_all()
    value = sleeper.partitions.counters.registry.get_sample_value
    counted = {"type": TYPE, "outcome": "counted"}
    assert value("cxpulse_worker_events_total", counted) == 0
    assert value("cxpulse_worker_flush_seconds_count") == 0
    assert value("cxpulse_worker_partitions_lost_total") == 1


@pytest.mark.timeout(120)
async def test_a_worker_tells_of_its_work(deployment: Deployment, tmp_path: Path) -> None:
    port = free_port()
    topic = deployment.topic("survey-response")
    events = [answer(n) for n in range(50)] + [b"no JSON"]
    settings = {"WORKER__HEALTH_PORT": str(port)}
    with WorkerProcess(deployment, tmp_path, settings=settings) as worker:
        await worker.until_ready()
        await send(deployment, [Record(topic, b"%d" % n, e) for n, e in enumerate(events)])

        async def seen() -> Exposition:
            return await asyncio.to_thread(scrape, port)

        def done(page: Exposition) -> bool:
            published = page.value("cxpulse_worker_published_readings_sum") or 0
            took = page.value("cxpulse_worker_publish_seconds_count") or 0
            counted = page.value("cxpulse_worker_events_total", type=TYPE, outcome="counted")
            # Another partition's: it may be written later than the last event.
            letters = page.value(
                "cxpulse_worker_dead_letters_total", type=TYPE, code="invalid_json"
            )
            # A lease may run out on a slow machine, and partitions be claimed again: not for long.
            leads = page.value("cxpulse_worker_leads") == 1
            has_all = len(page.of("cxpulse_worker_lag_records")) == len(EventType) * 4
            is_published = published > 0 and took > 0 and leads and has_all
            return is_published and (counted, letters) == (50, 1)

        page = await eventually(seen, done, what="51 records counted and readings published")
    page.check_conventions()
    assert (page.value("cxpulse_worker_rebalances_total") or 0) >= 1
