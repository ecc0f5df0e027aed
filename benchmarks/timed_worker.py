"""A worker that notes when its steps happen: ``python -m benchmarks.timed_worker FILE``.

The same code as ``cxpulse worker``; it keeps the times of batches, flushes and ticks in memory, a
few hundred a second, and writes them to the file as JSON when it ends.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.metering import peak_rss_mb
from processor.cli.faust_worker import OneLineWorker, set_up_logging
from processor.settings import load_settings
from processor.state.partition import PartitionStore
from processor.streaming.app import create_app
from processor.streaming.fetching import BatchConsumerThread, RecordBatch
from processor.streaming.transport import BatchingApp
from processor.streaming.worker import Worker

Times = dict[str, list[list[Any]]]
"""``fetches``: partition, next offset, when the fetching thread had it; ``batches``: partition,
next offset, begun, counted; ``flushes``: partition, next offset, begun, stored; ``ticks``:
readings, begun, published, CPU of the process. All times are monotonic ns."""


class TimedWorker(Worker):
    """A worker whose batches, flushes and ticks are noted.

    Attributes:
        times: what was noted.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.times: Times = {"fetches": [], "batches": [], "flushes": [], "ticks": []}

    async def start(self, app: BatchingApp) -> None:
        """Note the ticks of the publisher that is made."""
        await super().start(app)
        publisher, tick = self.publisher, self.publisher.tick

        async def timed() -> int:
            began, cpu = time.monotonic_ns(), time.process_time_ns()
            readings = await tick()
            if publisher.leads:
                ended, cpu = time.monotonic_ns(), time.process_time_ns() - cpu
                self.times["ticks"].append([readings, began, ended, cpu])
            return readings

        publisher.tick = timed  # type: ignore[method-assign]

    async def process(self, batch: RecordBatch) -> None:
        """Count a batch."""
        began = time.monotonic_ns()
        await super().process(batch)
        ended = time.monotonic_ns()
        self.times["batches"].append([batch.partition, batch.next_offset, began, ended])

    def note_fetches(self) -> None:
        """Note what the fetching thread of this process brings from now on."""
        batched, noted = BatchConsumerThread._batched, self.times["fetches"]  # noqa: SLF001

        def timed(thread: BatchConsumerThread, tp: Any, records: list[Any]) -> list[Any]:
            found = batched(thread, tp, records)
            if found and isinstance(found[0], RecordBatch):
                noted.append([tp.partition, found[0].next_offset, time.monotonic_ns()])
            return found

        BatchConsumerThread._batched = timed  # type: ignore[method-assign, assignment] # noqa: SLF001

    def note_flushes(self) -> None:
        """Note what partitions of this process write from now on."""
        flush, noted = PartitionStore.flush, self.times["flushes"]

        async def timed(store: PartitionStore, changes: Any, next_offset: int, **more: Any) -> None:
            began = time.monotonic_ns()
            await flush(store, changes, next_offset, **more)
            number = int(store.name.rpartition("-")[2])
            noted.append([number, next_offset, began, time.monotonic_ns()])

        PartitionStore.flush = timed  # type: ignore[method-assign, assignment]


def main() -> None:
    """Run one worker until it is told to end."""
    path = Path(sys.argv[1])
    sys.argv = sys.argv[:1]
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    settings = load_settings()
    worker = TimedWorker(settings)
    worker.note_fetches()
    worker.note_flushes()
    app = create_app(settings, worker=worker)
    set_up_logging("info")
    try:
        OneLineWorker(app).execute_from_commandline()
    finally:
        rss_mb = peak_rss_mb()
        path.write_text(json.dumps({**worker.times, "rss_mb": rss_mb}), encoding="utf-8")


if __name__ == "__main__":
    main()
