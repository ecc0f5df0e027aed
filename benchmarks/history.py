"""``python -m benchmarks.history``: what a reading of the past costs, with many segments stored.

Fills a Redis with the panes of 30 days (and as many before) for a thousand segments, and asks for
histories of one of them: all points are computed, nothing is cached. Beside it what reading the
same panes whole would cost, ``HGETALL``, as the publisher does once.
"""

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from redis.asyncio import Redis

from processor.core.panes import HOUR_MS
from processor.core.sample import pack
from processor.embedded.redis import EmbeddedRedis
from processor.metrics.catalogue import CATALOGUE
from processor.monitor.history import History, Query
from processor.settings import Settings
from processor.state.keys import Keys
from processor.state.redis_url import async_client

PANE_MS: Final = 2 * HOUR_MS
PANES: Final = 720
CLOCK_MS: Final = 1_700_000_000_000 // PANE_MS * PANE_MS
TOPICS: Final = ("cx.events.survey-response", "cx.events.purchase", "cx.events.customer")


async def fill(redis: Redis, keys: Keys, segments: int, partitions: int) -> None:
    """Panes as workers store them: every segment in every pane of every partition."""
    rng = random.Random(7)
    series = ["all", *(f"channel=c{number}" for number in range(segments))]
    for topic in TOPICS:
        for number in range(partitions):
            of = keys.partition(topic, number)
            await redis.sadd(keys.partitions, f"{topic} {number}")
            meta: dict[Any, Any] = {"offset": 1, "clock": CLOCK_MS, "watermark": CLOCK_MS}
            await redis.hset(of.meta, mapping=meta)
            if topic.endswith("customer"):  # what joined less what left, as a base is kept
                at_ms = CLOCK_MS - PANES * PANE_MS
                net: dict[Any, Any] = {f"{s}|customers.net.{at_ms}.": 2 * PANES for s in series}
                await redis.hset(of.pane("0:0"), mapping=net)
            for pane in range(PANES):
                name = f"{PANE_MS}:{CLOCK_MS - pane * PANE_MS}"
                fields: dict[Any, Any] = {}
                for one in series:
                    fields |= _fields(topic, one, rng)
                await redis.hset(of.pane(name), mapping=fields)
                await redis.sadd(of.panes, name)


def _fields(topic: str, series: str, rng: random.Random) -> dict[str, Any]:
    if topic.endswith("survey-response"):
        scores = rng.sample(range(11), 6)
        return {f"{series}|nps.{score}": rng.randint(1, 40) for score in scores}
    if topic.endswith("customer"):
        return {f"{series}|customers.joined": 3, f"{series}|customers.left": 1}
    buyers = 200 if series == "all" else 3
    keys = {rng.getrandbits(63) | 1: 256 for _ in range(buyers)}
    return {f"{series}|order.n.USD": buyers, f"~{series}|buyers": pack(keys)}


async def timed(what: Callable[[], Awaitable[object]], times: int) -> list[tuple[float, float]]:
    """Seconds of each of so many runs by the clock, and of this process's CPU."""
    found = []
    for _ in range(times):
        began, cpu = time.perf_counter(), time.process_time()
        await what()
        found.append((time.perf_counter() - began, time.process_time() - cpu))
    return found


async def measure(redis: Redis, keys: Keys, partitions: int, times: int) -> None:
    """Print a line for each kind of history."""
    settings = Settings.model_validate(
        {"kafka": {"partitions": partitions}, "redis": {"prefix": keys.prefix.split(":")[0]}}
    )
    history = History(redis, keys, settings, CATALOGUE, now_ms=lambda: CLOCK_MS)
    for metric, segment in (
        ("nps", "channel:c7"),
        ("nps", "all"),
        ("buying_customers", "channel:c7"),
        ("buying_customers", "all"),
        ("customers", "channel:c7"),
    ):
        for points in (60, 120):
            query = Query(metric, "30d", segment, points=points)
            found = await history.past(query)
            assert found.points[-1]["n"] > 0
            seconds = await timed(lambda query=query: history.past(query), times)  # type: ignore[misc]
            _say(f"{metric} {segment}, {len(found.points)} points of 30d", seconds)

    async def whole() -> None:
        of = keys.partition(TOPICS[0], 0)
        for pane in range(PANES):
            await redis.hgetall(of.pane(f"{PANE_MS}:{CLOCK_MS - pane * PANE_MS}"))

    _say("beside it: HGETALL of one partition's panes of one topic", await timed(whole, 1))


def _say(what: str, runs: list[tuple[float, float]]) -> None:
    clock, cpu = ([1000 * run[i] for run in runs] for i in (0, 1))
    sys.stdout.write(
        f"{what:<58} {statistics.median(clock):7.1f} ms, at most {max(clock):7.1f} ms; "
        f"CPU {statistics.median(cpu):7.1f} ms\n"
    )


async def main() -> None:
    """Fill and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segments", type=int, default=1000)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--times", type=int, default=10)
    chosen = parser.parse_args()
    with EmbeddedRedis(appendonly=False) as server:
        redis = async_client(server.url, timeout_s=30)
        keys = Keys("bench")
        began = time.perf_counter()
        await fill(redis, keys, chosen.segments, chosen.partitions)
        memory = (await redis.info("memory"))["used_memory_human"]
        sys.stdout.write(
            f"{chosen.segments} segments, {chosen.partitions} partition(s), {PANES} panes: "
            f"{memory} in Redis, filled in {time.perf_counter() - began:.0f} s\n"
        )
        await measure(redis, keys, chosen.partitions, chosen.times)
        await redis.aclose()


if __name__ == "__main__":
    asyncio.run(main())
