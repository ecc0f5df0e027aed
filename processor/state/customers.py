"""Where one partition's customers are stored, and how they are forgotten.

They are kept in *generations*, hashes that follow one another; a customer is written to the newest
at every order, and looked for in all, the newest first. A generation spans half of the time that a
customer is remembered, so three of them hold everybody who ordered within it. The oldest is
dropped whole, so forgetting costs nothing per customer.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from processor.state.keys import PartitionKeys
from processor.state.pipelines import read_each

_GENERATIONS: Final = 3
_KEY_BYTES: Final = 8
_HEAD: Final = struct.Struct("<HQI")
"""Length of the key, the key, length of the entry."""
_ASKED_AT_ONCE: Final = 2_000
"""Customers looked for with one command: Redis serves others between two."""


@dataclass(frozen=True, slots=True)
class Remembering:
    """How long customers are remembered, and how many.

    Attributes:
        ttl_ms: at least this long after their last order, in event time.
        most: about so many of a partition; beyond it generations follow one another faster.
    """

    ttl_ms: int
    most: int


@dataclass(frozen=True, slots=True)
class Generation:
    """The newest generation of customers.

    Attributes:
        number: its number, 0 before the first.
        since_ms: the event clock when it began.
        size: customers in it.
    """

    number: int = 0
    since_ms: int = 0
    size: int = 0

    @property
    def alive(self) -> Sequence[int]:
        """The numbers of the generations there are, the newest first."""
        return range(self.number, max(0, self.number - _GENERATIONS), -1)


class StoredCustomers:
    """The customers of one partition, as its owner reads and writes them.

    Args:
        redis: a client with bounded time-outs.
        keys: key names of the partition.
        remembering: how long, and how many.
    """

    def __init__(self, redis: Redis, keys: PartitionKeys, remembering: Remembering) -> None:
        self._redis = redis
        self._keys = keys
        self._span_ms = max(1, remembering.ttl_ms // (_GENERATIONS - 1))
        self._each_max = max(1, remembering.most // _GENERATIONS)
        self.newest = Generation()

    async def restore(self, meta: Mapping[bytes, bytes]) -> None:
        """Go on from what the partition's meta says."""
        number = int(meta.get(b"customers", 0))
        size = await self._redis.hlen(self._keys.customers(number)) if number else 0
        self.newest = Generation(number, int(meta.get(b"customers_since", 0)), size)

    async def find(self, customers: Sequence[int]) -> dict[int, bytes | None]:
        """What is stored of customers, ``None`` where that is nothing.

        Raises:
            redis.exceptions.RedisError: Redis is away, or refuses.
        """
        found: dict[int, bytes | None] = dict.fromkeys(customers)
        parts = [
            customers[begin : begin + _ASKED_AT_ONCE]
            for begin in range(0, len(customers), _ASKED_AT_ONCE)
        ]
        # The newest generation last: it has the last word.
        asked = [(n, part) for n in reversed(self.newest.alive) for part in parts]
        replies = await read_each(
            self._redis,
            [("HMGET", self._keys.customers(n), *map(_field_of, part)) for n, part in asked],
        )
        for (_, part), stored in zip(asked, replies, strict=True):
            found.update((c, s) for c, s in zip(part, stored, strict=True) if s is not None)
        return found

    def next(self, clock_ms: int) -> tuple[Generation, Iterable[int]]:
        """The generation to write to now, and the numbers of those to drop."""
        newest = self.newest
        is_due = clock_ms >= newest.since_ms + self._span_ms or newest.size >= self._each_max
        if newest.number and not is_due:
            return newest, ()
        begun = Generation(newest.number + 1, clock_ms)
        return begun, set(newest.alive) - set(begun.alive)


def encode_customers(customers: Mapping[int, bytes]) -> bytes:
    """Customers to store in a flush, packed as sessions are."""
    head = _HEAD.pack
    parts: list[bytes] = []
    for customer, entry in customers.items():
        parts += (head(_KEY_BYTES, customer, len(entry)), entry)
    return b"".join(parts)


def _field_of(customer: int) -> bytes:
    """The field that a customer is stored in."""
    return customer.to_bytes(_KEY_BYTES, "little")
