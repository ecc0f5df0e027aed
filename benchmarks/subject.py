"""One process under measurement: ``python -m benchmarks.subject count|consume EVENTS``.

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
from faust.types import TP

from processor.settings import load_settings
from processor.streaming.app import CxApp, create_app
from processor.streaming.transport import BatchConsumer, RecordBatch
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
    counted = expected - already
    print(
        json.dumps(
            {
                "events": counted,
                "cpu_s": cpu,
                "wall_s": wall,
                "per_cpu_s": counted / cpu,
                "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        ),
        flush=True,
    )
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run one subject."""
    mode, expected = sys.argv[1], int(sys.argv[2])
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    settings = load_settings()
    app = create_app(settings, worker=ConsumeOnly(settings) if mode == "consume" else None)
    profile = cProfile.Profile() if "--profile" in sys.argv else None

    async def watch() -> None:
        app.add_future(measure(app, expected, profile))

    app.task(watch)
    faust.Worker(app, loglevel="warning").execute_from_commandline()


if __name__ == "__main__":
    main()
