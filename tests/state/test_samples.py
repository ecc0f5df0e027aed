"""Samples in a real Redis: appended and merged with the counts of their flush, or not at all."""

import random
from contextlib import ExitStack
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from processor.core.sample import ENTRY_BYTES, Sample, pack
from processor.core.totals import RollingTotals
from processor.embedded.redis import EmbeddedRedis
from processor.state.keys import Keys
from processor.state.partition import Fenced
from processor.state.redis_url import async_client
from processor.state.replies import raw
from processor.state.samples import LONG_BYTES
from tests.harness.proxy import LossyProxy
from tests.state.flushing import T0, TOPIC, changes, contents, count, impatient, observed, store
from tests.state.test_reader import View

LONG = LONG_BYTES // ENTRY_BYTES
"""So many entries are a long field."""


def distinct(totals: RollingTotals, measure: str = "buyers") -> int | None:
    (hour,) = (t for t in totals.totals if t.window.name == "1h")
    found: int | None = hour.counts("all").get(f"{measure}.distinct")
    return found


async def stored(redis: Redis, prefix: str, start: int = T0) -> bytes:
    key = Keys(prefix).partition(TOPIC, 0).pane(f"60000:{start}")
    return raw(await redis.hget(key, "~all|buyers"))


async def test_flushes_append_and_readers_see_them_loading_and_following(
    redis: Redis, prefix: str
) -> None:
    owner = store(redis, prefix)
    await owner.claim("a")
    await owner.flush(changes(count("order.n.USD", 2), samples=observed([5, 6])), 2)
    following = View(redis, prefix)
    assert await following.follow()
    assert distinct(following.totals) == 2
    await owner.flush(changes(count("order.n.USD"), samples=observed([6, 7])), 4)
    assert await stored(redis, prefix) == pack({5: 0, 6: 0}) + pack({6: 0, 7: 0})
    assert await following.follow()
    loading = View(redis, prefix)
    assert await loading.follow()
    for view in (following, loading):
        assert distinct(view.totals) == 3
        assert view.hour() == {"order.n.USD": 3}


async def test_partitions_are_merged(redis: Redis, prefix: str) -> None:
    for number, keys in enumerate(([1, 2, 3], [3, 4])):
        owner = store(redis, prefix, number)
        await owner.claim("a")
        await owner.flush(changes(samples=observed(keys)), 1)
    view = View(redis, prefix)
    assert await view.follow()
    assert distinct(view.totals) == 4


