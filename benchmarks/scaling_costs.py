"""What flushes and ticks cost, as a function of what is in them: the constants of the model.

Each is measured by itself, on a real Redis and Kafka, in CPU seconds: of this process, which does
nothing else meanwhile, and of Redis, as it tells them. The engine makes what is flushed from
events, so that it is what a worker flushes.
"""

import itertools
import random
import statistics
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from benchmarks.scaling_workers import Servers
from processor.core.changes import Changes
from processor.core.config import EngineConfig
from processor.core.engine import PartitionEngine
from processor.core.segments import Segmentation
from processor.core.totals import RollingTotals
from processor.metrics.catalogue import CATALOGUE
from processor.metrics.measures import count_session, plan_of
from processor.settings import KafkaSettings
from processor.state.keys import Keys
from processor.state.live import LiveReadings
from processor.state.partition import PartitionStore
from processor.state.reader import StateReader
from processor.state.redis_url import async_client
from processor.streaming.alerts import Alerts
from processor.streaming.kafka import client_options, readings_producer
from processor.streaming.publisher import Publisher
from processor.streaming.said import keys_in
from processor.streaming.signals import Signals
from schemas.events import EventType
from schemas.timestamps import format_rfc3339

FLUSHES: Final = ((100, 5), (100, 1_000), (1_000, 1_000), (5_000, 5), (5_000, 1_000), (20_000, 5))
"""Events of a flush, and the segment values that they have."""

TICKS: Final = (10, 100, 1_000, 10_000)
"""Segment values that change."""

FOLLOWED: Final = ((1, 1), (1, 32), (100, 8), (1_000, 1), (1_000, 8))
"""Segment values that change, and partitions that each flush a change of all of them."""

IDS_STEP: Final = 10_000
IDS_STEPS: Final = 16

_TOPIC: Final = "survey-response"
_CAP: Final = 100_000
_LEASE_S: Final = 600.0
"""Longer than the longest tick on a busy machine: one that outlives its lease publishes nothing."""

_SET: Final = ("channel",)


@dataclass
class Counting:
    """An engine of survey answers, and the changes that it makes of them."""

    values: int
    seed: int = 7

    def __post_init__(self) -> None:
        self.config = EngineConfig(segment_sets=(_SET,), segment_cap=_CAP)
        self.segmentation = Segmentation(self.config.segment_sets, self.config.segment_cap)
        self.engine = PartitionEngine(
            EventType.SURVEY_RESPONSE,
            plan_of(EventType.SURVEY_RESPONSE, self.config.survey_responses),
            self.config,
            self.segmentation,
            count_session=count_session,
        )
        self._chance = random.Random(self.seed)
        self._ids = itertools.count()

    def take(self, channels: Sequence[int], at_ms: int, partition: int = 0) -> Changes:
        """What so many answers of one second change, one for each of the channels named."""
        stamp = format_rfc3339(at_ms)
        records: list[bytes | None] = [
            (
                f'{{"type":"survey_response","event_id":"{partition}-{next(self._ids)}",'
                f'"occurred_at":"{stamp}","survey":"nps","score":{self._chance.randrange(11)},'
                f'"dimensions":{{"channel":"c{channel}"}}}}'
            ).encode()
            for channel in channels
        ]
        if refused := self.engine.fold(records, at_ms + 1_000):
            raise AssertionError(f"the engine refused {refused[0].error}")
        for index, names in self.engine.unknown_segments().items():
            self.segmentation.learn(index, names, full=False)
        return self.engine.take()

    def some(self, count: int, at_ms: int) -> Changes:
        """What so many answers of random channels change."""
        return self.take([self._chance.randrange(self.values) for _ in range(count)], at_ms)


def fields_of(changes: Changes) -> int:
    """How many counters of panes there are in changes."""
    return sum(
        len(measures) for by_series in changes.deltas.values() for measures in by_series.values()
    )


async def redis_cpu_s(redis: Redis) -> float:
    """CPU seconds of Redis so far, to the microsecond."""
    told: dict[str, Any] = await redis.info("cpu")
    return float(told["used_cpu_user"] + told["used_cpu_sys"])


async def flush_points(servers: Servers, times: int) -> list[dict[str, float]]:
    """CPU seconds of a flush, in this process and in Redis, by its events and fields: medians."""
    redis = async_client(servers.redis.url)
    points = []
    try:
        for number, (events, values) in enumerate(FLUSHES):
            counting = Counting(values)
            keys = Keys(f"flush{number}")
            store = PartitionStore(redis, keys, _TOPIC, 0, counting.config.tiers)
            await store.claim("costs")
            now_ms = time.time_ns() // 1_000_000
            found = []
            for turn in range(times + 1):
                changes = counting.some(events, now_ms + turn * 200)
                fields = fields_of(changes)
                in_redis, here = await redis_cpu_s(redis), time.process_time()
                await store.flush(changes, (store.offset or 0) + events)
                here = time.process_time() - here
                found.append((fields, here, await redis_cpu_s(redis) - in_redis))
            fields, here, in_redis = (
                statistics.median(column) for column in zip(*found[1:], strict=True)
            )
            point = {"events": events, "fields": fields, "client_s": here, "redis_s": in_redis}
            points.append(point)
            print(
                f"  a flush of {events:6,} events, {fields:6,.0f} fields: "
                f"worker {here * 1e3:6.2f} ms, Redis {in_redis * 1e3:6.2f} ms",
                flush=True,
            )
    finally:
        await redis.aclose()
    return points


