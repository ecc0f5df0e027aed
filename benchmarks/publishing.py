"""What a tick of the publisher costs, step by step, and what a leader holds.

::

    python -m benchmarks.publishing                              10, 1,000 and 10,000 segments
    python -m benchmarks.publishing --segments 10000 --metrics nps --changed 1

Counters of every segment are flushed as a worker flushes them, to a real Redis, and a real
publisher ticks, to a real Kafka. CPU is this process's own, user and system, the median of the
ticks; steps are taken apart by metering the functions that they are. `memory` fills the panes of a
day and more, every counter in every pane, which is the most there can be, and tells bytes.

``changed`` is the share of the segments that were counted in since the tick before. The metrics are
NPS alone; the four that must never be wrong; or all, over what simulated events of all types add.
"""

import argparse
import asyncio
import gc
import json
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import uvloop
from redis.asyncio import Redis

from benchmarks.workloads import mixed_events
from processor.alerting.checks import Deployment
from processor.alerting.default_rules import default_rules
from processor.core.changes import Changes
from processor.core.config import EngineConfig
from processor.core.panes import HOUR_MS, SECOND_MS
from processor.core.totals import RollingTotals
from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis
from processor.metrics.catalogue import CATALOGUE
from processor.metrics.present import Presenter
from processor.metrics.registry import Metric
from processor.replay.inproc import InProcessEngine
from processor.settings import KafkaSettings
from processor.state.keys import Keys
from processor.state.live import LiveReadings
from processor.state.partition import PartitionStore
from processor.state.reader import StateReader
from processor.state.redis_url import async_client
from processor.state.scripts import Script
from processor.streaming.alerts import Alerts
from processor.streaming.kafka import client_options, readings_producer
from processor.streaming.publisher import Publisher
from processor.streaming.readings_topic import ReadingsTopic
from processor.streaming.said import keys_in
from processor.streaming.signals import Signals
from processor.streaming.topics import create_missing
from schemas.events import EventType
from schemas.readings import WHOLE

Counters = dict[str, int]

T0: Final = 1_790_000_000_000 // (2 * HOUR_MS) * (2 * HOUR_MS)
"""A time at which a pane of every tier begins."""

TOPIC: Final = "cx.events.survey-response"
FOUR: Final = ("nps", "csat", "ctr", "bounce_rate")
CATALOGUES: Final[Mapping[str, Mapping[str, Metric]]] = {
    "nps": {"nps": CATALOGUE["nps"]},
    "four": {name: CATALOGUE[name] for name in FOUR},
    "all": CATALOGUE,
}
STEPS: Final[Mapping[str, tuple[type, str]]] = {
    "read": (StateReader, "follow"),
    "add": (RollingTotals, "apply"),
    "slide": (RollingTotals, "advance"),
    "compute": (Publisher, "_slice"),
    "alerts": (Alerts, "evaluate"),
    "Redis": (Script, "__call__"),
    "Kafka": (ReadingsTopic, "write"),
}
"""The steps of a tick, by the functions that they are."""

_SHAPES: Final = 50
_EVENTS: Final = 20_000
_FLUSHED_AT_ONCE: Final = 500
"""Segments: more would keep Redis from answering for seconds on a busy machine."""


