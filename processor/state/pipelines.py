"""Several reads in one round trip: each by itself, or all of one instant.

The same for one server and for a cluster, where each node gets its part of the reads, and those of
one instant have to be of one slot.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import (
    AskError,
    ClusterDownError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from processor.state.cluster import ClusterClient, lost_connections

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis

Command = tuple[Any, ...]
"""A command's words, its name in capitals first and the key second."""

_TRIES: Final = 5
_FIRST_PAUSE_S: Final = 0.05
_MOVES: Final = (AskError, ClusterDownError, RedisConnectionError, TryAgainError)
"""What a slot that changes its node, or a master that changes, answers; ``MOVED`` is an ASK."""


async def read_each(redis: Redis | ClusterClient, commands: Iterable[Command]) -> list[Any]:
    """Send reads in one round trip to each server that they concern; the replies in their order.

    Raises:
        redis.exceptions.RedisError: One of them failed.
    """
    pipeline = redis.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    with lost_connections():
        return list(await pipeline.execute())


async def read_at_once(
    redis: Redis | ClusterClient, key: str, commands: list[Command]
) -> list[Any]:
    """Send reads whose replies are of one instant.

    In a cluster they are tried again while their slot moves or its master is replaced, a bounded
    number of times.

    Args:
        redis: the client.
        key: any key of the slot of all the keys.
        commands: the reads.

    Raises:
        redis.exceptions.RedisError: They failed.
    """
    if not isinstance(redis, ClusterClient):
        pipeline = redis.pipeline(transaction=True)
        for command in commands:
            pipeline.execute_command(*command)
        return list(await pipeline.execute())
    for attempt in range(_TRIES - 1):
        try:
            return await redis.read_at_once(key, commands)
        except _MOVES:
            await asyncio.sleep(_FIRST_PAUSE_S * 2**attempt)
            await redis.exists(key)  # a plain command makes the client learn who has the slot
    return await redis.read_at_once(key, commands)