async def test_a_long_field_is_merged_into_its_sample(redis: Redis, prefix: str) -> None:
    owner = store(redis, prefix)
    await owner.claim("a")
    view = View(redis, prefix)
    assert await view.follow()
    for i in range(4):
        await owner.flush(changes(samples=observed(range(1, LONG // 2))), i + 1)
    # Longer than that after the third flush, it was merged with the fourth, which was appended.
    once = (LONG // 2 - 1) * ENTRY_BYTES
    assert len(await stored(redis, prefix)) == 2 * once
    await owner.flush(changes(samples=observed([LONG])), 5)
    assert await view.follow()
    loaded = View(redis, prefix)
    assert await loaded.follow()
    assert distinct(view.totals) == distinct(loaded.totals) == LONG // 2


async def test_a_sample_of_many_is_the_same_however_it_was_flushed(
    redis: Redis, prefix: str
) -> None:
    chance = random.Random(3)
    keys = [chance.getrandbits(63) or 1 for _ in range(20_000)]
    owner = store(redis, prefix)
    await owner.claim("a")
    offset = 0
    while offset < len(keys):
        size = chance.randrange(1, 3000)
        await owner.flush(
            changes(samples=observed(keys[offset : offset + size])), min(offset + size, len(keys))
        )
        offset += size
        if chance.random() < 0.2:  # another worker goes on
            owner = store(redis, prefix)
            await owner.claim("a")
    found = Sample.merged((await stored(redis, prefix),))
    assert found.level > 0
    assert found.packed() == Sample.merged((pack(dict.fromkeys(keys, 0)),)).packed()
    assert len(await stored(redis, prefix)) < 8 * LONG_BYTES


async def test_a_zombie_observes_nothing(redis: Redis, prefix: str) -> None:
    zombie, heir = store(redis, prefix), store(redis, prefix)
    await zombie.claim("a")
    await zombie.flush(changes(samples=observed(range(1, 2 * LONG)), customers={1: b"old"}), 1)
    await heir.claim("b")
    before = await contents(redis, prefix)
    with pytest.raises(Fenced):  # neither the append nor the merge that was due
        await zombie.flush(changes(samples=observed([1]), customers={1: b"new"}), 2)
    assert await contents(redis, prefix) == before


async def test_a_flush_tried_again_observes_and_merges_once(
    redis: Redis, redis_server: EmbeddedRedis, prefix: str
) -> None:
    async with LossyProxy(redis_server.url) as network:
        client = async_client(network.url)
        owner = store(client, prefix)
        await owner.claim("a")
        await owner.flush(changes(samples=observed([*range(1, LONG), 1, 2])), 1)
        await owner.flush(changes(samples=observed([1, 2])), 2)
        again = changes(samples=observed([3, LONG]), customers={9: b"1"})
        # The answer to the read of what is to be merged arrives, that to the flush does not.
        merged = owner._long.merge

        with ExitStack() as stack:

            async def merge_then_lose() -> object:
                found = await merged()
                network.lose_replies(hang=True)
                stack.enter_context(impatient(client))
                return found

            owner._long.merge = merge_then_lose  # type: ignore[method-assign, assignment]
            with pytest.raises(RedisTimeoutError):
                await owner.flush(again, 3)
        network.lose_replies(0)  # where Redis was too late to be lost, the next answer is not
        owner._long.merge = merged  # type: ignore[method-assign]
        await owner.flush(again, 3)
        assert await owner.customers([9]) == {9: b"1"}
        await client.aclose()
    entries = await stored(redis, prefix)
    assert len(entries) == (LONG + 1) * ENTRY_BYTES
    assert Sample.merged((entries,)).distinct == LONG


async def test_panes_that_are_dropped_take_their_samples_along(redis: Redis, prefix: str) -> None:
    owner = store(redis, prefix)
    await owner.claim("a")
    await owner.flush(changes(samples=observed(range(1, 2 * LONG))), 1)
    later = T0 + 10 * 3_600_000
    await owner.flush(changes(samples=observed([1], start=later), clock_ms=later), 2)
    assert await stored(redis, prefix) == b""
    assert await redis.smembers(owner.keys.panes) == {f"60000:{later}".encode()}
    await owner.flush(changes(samples=observed([2], start=later), clock_ms=later), 3)
    assert await stored(redis, prefix) == b""


async def test_a_pane_of_samples_alone_is_found_and_dropped(redis: Redis, prefix: str) -> None:
    owner = store(redis, prefix)
    await owner.claim("a")
    await owner.flush(changes(samples=observed([1], measure="active_members")), 1)
    assert (await store(redis, prefix).claim("b")).panes == {f"60000:{T0}"}
    view = View(redis, prefix)
    assert await view.follow()
    assert distinct(view.totals, "active_members") == 1


async def test_a_log_of_before_samples_is_read(redis: Redis, prefix: str) -> None:
    owner = store(redis, prefix)
    await owner.claim("a")
    view = View(redis, prefix)
    assert await view.follow()
    await owner.flush(changes(count("nps.9")), 1)
    entries: Any = await redis.xrange(owner.keys.log)
    ((entry_id, fields),) = entries
    await redis.delete(owner.keys.log)
    del fields[b"samples"]
    await redis.xadd(owner.keys.log, fields, id=entry_id)
    assert await view.follow()
    assert view.hour() == {"nps.9": 1}
