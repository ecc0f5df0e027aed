"""Writes and claims that are tried again until they are done: each try is bounded in time.

Those under way are known, so that a wait with a reason is told from a stand-still.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final, TypeVar

from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from processor.streaming.counters import WorkerCounters
from processor.streaming.progress import Attempt, Awaited

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_RETRY_FIRST_S: Final = 0.05
RETRY_MAX_S: Final = 2.0
"""The longest pause between two tries."""


_SERVERS: Final = {Awaited.REDIS: "redis", Awaited.DEAD_LETTERS: "dead_letters"}


class Attempts:
    """What is being tried, and is tried again while Redis or Kafka does not do it.

    Args:
        counters: where tries that fail are counted.
    """

    def __init__(self, counters: WorkerCounters) -> None:
        self._counters = counters
        self._under_way: set[Attempt] = set()

    @property
    def under_way(self) -> Collection[Attempt]:
        """Attempts that are not done."""
        return self._under_way

    async def until_done(
        self,
        name: str,
        write: Callable[[], Awaitable[_T]],
        *,
        of: Awaited = Awaited.REDIS,
        is_given_up: Callable[[], bool] = lambda: False,
    ) -> _T | None:
        """Try until it is done.

        Args:
            name: what for, for the log and health checks.
            write: one try.
            of: who has to answer.
            is_given_up: asked before each try.

        Returns:
            What the try gave, ``None`` where it was given up.
        """
        attempt = Attempt(name, of, time.monotonic())
        self._under_way.add(attempt)
        try:
            delay = _RETRY_FIRST_S
            while not is_given_up():
                try:
                    return await write()
                except (RedisError, KafkaError, OSError, TimeoutError) as error:
                    attempt.error = str(error) or type(error).__name__
                    self._counters.failed(_SERVERS[of], error)
                    log.warning("%s: %s; trying again in %.2f s", name, attempt.error, delay)
                    await asyncio.sleep(delay)
                    delay = min(2 * delay, RETRY_MAX_S)
            return None
        finally:
            self._under_way.discard(attempt)