def bytes_of_id() -> float:
    """Memory of a worker for a remembered id, at the fill at which it is most."""
    counting, now_ms = Counting(1), time.time_ns() // 1_000_000
    counting.some(IDS_STEP, now_ms)
    tracemalloc.start()
    found = []
    for step in range(1, IDS_STEPS + 1):
        counting.some(IDS_STEP, now_ms)
        held, _ = tracemalloc.get_traced_memory()
        found.append(held / (step * IDS_STEP))
    tracemalloc.stop()
    most = max(found[IDS_STEPS // 2 :])
    print(f"  a remembered id: {most:.0f} bytes at most", flush=True)
    return most


@asynccontextmanager
async def _publishing(
    servers: Servers, redis: Redis, name: str, now_ms: Callable[[], int]
) -> AsyncIterator[Publisher]:
    settings = KafkaSettings(bootstrap=servers.kafka.bootstrap, group=name)
    keys, topics = Keys(name), {_TOPIC: EventType.SURVEY_RESPONSE}
    topic = f"{name}.metrics"
    publisher = Publisher(
        redis=redis,
        keys=keys,
        config=EngineConfig(segment_sets=(_SET,), segment_cap=_CAP),
        metrics=CATALOGUE,
        topics=topics,
        holder=name,
        topic=topic,
        new_producer=lambda: readings_producer(settings),
        keys_in_topic=lambda: keys_in(topic, client_options(settings)),
        interval_s=1.0,
        lease_ttl_s=_LEASE_S,
        low_sample_under=30,
        alerts=Alerts(
            (),
            redis=redis,
            keys=keys,
            signals=Signals(LiveReadings(redis, keys), topics),
            min_samples=30,
            stale_after_ms=600_000,
        ),
        now_ms=now_ms,
    )
    try:
        yield publisher
    finally:
        await publisher.stand_down()


def _clock() -> Iterator[int]:
    """Seconds of event time, each a second on: so each tick also moves the windows on."""
    return itertools.count(time.time_ns() // 1_000_000_000 * 1_000, 1_000)


async def follow_points(servers: Servers, times: int) -> list[dict[str, float]]:
    """CPU seconds of reading what was flushed, by its fields and flushes: medians."""
    redis = async_client(servers.redis.url, timeout_s=60)
    points = []
    try:
        for number, (values, partitions) in enumerate(FOLLOWED):
            keys, counting = Keys(f"follow{number}"), [Counting(values) for _ in range(partitions)]
            stores = [
                PartitionStore(redis, keys, _TOPIC, p, counting[p].config.tiers)
                for p in range(partitions)
            ]
            for store in stores:
                await store.claim("costs")
            clock, found = _clock(), []
            reader, totals = StateReader(redis, keys), RollingTotals(counting[0].config.windows)
            for _ in range(times + 2):
                now_ms, fields = next(clock), 0
                for partition, store in enumerate(stores):
                    changes = counting[partition].take(range(values), now_ms, partition)
                    fields += fields_of(changes)
                    await store.flush(changes, (store.offset or 0) + values)
                here = time.process_time()
                if not await reader.follow(totals):
                    raise AssertionError("a flush was missed")
                found.append((fields, time.process_time() - here))
                totals.advance(now_ms)
            fields_, here = (statistics.median(column) for column in zip(*found[2:], strict=True))
            points.append({"flushes": partitions, "fields": fields_, "follow_s": here})
            print(
                f"  following {partitions:3} flushes, {fields_:8,.0f} fields: "
                f"publisher {here * 1e3:7.1f} ms",
                flush=True,
            )
    finally:
        await redis.aclose()
    return points


async def tick_points(servers: Servers, times: int) -> list[dict[str, float]]:
    """CPU seconds of a tick, in this process and in Redis, by what it publishes: medians."""
    redis = async_client(servers.redis.url, timeout_s=60)
    points = []
    try:
        for number, values in enumerate(TICKS):
            name, counting, clock, now = f"tick{number}", Counting(values), _clock(), [0]
            store = PartitionStore(redis, Keys(name), _TOPIC, 0, counting.config.tiers)
            await store.claim("costs")
            found = []
            async with _publishing(servers, redis, name, lambda now=now: now[0]) as publisher:  # type: ignore[misc]
                for _ in range(times + 2):  # the first loads, the second follows for the first time
                    now[0] = next(clock)
                    changes = counting.take(range(values), now[0])
                    await store.flush(changes, (store.offset or 0) + values)
                    in_redis, here = await redis_cpu_s(redis), time.process_time()
                    readings = await publisher.tick()
                    here = time.process_time() - here
                    if not readings:
                        raise AssertionError("the tick was refused")
                    found.append((readings, here, await redis_cpu_s(redis) - in_redis))
            readings_, here, in_redis = (
                statistics.median(column) for column in zip(*found[2:], strict=True)
            )
            points.append(
                {"values": values, "readings": readings_, "publisher_s": here, "redis_s": in_redis}
            )
            print(
                f"  a tick of {readings_:8,.0f} readings: "
                f"publisher {here * 1e3:7.1f} ms, Redis {in_redis * 1e3:6.1f} ms",
                flush=True,
            )
    finally:
        await redis.aclose()
    return points
