"""Changes to flush, and everything that Redis holds before and after."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from redis.asyncio import Redis

from processor.core.changes import Changes
from processor.core.config import EngineConfig
from processor.core.dedup import RememberedIds
from processor.core.rollup import PaneDeltas
from processor.core.sample import pack
from processor.core.sampled_panes import PaneSamples
from processor.state.keys import Keys
from processor.state.partition import PartitionStore

T0: Final = 1_790_000_000_000 // 7_200_000 * 7_200_000
"""A time at which a pane of every tier begins."""

TIERS: Final = EngineConfig().tiers
TOPIC: Final = "survey-response"


def _fingerprints(keys: Sequence[int]) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    return np.array(keys, np.uint64), np.array([key % 2**32 for key in keys], np.uint32)


def changes(
    deltas: PaneDeltas | None = None,
    *,
    ids: Sequence[tuple[int, Sequence[int]]] = (),
    forgotten_generations: Sequence[int] = (),
    sessions: Mapping[bytes, bytes] | None = None,
    forgotten_sessions: Sequence[bytes] = (),
    stats: Mapping[str, int] | None = None,
    clock_ms: int = T0,
    open_sessions: int = 0,
    samples: PaneSamples | None = None,
    customers: Mapping[int, bytes] | None = None,
) -> Changes:
    """What an engine gives, with nothing where nothing is said."""
    return Changes(
        deltas={} if deltas is None else deltas,
        ids=[RememberedIds(number, [_fingerprints(keys)]) for number, keys in ids],
        forgotten_generations=list(forgotten_generations),
        sessions=dict(sessions or {}),
        forgotten_sessions=list(forgotten_sessions),
        stats=Counter(stats or {}),
        clock_ms=clock_ms,
        watermark_ms=clock_ms - 120_000,
        open_sessions=open_sessions,
        samples=samples or {},
        customers=dict(customers or {}),
    )


def observed(
    keys: Iterable[int], *, measure: str = "buyers", start: int = T0, pane_ms: int = 60_000
) -> PaneSamples:
    """Identities observed in one pane."""
    return {(pane_ms, start): {"all": {measure: pack(dict.fromkeys(keys, 0))}}}


def count(measure: str, n: int = 1, *, start: int = T0, pane_ms: int = 60_000) -> PaneDeltas:
    """One counter of one pane."""
    return {(pane_ms, start): {"all": {measure: n}}}


def store(redis: Redis, prefix: str, partition: int = 0) -> PartitionStore:
    """A partition's store, as a worker makes it; not claimed yet."""
    return PartitionStore(redis, Keys(prefix), TOPIC, partition, TIERS)


async def counted(
    redis: Redis, prefix: str, measure: str, *, start: int = T0, partition: int = 0
) -> int:
    """One counter of a minute's pane, as Redis holds it."""
    key = Keys(prefix).partition(TOPIC, partition).pane(f"60000:{start}")
    return int(await redis.hget(key, f"all|{measure}") or 0)


@contextmanager
def impatient(redis: Redis) -> Iterator[None]:
    """The client's open connections wait for half a second: for a reply that will not come.

    With so short a wait from the start, a busy machine would be late with others, too.
    """
    pool: Any = redis.connection_pool
    waits = {connection: connection.socket_timeout for connection in pool._available_connections}
    assert waits
    for connection in waits:
        connection.socket_timeout = 0.5
    yield
    for connection, timeout_s in waits.items():
        connection.socket_timeout = timeout_s


async def contents(redis: Redis, prefix: str) -> dict[bytes, Any]:
    """Every key of a deployment with its value, whatever its type."""
    found: dict[bytes, Any] = {}
    async for key in redis.scan_iter(match=f"{prefix}:*"):
        kind = await redis.type(key)
        if kind == b"hash":
            found[key] = await redis.hgetall(key)
        elif kind == b"set":
            found[key] = await redis.smembers(key)
        elif kind == b"stream":
            found[key] = await redis.xrange(key)
        else:
            found[key] = await redis.get(key)
    return found
