"""One process under measurement: ``python -m benchmarks.subject MODE EVENTS``.

``count``, ``consume`` and ``getmany`` read a whole log and print a JSON line with what it took,
from the claim of its partitions until everything is counted, stored and published (``count``),
handed to the agent (``consume``), or fetched without Faust (``getmany``). ``tick`` prints what a
tick takes when one event came for each of EVENTS channels, ``live`` how far a worker is behind
what comes at a fixed rate. Configured by the same variables as a worker.
"""

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import signal
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import faust
import redis
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from faust.types import TP

from benchmarks.events import write
from benchmarks.metering import OF_LOAD, Meter, memory
from benchmarks.stages import Sampler, largest
from benchmarks.workloads import PARTITIONS, survey_events
from processor.settings import Settings, load_settings
from processor.state.keys import Keys
from processor.streaming.app import CxApp, create_app
from processor.streaming.fetching import RecordBatch
from processor.streaming.interpreter import tune_interpreter
from processor.streaming.topics import event_topics
from processor.streaming.transport import BatchConsumer, BatchingApp
from processor.streaming.worker import Worker

TICKS = 3
"""Of a run of ``tick``; the one that shows all channels for the first time comes before them."""

LIVE_PER_S = 10_000
_LOOK_S = 0.1


class ConsumeOnly(Worker):
    """The same transport and agents, and nothing done with what they bring."""

    consumed = 0
    holds = False

    async def start(self, app: Any) -> None:
        """Connect to nothing."""
        del app
        tune_interpreter()  # as the worker does: what it collects is not the transport's

    async def stop(self) -> None:
        """Have nothing to flush."""

    async def process(self, batch: RecordBatch) -> None:
        """Take a batch and drop it."""
        self.consumed += len(batch.records)

    async def claim(self, assigned: set[TP], consumer: BatchConsumer) -> Mapping[TP, int]:
        """Read from the start."""
        self.holds |= bool(assigned)
        return await consumer.earliest_offsets(*assigned) if assigned else {}

    def claimed(self, tp: TP, chain: int) -> None:
        """Nothing follows from it."""
        del tp, chain

    def stored_offset(self, tp: TP) -> int | None:
        """Nothing is stored."""
        del tp
        return None


class Published(Worker):
    """A worker that knows how many of its ticks are over.

    Attributes:
        ticks_over: while it led.
    """

    ticks_over = 0

    async def start(self, app: BatchingApp) -> None:
        """Start everything."""
        await super().start(app)
        tick = self.publisher.tick

        async def counted_tick() -> int:
            readings = await tick()
            self.ticks_over += self.publisher.leads
            return readings

        # The task that publishes was made in this very step of the loop: it has not begun.
        self.publisher.tick = counted_tick  # type: ignore[method-assign]


class TicksWhenTold(Worker):
    """A worker that publishes when it is told to, and not by the clock.

    Attributes:
        tick: publishes what changed.
    """

    tick: Callable[[], Awaitable[int]]

    async def start(self, app: BatchingApp) -> None:
        """Start everything, with the publisher waiting for ever."""
        await super().start(app)
        self.tick = self.publisher.tick

        async def wait() -> int:
            await asyncio.Event().wait()
            return 0

        self.publisher.tick = wait  # type: ignore[method-assign]


async def claimed(worker: Worker) -> None:
    """Wait until the worker has partitions: from then on it fetches."""
    while True:
        if isinstance(worker, ConsumeOnly):
            if worker.holds:
                return
        elif worker.started and worker.partitions.owned:
            return
        await asyncio.sleep(0.001)


def progress(worker: Worker) -> tuple[int, bool]:
    """Events so far, and whether nothing waits for a flush."""
    if isinstance(worker, ConsumeOnly):
        return worker.consumed, True
    if worker.started:
        owned = worker.partitions.owned.values()
        return worker.partitions.events_total, all(
            p.store.offset == p.next_offset for p in owned if p.events
        )
    return 0, False


async def stored(worker: Worker, events: int) -> None:
    """Wait until so many events are counted and stored."""
    while True:
        done, flushed = progress(worker)
        if done >= events and flushed:
            return
        await asyncio.sleep(0.005)


async def published(worker: Worker) -> None:
    """Wait until everything that is stored now is published."""
    # The tick under way may have looked before the last flush: the one after it has not.
    assert isinstance(worker, Published)
    before = worker.ticks_over
    while worker.ticks_over < before + 2:  # noqa: ASYNC110 - an event would be measured
        await asyncio.sleep(0.005)


def counted(settings: Settings, client: redis.Redis) -> int:
    """The events that Redis says were counted: neither repeats nor refused."""
    keys, total = Keys(settings.redis.prefix), 0
    for topic in event_topics(settings.kafka):
        for partition in range(PARTITIONS):
            total += int(client.hget(keys.partition(topic, partition).meta, "stat:counted") or 0)
    return total


def say(events: float, result: Mapping[str, float]) -> None:
    """Print what so many events took."""
    rate = {"per_cpu_s": events / result["cpu_s"]} if result["cpu_s"] else {}
    print(json.dumps({"events": events, **rate, **result, **memory()}), flush=True)


