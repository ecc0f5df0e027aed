"""What a flush asks of Redis: a real one, which counts what it is sent."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache

from redis.asyncio import Redis

from processor.embedded.redis import EmbeddedRedis
from processor.state.redis_url import async_client
from schemas.events import EventType
from tests.performance.logs import NOW_MS, simulated
from tests.streaming.owning import owning

_EVENTS = 2_000
_FLUSHES = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """What Redis was asked for.

    Attributes:
        scripts: calls of scripts.
        commands: commands, with those of scripts.
        sent_bytes: that came over the network.
    """

    scripts: float
    commands: float
    sent_bytes: float


@cache
def flushing(event_type: EventType) -> Asked:
    """What one flush of 2,000 events asks for; the first flush, which admits segments, is left out.

    Returns:
        Scripts of a flush; commands and bytes of an event.
    """
    with EmbeddedRedis(appendonly=False) as server:
        total = asyncio.run(_flush(server.url, event_type))
    events = _FLUSHES * _EVENTS
    return Asked(total.scripts / _FLUSHES, total.commands / events, total.sent_bytes / events)


async def _flush(url: str, event_type: EventType) -> Asked:
    redis = async_client(url)
    consumer = owning(redis, "p", event_type=event_type, clock=lambda: NOW_MS)
    consumer.log += simulated(event_type, (_FLUSHES + 1) * _EVENTS)
    await consumer.perform_seek()

    async def flush() -> None:
        await consumer.deliver(_EVENTS)
        await consumer.partitions.flush_all()

    await flush()
    asked = await _asked(redis, flush, _FLUSHES)
    await redis.aclose()
    return asked


async def _asked(redis: Redis, work: Callable[[], Awaitable[None]], times: int) -> Asked:
    await redis.config_resetstat()
    for _ in range(times):
        await work()
    commands = await redis.info("commandstats")
    network = await redis.info("stats")
    calls = {name: stats["calls"] for name, stats in commands.items()}
    calls.pop("cmdstat_info", None)
    calls.pop("cmdstat_config|resetstat", None)
    calls.pop("cmdstat_config", None)
    scripts = sum(calls.get(f"cmdstat_{name}", 0) for name in ("eval", "evalsha", "fcall"))
    return Asked(scripts, sum(calls.values()), network["total_net_input_bytes"])
