"""Customers in a real Redis: written with their flush, looked up in bulk, forgotten whole."""

from redis.asyncio import Redis

from processor.core.panes import DAY_MS
from processor.state.customers import Remembering
from processor.state.keys import Keys
from processor.state.partition import PartitionStore
from tests.state.flushing import T0, TIERS, TOPIC, changes

TTL = 400 * DAY_MS


async def owned(redis: Redis, prefix: str, *, most: int = 1000) -> PartitionStore:
    owner = PartitionStore(redis, Keys(prefix), TOPIC, 0, TIERS, remembering=Remembering(TTL, most))
    await owner.claim("a")
    return owner


async def test_nobody_is_known_at_first(redis: Redis, prefix: str) -> None:
    owner = await owned(redis, prefix)
    assert await owner.customers([1, 2]) == {1: None, 2: None}


async def test_the_next_owner_knows_them(redis: Redis, prefix: str) -> None:
    owner = await owned(redis, prefix)
    await owner.flush(changes(customers={1: b"one", 2**63 - 1: b"two"}), 1)
    await owner.flush(changes(customers={1: b"\x00again"}), 2)
    heir = await owned(redis, prefix)
    for of_either in (owner, heir):
        assert await of_either.customers([3, 1, 2**63 - 1]) == {
            3: None,
            1: b"\x00again",
            2**63 - 1: b"two",
        }


async def test_who_ordered_within_the_time_to_live_is_remembered(redis: Redis, prefix: str) -> None:
    owner = await owned(redis, prefix)
    known: dict[int, int] = {}
    for week in range(200):
        clock = T0 + week * 7 * DAY_MS
        await owner.flush(changes(customers={week % 90: b"%d" % week}, clock_ms=clock), week + 1)
        known[week % 90] = week
        if week % 40 == 39:
            owner = await owned(redis, prefix)
            found = await owner.customers(list(known))
            for customer, last in known.items():
                if (week - last) * 7 * DAY_MS <= TTL:
                    assert found[customer] == b"%d" % last
    assert owner._customers.newest.number > 3
    generations = [key async for key in redis.scan_iter(match=f"{prefix}:*customers:*")]
    assert len(generations) == 3


async def test_too_many_are_forgotten_the_oldest_first(redis: Redis, prefix: str) -> None:
    owner = await owned(redis, prefix, most=30)
    for i in range(100):
        await owner.flush(changes(customers={i + 1: b"x"}), i + 1)
    found = await owner.customers(range(1, 101))
    kept = [customer for customer, entry in found.items() if entry is not None]
    assert 20 <= len(kept) <= 30
    assert kept == list(range(101 - len(kept), 101))


async def test_the_newest_entry_wins_over_those_of_older_generations(
    redis: Redis, prefix: str
) -> None:
    owner = await owned(redis, prefix, most=3)
    for i in range(3):
        await owner.flush(changes(customers={7: b"%d" % i}), i + 1)
    assert owner._customers.newest.number == 3
    assert await owner.customers([7]) == {7: b"2"}


async def test_many_are_looked_up_at_once(redis: Redis, prefix: str) -> None:
    owner = await owned(redis, prefix, most=100_000)
    entries = {customer: b"%d" % customer for customer in range(1, 7001)}
    await owner.flush(changes(customers=entries), 1)
    assert await owner.customers(range(1, 7002)) == {**entries, 7001: None}