class Run:
    """A worker under measurement.

    Args:
        app: its app.
        settings: its configuration.
        events: how many there are, or channels.
        profile: ``calls`` for a tracing profile, ``stages`` for samples, both to standard error.
    """

    def __init__(self, app: CxApp, settings: Settings, events: int, profile: str | None) -> None:
        self._worker = app.worker
        self._settings = settings
        self._events = events
        self._profile = profile
        self._redis: redis.Redis | None = None
        registry = None
        if not isinstance(app.worker, ConsumeOnly):
            self._redis = redis.Redis.from_url(settings.redis.url.get_secret_value())
            registry = app.worker.counters.registry
        self._meter = Meter(self._redis, registry)

    async def count(self) -> None:
        """Read the whole log."""
        worker = self._worker
        await claimed(worker)
        began = self._meter.begin()
        tracing, sampler = cProfile.Profile(), Sampler()
        if self._profile == "calls":
            tracing.enable()
        elif self._profile == "stages":
            sampler.start()
        await stored(worker, self._events)
        to_stored = self._meter.end().since(began)
        if self._redis is not None:
            await published(worker)
        tracing.disable()
        sampler.stop()
        used = self._meter.end().since(began)
        # What is asked of Redis is of full load: waiting for the ticks that show it is not.
        used |= {name: n for name, n in to_stored.items() if name in OF_LOAD}
        if self._profile == "calls":
            pstats.Stats(tracing, stream=sys.stderr).sort_stats("tottime").print_stats(35)
        if self._profile == "stages":
            for place, seconds in largest(sampler.places)[:30]:
                print(f"{seconds / used['cpu_s']:6.1%} {place}", file=sys.stderr)
            shares = sampler.shares(used["cpu_s"])
            used |= {f"stage:{stage}": share for stage, share in shares.items()}
        if self._redis is not None:
            used["counted"] = counted(self._settings, self._redis)
        say(self._events, {**used, "per_s": self._events / to_stored["wall_s"]})

    async def tick(self) -> None:
        """Publish after one event for each channel came, again and again."""
        worker, settings = self._worker, self._settings
        assert isinstance(worker, TicksWhenTold)
        await claimed(worker)
        producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap)
        await producer.start()
        ticks: list[dict[str, float]] = []
        for round_ in range(TICKS + 1):
            log = survey_events(
                self._events,
                round_,
                channels=self._events,
                first_ms=time.time_ns() // 1_000_000 - self._events,
            )
            await write(producer, settings.kafka.topic_prefix, log)
            await stored(worker, (round_ + 1) * self._events)
            began = self._meter.begin()
            readings = await worker.tick()
            ticks.append({**self._meter.end().since(began), "readings": readings})
        await producer.stop()
        first, *others = ticks
        result = {
            name: statistics.median(tick[name] for tick in others)
            for name in ("cpu_s", "wall_s", "redis_cpu_s", "readings")
        }
        say(self._events, {**result, "first_cpu_s": first["cpu_s"]})

    async def live(self) -> None:
        """Count what comes at a fixed rate, and look how far that is behind what was sent."""
        worker, settings = self._worker, self._settings
        await claimed(worker)
        begin_s = time.time() + 2.0
        sender = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.sender", settings.kafka.bootstrap),
            *(settings.kafka.topic_prefix, str(LIVE_PER_S), str(self._events), str(begin_s)),
            *("--channels", str(settings.engine.segment_cap)),
        )
        await asyncio.sleep(begin_s - time.time())
        began = self._meter.begin()
        behind: list[float] = []
        while (done := progress(worker)[0]) < self._events:
            due = min(self._events, (time.time() - begin_s) * LIVE_PER_S)
            behind.append(max(0.0, due - done) / LIVE_PER_S)
            await asyncio.sleep(_LOOK_S)
        await stored(worker, self._events)
        end_s = time.time() - begin_s - self._events / LIVE_PER_S
        await published(worker)
        used = self._meter.end().since(began)
        if await sender.wait():
            raise RuntimeError("the sender failed")
        behind.sort()
        used |= {
            "behind_p50_s": statistics.median(behind),
            "behind_p99_s": behind[int(0.99 * len(behind))],
            "behind_end_s": end_s,
        }
        say(self._events, used)


async def getmany(settings: Settings, expected: int) -> None:
    """What aiokafka alone takes to read the log: no Faust, nothing done with the records."""
    consumer = AIOKafkaConsumer(
        *event_topics(settings.kafka),
        bootstrap_servers=settings.kafka.bootstrap,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=settings.kafka.max_fetch_bytes,
    )
    await consumer.start()
    meter, read = Meter(), 0
    began = meter.begin()
    while read < expected:
        batches = await consumer.getmany(timeout_ms=1000, max_records=5000)
        read += sum(map(len, batches.values()))
    used = meter.end().since(began)
    say(read, {**used, "per_s": read / used["wall_s"]})
    await consumer.stop()


def main() -> None:
    """Run one subject."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.subject", description=__doc__)
    parser.add_argument("mode", choices=("count", "consume", "getmany", "tick", "live"))
    parser.add_argument("events", type=int)
    parser.add_argument("--profile", choices=("calls", "stages"))
    options = parser.parse_args()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    settings = load_settings()
    if options.mode == "getmany":
        asyncio.run(getmany(settings, options.events))
        return
    workers = {"consume": ConsumeOnly, "tick": TicksWhenTold}
    app = create_app(settings, worker=workers.get(options.mode, Published)(settings))
    run = Run(app, settings, options.events, options.profile)
    measure = {"tick": run.tick, "live": run.live}.get(options.mode, run.count)

    async def to_the_end() -> None:
        try:
            await measure()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    async def watch() -> None:
        app.add_future(to_the_end())

    app.task(watch)
    worker = faust.Worker(app, loglevel="warning")
    worker.spinner = None  # it has every debug record made, also in libraries, to turn as they come
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
