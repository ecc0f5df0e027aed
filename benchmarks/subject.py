"""One process under measurement: ``python -m benchmarks.subject count|consume|getmany EVENTS``.

Reads the whole log through the batching transport and prints a JSON line with what it took, from
the first batch until everything is counted, flushed and published (``count``), or handed to the
agent (``consume``). Configured by the same variables as a worker.
"""

import asyncio
import cProfile
import json
import os
import pstats
import resource
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

import faust
import uvloop
from aiokafka import AIOKafkaConsumer
from faust.types import TP

from processor.settings import Settings, load_settings
from processor.streaming.app import CxApp, create_app
from processor.streaming.fetching import RecordBatch
from processor.streaming.topics import event_topics
from processor.streaming.transport import BatchConsumer
from processor.streaming.worker import Worker


class ConsumeOnly(Worker):
    """The same transport and agents, and nothing done with what they bring."""

    consumed = 0

    async def start(self, app: Any) -> None:
        """Connect to nothing."""

    async def stop(self) -> None:
        """Have nothing to flush."""

    async def process(self, batch: RecordBatch) -> None:
        """Take a batch and drop it."""
        self.consumed += len(batch.records)

    async def claim(self, assigned: set[TP], consumer: BatchConsumer) -> Mapping[TP, int]:
        """Read from the start."""
        return await consumer.earliest_offsets(*assigned) if assigned else {}

    def claimed(self, tp: TP, chain: int) -> None:
        """Nothing follows from it."""
        del tp, chain

    def stored_offset(self, tp: TP) -> int | None:
        """Nothing is stored."""
        del tp
        return None


def done(worker: Worker) -> tuple[int, bool]:
    """Events so far, and whether nothing waits for a flush."""
    if isinstance(worker, ConsumeOnly):
        return worker.consumed, True
    if worker.started:
        owned = worker.partitions.owned.values()
        return worker.partitions.events_total, all(
            p.store.offset == p.next_offset for p in owned if p.events
        )
    return 0, False


def say(events: int, cpu_s: float, wall_s: float) -> None:
    """Print what so many events took."""
    result = {
        "events": events,
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "per_cpu_s": events / cpu_s,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(result), flush=True)


async def measure(app: CxApp, expected: int, profile: cProfile.Profile | None) -> None:
    """Wait for the log's end, print what it took, and stop the process."""
    worker = app.worker
    while done(worker)[0] == 0:  # noqa: ASYNC110 - an event would be in the measured path
        await asyncio.sleep(0.001)
    if profile is not None:
        profile.enable()
    already, _ = done(worker)
    cpu, wall = time.process_time(), time.perf_counter()
    while True:
        events, flushed = done(worker)
        if events >= expected and flushed:
            break
        await asyncio.sleep(0.005)
    if not isinstance(worker, ConsumeOnly):
        revision = worker.publisher.revision
        while worker.publisher.revision <= revision + 1:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if profile is not None:
        profile.disable()
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(35)
    say(expected - already, cpu, wall)
    os.kill(os.getpid(), signal.SIGTERM)


async def getmany(settings: Settings, expected: int) -> None:
    """What aiokafka alone takes to read the log: no Faust, nothing done with the records."""
    consumer = AIOKafkaConsumer(
        *event_topics(settings.kafka),
        bootstrap_servers=settings.kafka.bootstrap,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=settings.kafka.max_fetch_bytes,
    )
    await consumer.start()
    read, cpu, wall = 0, time.process_time(), time.perf_counter()
    while read < expected:
        batches = await consumer.getmany(timeout_ms=1000, max_records=5000)
        read += sum(map(len, batches.values()))
    say(read, time.process_time() - cpu, time.perf_counter() - wall)
    await consumer.stop()


def main() -> None:
    """Run one subject."""
    mode, expected = sys.argv[1], int(sys.argv[2])
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    settings = load_settings()
    if mode == "getmany":
        asyncio.run(getmany(settings, expected))
        return
    app = create_app(settings, worker=ConsumeOnly(settings) if mode == "consume" else None)
    profile = cProfile.Profile() if "--profile" in sys.argv else None

    async def watch() -> None:
        app.add_future(measure(app, expected, profile))

    app.task(watch)
    faust.Worker(app, loglevel="warning").execute_from_commandline()


if __name__ == "__main__":
    main()