class Steps:
    """CPU time of each step, without that of the steps within it."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {}
        self._inner = [0.0]

    @contextmanager
    def taking(self, name: str) -> Iterator[None]:
        """Put down what happens within to a step."""
        self._inner.append(0.0)
        began = time.process_time()
        try:
            yield
        finally:
            whole, inner = time.process_time() - began, self._inner.pop()
            self.took[name] = self.took.get(name, 0.0) + whole - inner
            self._inner[-1] += whole

    def meter(self) -> None:
        """Meter all steps, from now on."""
        for name, (owner, function) in STEPS.items():
            setattr(owner, function, self._metered(name, getattr(owner, function)))

    def _metered(self, name: str, function: Any) -> Any:
        if not asyncio.iscoroutinefunction(function):

            def at_once(*args: Any, **named: Any) -> Any:
                with self.taking(name):
                    return function(*args, **named)

            return at_once

        async def awaited(*args: Any, **named: Any) -> Any:
            with self.taking(name):
                return await function(*args, **named)

        return awaited


def shapes(kind: str, rng: random.Random) -> list[Counters]:
    """What one flush adds to one segment: a few likely sets of counters."""
    if kind == "nps":
        names = [f"nps.{score}" for score in range(11)]
        return [{name: rng.randint(1, 9) for name in names} for _ in range(_SHAPES)]
    engine = InProcessEngine(EngineConfig(segment_sets=()), CATALOGUE)
    records = [record for _, _, record in mixed_events(_EVENTS)]
    engine.fold(records, time.time_ns() // 1_000_000 + HOUR_MS)
    engine.final(1)
    counted = dict(engine.totals.totals[-1].counts(WHOLE).items())
    if kind == "four":
        families = ("nps.", "csat5.", "csat7.", "csat10.", "session.", "impressions", "clicks")
        counted = {name: n for name, n in counted.items() if name.startswith(families)}
    # Times some number: what counts agree in, a part in a whole, stays so.
    return [{name: n * times for name, n in counted.items()} for times in range(1, _SHAPES + 1)]


def flush_of(at_ms: int, config: EngineConfig, by_series: dict[str, Counters]) -> Changes:
    """Counters of one second, as a worker flushes them."""
    deltas = {(tier.pane_ms, at_ms - at_ms % tier.pane_ms): by_series for tier in config.tiers}
    return Changes(deltas, [], [], {}, [], Counter(), at_ms, at_ms - 2_000, 0)


@asynccontextmanager
async def publishing(
    redis: Redis, bootstrap: str, metrics: Mapping[str, Metric], config: EngineConfig, name: str
) -> AsyncIterator[tuple[Publisher, PartitionStore, list[int]]]:
    """A publisher, the store of the one partition there is, and the time, which is set."""
    keys, now = Keys(name), [T0]
    kafka = KafkaSettings(bootstrap=bootstrap, group=name, readings_topic=name, partitions=1)
    await create_missing(kafka, client_options(kafka))
    store = PartitionStore(redis, keys, TOPIC, 0, config.tiers)
    await store.claim("bench")
    topics = {TOPIC: EventType.SURVEY_RESPONSE}
    windows = [window.name for window in config.windows]
    sets = [tuple(names) for names in config.segment_sets]
    publisher = Publisher(
        redis=redis,
        keys=keys,
        config=config,
        metrics=metrics,
        topics=topics,
        holder="bench",
        topic=name,
        new_producer=lambda: readings_producer(kafka),
        keys_in_topic=lambda: keys_in(name, client_options(kafka)),
        interval_s=1.0,
        lease_ttl_s=30.0,
        low_sample_under=30,
        alerts=Alerts(
            default_rules(Deployment(metrics, windows, sets)),
            redis=redis,
            keys=keys,
            signals=Signals(LiveReadings(redis, keys), topics),
            min_samples=30,
            stale_after_ms=HOUR_MS,
        ),
        now_ms=lambda: now[0],
    )
    try:
        yield publisher, store, now
    finally:
        await publisher.stand_down()


async def ticks(
    redis: Redis, bootstrap: str, asked: argparse.Namespace, *, kind: str, segments: int
) -> list[dict[str, Any]]:
    """Ticks over so many segments, for each share of them that changed."""
    config = EngineConfig(segment_sets=(("channel",),), segment_cap=segments)
    rng, steps = random.Random(1), Steps()
    kinds = shapes(kind, rng)
    names = [f"channel=c{n}" for n in range(segments)]
    found = []
    async with publishing(
        redis, bootstrap, CATALOGUES[kind], config, f"bench-{kind}-{segments}"
    ) as (publisher, store, now):

        async def tick(share: float) -> tuple[int, float]:
            now[0] += SECOND_MS
            counted = names if share == 1 else rng.sample(names, max(1, int(share * segments)))
            for at in range(0, len(counted), _FLUSHED_AT_ONCE):
                some = [WHOLE, *counted[at : at + _FLUSHED_AT_ONCE]]
                changes = flush_of(now[0], config, {name: rng.choice(kinds) for name in some})
                await store.flush(changes, (store.offset or 0) + 1)
            gc.collect()
            steps.took.clear()
            began = time.process_time()
            told = await publisher.tick()
            return told, time.process_time() - began

        for _ in range(3):  # a window before that holds something, and all that is kept
            await tick(1.0)
            now[0] += 61 * SECOND_MS
        restore = {name: (owner, getattr(owner, what)) for name, (owner, what) in STEPS.items()}
        steps.meter()
        try:
            for share in asked.changed:
                rounds = []
                for _ in range(asked.rounds):
                    told, cpu_s = await tick(share)
                    rounds.append({"readings": told, "cpu_s": cpu_s, **steps.took})
                found.append(_median(rounds, kind=kind, segments=segments, changed=share))
        finally:
            for name, (owner, function) in restore.items():
                setattr(owner, STEPS[name][1], function)
    return found


def _median(rounds: Sequence[Mapping[str, float]], **what: Any) -> dict[str, Any]:
    names = ("readings", "cpu_s", *STEPS)
    middle = {name: statistics.median(one.get(name, 0.0) for one in rounds) for name in names}
    middle["rest"] = middle["cpu_s"] - sum(middle[name] for name in STEPS)
    middle["us_per_reading"] = 1e6 * middle["cpu_s"] / max(1, middle["readings"])
    return {**what, **middle}


def memory(kind: str, segments: int, hours: float) -> dict[str, Any]:
    """What a leader holds when every counter was counted in every pane of so many hours."""
    config = EngineConfig(segment_sets=(("channel",),), segment_cap=segments)
    kinds = shapes(kind, random.Random(1))
    gc.collect()
    before = resident_mb()
    totals = RollingTotals(config.windows)
    presenter = Presenter(CATALOGUES[kind], totals, lateness_ms=config.lateness_ms)
    names = [WHOLE, *(f"channel=c{n}" for n in range(segments))]
    for tier in config.tiers:
        kept_ms = min(tier.retention_ms, int(hours * HOUR_MS))
        for start in range(T0 - kept_ms, T0, tier.pane_ms):
            of_pane = {n: kinds[(i + start) % _SHAPES] for i, n in enumerate(names)}
            totals.apply({(tier.pane_ms, start): of_pane})
    for back in (2, 1, 0):  # panes which are over are put together as time goes on
        totals.advance(T0 - 1 - back * config.tiers[-1].pane_ms)
    gc.collect()
    panes_mb = resident_mb() - before
    readings = len(presenter.changed(T0, 1))
    gc.collect()
    counters = totals.pane_count * len(names) * len(kinds[0])
    return {
        "kind": kind,
        "segments": segments,
        "hours": hours,
        "panes": totals.pane_count,
        "counters": counters,
        "panes_mb": panes_mb,
        "columns_mb": totals.nbytes / 2**20,
        "bytes_per_counter": totals.nbytes / counters,
        "readings": readings,
        "readings_mb": resident_mb() - before - panes_mb,
        "resident_mb": resident_mb(),
    }


def resident_mb() -> float:
    """This process's resident memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4096 / 2**20


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lines of a table of ticks."""
    steps = (*STEPS, "rest")
    head = "".join(f"{step:>9}" for step in steps)
    columns = f"{'metrics':<8}{'segments':>9}{'changed':>9}{'readings':>10}"
    yield f"{columns}{'CPU ms':>9}{'µs each':>9}{head}"
    for row in rows:
        parts = "".join(f"{1000 * row[step]:>9.1f}" for step in steps)
        yield (
            f"{row['kind']:<8}{row['segments']:>9,}{row['changed']:>9.0%}{row['readings']:>10,.0f}"
            f"{1000 * row['cpu_s']:>9.1f}{row['us_per_reading']:>9.1f}{parts}"
        )


async def run(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """All ticks asked for."""
    found = []
    with EmbeddedKafka() as kafka, EmbeddedRedis(appendonly=False) as server:
        redis = async_client(server.url)
        for kind in asked.metrics:
            for segments in asked.segments:
                _say(f"{kind}, {segments:,} segments")
                found += await ticks(redis, kafka.bootstrap, asked, kind=kind, segments=segments)
                await redis.flushdb()
        await redis.aclose()
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publishing", description=__doc__)
    parser.add_argument("--segments", type=int, nargs="+", default=[10, 1_000, 10_000])
    parser.add_argument("--metrics", nargs="+", choices=CATALOGUES, default=["nps", "four", "all"])
    parser.add_argument("--changed", type=float, nargs="+", default=[1.0, 0.01])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--hours", type=float, default=24.0, help="of panes for the memory; 0: none"
    )
    parser.add_argument("--memory-segments", type=int, default=1_000)
    parser.add_argument("--json", action="store_true", help="instead of the tables")
    asked = parser.parse_args(arguments)
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)  # as a worker has them
    held = [
        memory(kind, asked.memory_segments, asked.hours) for kind in asked.metrics if asked.hours
    ]
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    found = asyncio.run(run(asked)) if asked.rounds else []
    if asked.json:
        print(json.dumps({"ticks": found, "memory": held}, indent=2))
        return 0
    for line in table(found) if found else ():
        print(line)
    for one in held:
        print(
            f"memory, {one['kind']}, {one['segments']:,} segments, {one['hours']:g} h:"
            f" {one['panes']} panes of {one['counters']:,} counters take"
            f" {one['panes_mb']:.0f} MB ({one['bytes_per_counter']:.2f} bytes each in columns),"
            f" {one['readings']:,} readings {one['readings_mb']:.0f} MB"
        )
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
