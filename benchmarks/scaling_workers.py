"""One worker and two over the same log: events a second, and the CPU seconds of every process.

The log is written beforehand, within a transaction that stays open until the workers hold their
partitions: nothing of it can be fetched before, and all of it from one instant on. So no producer
takes part, and no start-up is in the measure.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from benchmarks.load import Plan, answers
from benchmarks.processes import Measured, cpu_s, spent_s
from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis
from processor.settings import KafkaSettings
from processor.state.keys import Keys
from processor.state.redis_url import async_client
from processor.state.replies import text
from processor.streaming.topics import create_missing
from schemas.events import EventType

if TYPE_CHECKING:
    from aiokafka.producer.message_accumulator import BatchBuilder

PARTITIONS: Final = 4
EVENT_TIME_RATE: Final = 1_000
"""Events in a second of event time, whatever the rate at which they are counted."""

_TOPIC: Final = EventType.SURVEY_RESPONSE.topic
_WAIT_S: Final = 300.0
_OPEN_MS: Final = 15 * 60 * 1000
_IDLE_S: Final = 3.0
_POLL_S: Final = 0.02


@dataclass(frozen=True)
class Servers:
    """Where to measure.

    Attributes:
        kafka: the broker.
        redis: the Redis.
        folder: of the processes' logs.
    """

    kafka: EmbeddedKafka
    redis: EmbeddedRedis
    folder: Path

    def environment(self, name: str) -> dict[str, str]:
        """The variables of a worker with topics and keys of its own."""
        return {
            "CX_KAFKA__BOOTSTRAP": self.kafka.bootstrap,
            "CX_KAFKA__GROUP": name,
            "CX_KAFKA__TOPIC_PREFIX": f"{name}.",
            "CX_KAFKA__READINGS_TOPIC": f"{name}.metrics",
            "CX_KAFKA__TYPES": json.dumps([EventType.SURVEY_RESPONSE.value]),
            "CX_KAFKA__PARTITIONS": str(PARTITIONS),
            "CX_ALERTING__TOPIC": f"{name}.alerts",
            "CX_REDIS__URL": self.redis.url,
            "CX_REDIS__PREFIX": name,
            "CX_ENGINE__SEGMENTS": json.dumps([["channel"], ["product"]]),
            "CX_PUBLISHER__INTERVAL_S": "0.5",
        }


class Log:
    """A log that is written, and not yet to be seen.

    Args:
        bootstrap: the broker.
        topic: of the events; it is there.
    """

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._topic = topic
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            transactional_id=f"{topic}.log",
            transaction_timeout_ms=_OPEN_MS,
            compression_type="lz4",
            max_batch_size=256 * 1024,
        )

    async def write(self, events: int) -> None:
        """Write so many events, and let nobody see them."""
        await self._producer.start()
        await self._producer.begin_transaction()
        seconds = events / EVENT_TIME_RATE
        base_ms = time.time_ns() // 1_000_000 - int(seconds * 1000)
        plan = Plan(EVENT_TIME_RATE, seconds, PARTITIONS)
        builders: dict[int, BatchBuilder] = {}
        sent = []
        for number, record in answers(plan, base_ms):
            partition = plan.partition_of(number)
            builder = builders.get(partition)
            if builder is None or not builder.append(key=None, value=record, timestamp=None):
                if builder is not None:
                    sent.append(await self._send(builder, partition))
                builder = builders[partition] = self._producer.create_batch()
                builder.append(key=None, value=record, timestamp=None)
        sent += [await self._send(builder, number) for number, builder in builders.items()]
        await asyncio.gather(*sent)

    async def _send(self, builder: "BatchBuilder", partition: int) -> Any:
        return await self._producer.send_batch(builder, self._topic, partition=partition)

    async def show(self) -> None:
        """Let everybody see it, all of it."""
        await self._producer.commit_transaction()

    async def close(self) -> None:
        """Disconnect; what was not shown never was."""
        await self._producer.stop()


async def run(servers: Servers, name: str, workers: int, events: int) -> dict[str, Any]:
    """Let so many workers count a log, and tell what it took, from its showing to its reading.

    Returns:
        ``events``, ``workers``, ``wall_s``, ``cpu_s`` and ``idle_cores`` by process, what Redis
        took within scripts, and what the workers noted: ``flushes``, ``ticks``.
    """
    env = servers.environment(name)
    redis = async_client(servers.redis.url)
    keys = Keys(name)
    settings = KafkaSettings(
        bootstrap=servers.kafka.bootstrap,
        topic_prefix=f"{name}.",
        readings_topic=f"{name}.metrics",
        partitions=PARTITIONS,
        types=(EventType.SURVEY_RESPONSE,),
    )
    await create_missing(settings, {"bootstrap_servers": settings.bootstrap})
    log = Log(settings.bootstrap, f"{name}.{_TOPIC}")
    names = [f"worker {number}" for number in range(1, workers + 1)]
    times = {who: servers.folder / f"{name}-{who[-1]}.json" for who in names}
    try:
        async with AsyncExitStack() as stack:
            await log.write(events)
            pids = {"Kafka": servers.kafka.pid, "Redis": servers.redis.pid}
            for who in names:
                command = ("benchmarks.timed_worker", str(times[who]))
                process = Measured(f"{name}-{who[-1]}", command, servers.folder, env)
                pids[who] = stack.enter_context(process).pid
            await _until(lambda: _owners(redis, keys, f"{name}.{_TOPIC}"), workers)
            idle = cpu_s(pids)
            await asyncio.sleep(_IDLE_S)
            before, calls = cpu_s(pids), await _scripts(redis)
            began = time.perf_counter()
            await log.show()
            await _until(lambda: _published(redis, keys), events)
            wall_s = time.perf_counter() - began
            spent, more = spent_s(before, cpu_s(pids)), await _scripts(redis)
    finally:
        await log.close()
        await redis.aclose()
    noted = [json.loads(path.read_text(encoding="utf-8")) for path in times.values()]
    return {
        "workers": workers,
        "events": events,
        "wall_s": wall_s,
        "cpu_s": spent,
        "idle_cores": {who: s / _IDLE_S for who, s in spent_s(idle, before).items()},
        "script_calls": more[0] - calls[0],
        "script_s": more[1] - calls[1],
        "flushes": sum(len(told["flushes"]) for told in noted),
        "ticks": sum(len(told["ticks"]) for told in noted),
        "rss_mb": [told["rss_mb"] for told in noted],
    }


async def _until(look: Any, wanted: int) -> None:
    """Wait until it is so many; owners twice, as a rebalance may have a step more."""
    async with asyncio.timeout(_WAIT_S):
        times = 0
        while times < 2:
            times = times + 1 if await look() == wanted else 0
            await asyncio.sleep(_POLL_S)


async def _owners(redis: Redis, keys: Keys, topic: str) -> int:
    """How many workers share the partitions evenly; 0 while they do not."""
    found = [
        await redis.hget(keys.partition(topic, number).meta, "owner")
        for number in range(PARTITIONS)
    ]
    owners = {text(owner) for owner in found if owner is not None}
    shares = {owner: [text(o or b"") for o in found].count(owner) for owner in owners}
    return len(owners) if len(set(shares.values())) == 1 and None not in found else 0


async def _published(redis: Redis, keys: Keys) -> int:
    """The ``n`` of the reading of the whole."""
    row = await redis.hget(keys.readings, "nps|24h|all")
    return int(json.loads(row)["n"]) if row else 0


async def _scripts(redis: Redis) -> tuple[int, float]:
    """Calls of scripts so far, and the seconds that Redis was in them."""
    stats: Mapping[str, Any] = await redis.info("commandstats")
    found = [stats[name] for name in ("cmdstat_evalsha", "cmdstat_eval") if name in stats]
    return sum(s["calls"] for s in found), sum(s["usec"] for s in found) / 1e6


def per_event_us(run: Mapping[str, Any]) -> dict[str, float]:
    """CPU µs per event by kind of process: all workers together, Kafka, Redis."""
    spent: dict[str, float] = {}
    for name, seconds in run["cpu_s"].items():
        kind = "workers" if name.startswith("worker") else name
        spent[kind] = spent.get(kind, 0.0) + seconds
    return {kind: seconds / run["events"] * 1e6 for kind, seconds in spent.items()}


def cores_used(run: Mapping[str, Any]) -> float:
    """Cores that all processes of a run used together."""
    return float(sum(run["cpu_s"].values()) / run["wall_s"])


async def measure(
    servers: Servers, counts: Sequence[int], rounds: int, events: int
) -> list[dict[str, Any]]:
    """Runs with each number of workers in turn, several rounds."""
    runs = []
    for number in range(rounds):
        for workers in counts:
            found = await run(servers, f"scaling{number}w{workers}", workers, events)
            runs.append(found)
            each = ", ".join(f"{name} {us:.2f}" for name, us in per_event_us(found).items())
            print(
                f"  {workers} workers: {found['events'] / found['wall_s']:9,.0f} events/s, "
                f"{cores_used(found):.2f} cores; CPU µs an event: {each}",
                flush=True,
            )
    return runs
