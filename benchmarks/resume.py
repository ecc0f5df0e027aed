"""``python -m benchmarks.resume``: how soon a worker counts again, by how much is stored.

A worker reads none of its counters to go on, so a million of them must not take longer than ten
thousand; remembered ids and open sessions it does read. Each round starts a worker process over
state that is stored already and takes the time from the assignment of its partitions until the
first event is counted, and until that is stored; and from its start until its publisher, which does
load all counters, has published for the first time.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import faust
import numpy as np
import uvloop
from aiokafka import AIOKafkaProducer

from benchmarks.metering import peak_rss_mb
from processor.core.changes import Changes
from processor.core.config import EngineConfig
from processor.core.dedup import Deduplicator, RememberedIds
from processor.core.panes import MINUTE_MS
from processor.core.rollup import PaneDeltas
from processor.core.session_history import BITS
from processor.core.sessions import Sessions
from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis
from processor.settings import KafkaSettings, load_settings
from processor.state.keys import Keys
from processor.state.partition import PartitionStore
from processor.state.redis_url import async_client
from processor.streaming.app import create_app
from processor.streaming.fetching import RecordBatch
from processor.streaming.topics import create_missing, event_topics
from processor.streaming.worker import Worker
from schemas.events import EventType
from schemas.timestamps import format_rfc3339

PARTITIONS = 4
PANES = 100
"""In each partition; counters are series and measures in them."""


@dataclass(frozen=True)
class Stored:
    """What a worker finds.

    Attributes:
        counters: in all partitions together.
        ids: remembered, in all partitions together.
        sessions: open, in those of sessions.
    """

    counters: int
    ids: int = 0
    sessions: int = 0

    def __str__(self) -> str:
        more = f", {self.ids:,} ids, {self.sessions:,} sessions" if self.ids else ""
        return f"{self.counters:,} counters{more}"


ROWS = (
    Stored(10_000),
    Stored(1_000_000),
    Stored(10_000, ids=100_000, sessions=50_000),
    Stored(1_000_000, ids=100_000, sessions=50_000),
)


# -- what is stored -----------------------------------------------------------------------------


async def seed(redis_url: str, prefix: str, kafka: KafkaSettings, stored: Stored) -> None:
    """Write the state that a worker finds, by the store's own flushes."""
    redis = async_client(redis_url, timeout_s=60)
    config, now_ms = EngineConfig(), time.time_ns() // 1_000_000
    topics = event_topics(kafka)
    count = len(topics) * PARTITIONS
    for topic, event_type in topics.items():
        for number in range(PARTITIONS):
            store = PartitionStore(redis, Keys(prefix), topic, number, config.tiers)
            await store.claim("benchmark")
            is_session = event_type is EventType.SESSION
            sessions = open_sessions(stored.sessions // PARTITIONS, now_ms) if is_session else {}
            ids = remembered(stored.ids // count, now_ms, config) if stored.ids else []
            for deltas in panes(stored.counters // count, now_ms, config):
                await store.flush(changes(now_ms, deltas=deltas), 0)
            await store.flush(changes(now_ms, ids=ids, sessions=sessions), 0)
    await redis.aclose()


def changes(now_ms: int, **some: Any) -> Changes:
    """Changes that hold only some things."""
    none: dict[str, Any] = {
        "deltas": {},
        "ids": [],
        "forgotten_generations": [],
        "sessions": {},
        "forgotten_sessions": [],
        "stats": Counter(),
        "clock_ms": now_ms,
        "watermark_ms": now_ms - 2 * MINUTE_MS,
        "open_sessions": len(some.get("sessions", ())),
    }
    return Changes(**{**none, **some})


def panes(counters: int, now_ms: int, config: EngineConfig) -> Iterator[PaneDeltas]:
    """Panes of all tiers in turn, the latest of each, with as many counters together."""
    each, tiers = max(1, counters // PANES), config.tiers
    for number in range(PANES):
        pane_ms = tiers[number % len(tiers)].pane_ms
        start_ms = now_ms - now_ms % pane_ms - (number // len(tiers)) * pane_ms
        series: dict[str, dict[str, int]] = {}
        for counter in range(each):
            measures = series.setdefault(f"channel=c{counter // 11}", {})
            measures[f"nps.{counter % 11}"] = 1
        yield {(pane_ms, start_ms): series}


def remembered(count: int, now_ms: int, config: EngineConfig) -> list[RememberedIds]:
    """Fingerprints of ids, in two generations."""
    number = Deduplicator(config.dedup_horizon_ms).generation_of(now_ms)
    half = count // 2
    random = np.random.default_rng(1).integers(1, 1 << 63, 2 * half, np.uint64)
    return [
        RememberedIds(number - age, [(ids, np.full(half, 7, np.uint32))])
        for age, ids in ((1, random[:half]), (0, random[half : 2 * half]))
    ]


def open_sessions(count: int, now_ms: int) -> dict[bytes, bytes]:
    """Sessions of three actions each, as they are stored."""
    config = EngineConfig()
    sessions = Sessions(
        ("channel", "product"),
        timeout_ms=config.session_timeout_ms,
        longest_ms=config.session_longest_ms,
        lateness_ms=config.lateness_ms,
    )
    actions = [
        (number.to_bytes(16), now_ms - age * 20_000, BITS["page_view"], age, ("web", "plus"))
        for number in range(count)
        for age in (3, 2, 1)
    ]
    sessions.act(actions, now_ms - 2 * MINUTE_MS)
    return sessions.take_changes()[0]


# -- one round ----------------------------------------------------------------------------------


class Timed(Worker):
    """A worker that says when it began and when it had counted."""

    started_at = assigned_at = counted_at = 0.0

    async def start(self, app: Any) -> None:
        """Take the time at which its parts start."""
        self.started_at = time.perf_counter()
        await super().start(app)

    async def process(self, batch: RecordBatch) -> None:
        """Take the time of the first events that count."""
        events = self.partitions.events_total
        await super().process(batch)
        if not self.counted_at and self.partitions.events_total > events:
            self.counted_at = time.perf_counter()


async def watch(worker: Timed) -> None:
    """Wait until events are counted, stored and published, and print how long each took."""
    while not worker.counted_at:  # noqa: ASYNC110 - in process, and no event tells
        await asyncio.sleep(0.002)
    waiting = [p for p in worker.partitions.owned.values() if p.events]
    while any(p.store.offset != p.next_offset for p in waiting):  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.002)
    stored_at = time.perf_counter()
    while not worker.publisher.revision:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.002)
    result = {
        "counted_s": worker.counted_at - worker.assigned_at,
        "stored_s": stored_at - worker.assigned_at,
        "published_s": time.perf_counter() - worker.started_at,
        "rss_mb": peak_rss_mb(),
    }
    print(json.dumps(result), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)


def subject() -> None:
    """One worker process under measurement."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    settings = load_settings()
    worker = Timed(settings)
    app = create_app(settings, worker=worker)

    go_on = app._on_partitions_assigned  # noqa: SLF001 - Faust's signal comes after half of its work

    async def assigned(partitions: Any, *more: Any, **named: Any) -> None:
        if partitions and not worker.assigned_at:
            worker.assigned_at = time.perf_counter()
        await go_on(partitions, *more, **named)

    app._on_partitions_assigned = assigned  # type: ignore[assignment, method-assign]  # noqa: SLF001 - as above

    async def measure() -> None:
        app.add_future(watch(worker))

    app.task(measure)
    faust.Worker(app, loglevel="warning").execute_from_commandline()


async def send_events(kafka: KafkaSettings) -> None:
    """One answer to each partition."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await producer.start()
    for number in range(PARTITIONS):
        event = {
            "type": "survey_response",
            "event_id": f"{time.time_ns()}",
            "occurred_at": format_rfc3339(time.time_ns() // 1_000_000 - 1_000),
            "survey": "nps",
            "score": 9,
        }
        topic = kafka.topic_prefix + EventType.SURVEY_RESPONSE.topic
        await producer.send_and_wait(topic, json.dumps(event).encode(), partition=number)
    await producer.stop()


def run_round(env: Mapping[str, str]) -> dict[str, float]:
    """Start a worker and return what it took; raises SystemExit with its output if it fails."""
    environment = {**os.environ, **env, "CX_KAFKA__GROUP": f"resume-{time.time_ns()}"}
    command = [sys.executable, "-m", "benchmarks.resume", "--subject"]
    done = subprocess.run(
        command, env=environment, check=False, capture_output=True, text=True, timeout=120
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise SystemExit(f"the subject failed with {done.returncode}\n{done.stdout}{done.stderr}")
    result: dict[str, float] = json.loads(lines[-1])
    return result


def measure_all(rounds: int) -> dict[str, dict[str, float]]:
    """Medians by row, the rows in turn in every round."""
    results: dict[str, list[dict[str, float]]] = {str(stored): [] for stored in ROWS}
    with EmbeddedKafka() as kafka, EmbeddedRedis() as redis:
        environments = {}
        for number, stored in enumerate(ROWS):
            settings = KafkaSettings(
                bootstrap=kafka.bootstrap,
                topic_prefix=f"resume{number}.",
                readings_topic=f"resume{number}.metrics",
            )
            options = {"bootstrap_servers": kafka.bootstrap}
            asyncio.run(create_missing(settings, options))
            asyncio.run(seed(redis.url, f"resume{number}", settings, stored))
            environments[str(stored)] = (
                settings,
                {
                    "CX_KAFKA__BOOTSTRAP": kafka.bootstrap,
                    "CX_KAFKA__TOPIC_PREFIX": settings.topic_prefix,
                    "CX_KAFKA__READINGS_TOPIC": settings.readings_topic,
                    "CX_ALERTING__TOPIC": f"{settings.readings_topic}.alerts",
                    "CX_REDIS__URL": redis.url,
                    "CX_REDIS__PREFIX": f"resume{number}",
                },
            )
        for _ in range(rounds):
            for name, (settings, env) in environments.items():
                asyncio.run(send_events(settings))
                results[name].append(run_round(env))
    return {
        name: {what: statistics.median(run[what] for run in runs) for what in runs[0]}
        for name, runs in results.items()
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resume", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="starts over each state")
    parser.add_argument("--subject", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.subject:
        sys.argv = sys.argv[:1]
        subject()
        return
    medians = measure_all(options.rounds)
    print(f"{'stored':52}{'counted':>9}{'flushed':>9}{'published':>11}{'RSS MB':>8}")
    for name, row in medians.items():
        print(
            f"{name:52}{row['counted_s']:8.2f}s{row['stored_s']:8.2f}s"
            f"{row['published_s']:10.2f}s{row['rss_mb']:8.0f}"
        )
    print("counted, flushed: after the assignment; published: after the start of the worker")


if __name__ == "__main__":
    main()
