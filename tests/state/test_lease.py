"""One publisher at a time, and revisions that only grow, on a real Redis."""

import asyncio
import json
from typing import Any

from redis.asyncio import Redis

from processor.embedded.redis import EmbeddedRedis
from processor.state.keys import Keys
from processor.state.lease import Lease
from processor.state.redis_url import async_client
from processor.state.scripts import source
from tests.harness.proxy import LossyProxy
from tests.harness.waiting import eventually

LONG_MS = 60_000


class Leader:
    """What a publisher does with its lease."""

    def __init__(self, redis: Redis, prefix: str, name: str, ttl_ms: int = LONG_MS) -> None:
        self.keys = Keys(prefix)
        self.lease = Lease(redis, self.keys, name, ttl_ms)
        self._redis = redis
        self._publish = redis.register_script(source("publish"))

    async def publish(
        self, revision: int, rows: dict[str, Any] | None = None, *, after: int | None = None
    ) -> bool:
        last = await self._redis.hget(self.keys.status, "revision") if after is None else after
        arguments: list[Any] = [self.lease.token, self.lease.ttl_ms, revision, int(last or 0)]
        arguments += [2, "leader", self.lease.token, 100]
        arguments += [0, 100, 0]  # no alerts, no changes of any
        for key, row in (rows or {"nps|1h|all": revision}).items():
            arguments += [key, json.dumps(row)]
        keys = self.keys
        return bool(
            await self._publish(
                keys=[
                    keys.lease,
                    keys.status,
                    keys.readings,
                    keys.updates,
                    keys.alerts,
                    keys.outbox,
                ],
                args=arguments,
            )
        )


async def revision(redis: Redis, prefix: str) -> int:
    return int(await redis.hget(Keys(prefix).status, "revision") or 0)


async def test_only_one_holds_it(redis: Redis, prefix: str) -> None:
    leaders = [Leader(redis, prefix, f"w{n}") for n in range(10)]
    held = await asyncio.gather(*(leader.lease.hold() for leader in leaders))
    assert sum(held) == 1
    again = await asyncio.gather(*(leader.lease.hold() for leader in leaders))
    assert again == held
    assert [leader.lease.epoch for leader in leaders] == [int(h) for h in held]


async def test_it_lasts_only_as_long_as_it_is_renewed(redis: Redis, prefix: str) -> None:
    first, next_one = Leader(redis, prefix, "first"), Leader(redis, prefix, "next")
    assert await first.lease.hold()
    assert not await next_one.lease.hold()
    assert 0 < await redis.pttl(first.keys.lease) <= LONG_MS
    await first.lease.release()
    gone = Leader(redis, prefix, "gone", ttl_ms=300)
    assert await gone.lease.hold()
    assert await redis.pttl(gone.keys.lease) <= 300
    await eventually(next_one.lease.hold, within_s=3, what="the lease runs out")
    assert next_one.lease.epoch == 3


async def test_holding_and_publishing_renew_it(redis: Redis, prefix: str) -> None:
    leader = Leader(redis, prefix, "a")
    await leader.lease.hold()
    for renew in (leader.lease.hold, lambda: leader.publish(1)):
        await redis.pexpire(leader.keys.lease, LONG_MS // 2)
        assert await renew()
        assert await redis.pttl(leader.keys.lease) > LONG_MS // 2


async def test_releasing_lets_another_lead_at_once(redis: Redis, prefix: str) -> None:
    first, second = Leader(redis, prefix, "a"), Leader(redis, prefix, "b")
    await first.lease.hold()
    await first.lease.release()
    assert await second.lease.hold()
    assert second.lease.epoch == 2
    await first.lease.release()  # what is not ours stays
    assert not await first.lease.hold()
    assert await second.lease.hold()


async def test_a_leader_that_was_replaced_publishes_nothing(redis: Redis, prefix: str) -> None:
    old, new = Leader(redis, prefix, "old"), Leader(redis, prefix, "new")
    await old.lease.hold()
    assert await old.publish(1)
    await redis.delete(old.keys.lease)  # its time ran out while it slept
    await new.lease.hold()
    for number in (1, 2, 7):
        assert not await old.publish(number, {"nps|1h|all": "stale"})
    assert await redis.hgetall(old.keys.readings) == {b"nps|1h|all": b"1"}
    assert await redis.xlen(old.keys.updates) == 1
    await old.lease.release()
    assert await new.lease.hold()


async def test_the_same_holder_with_an_older_epoch_is_stale_too(redis: Redis, prefix: str) -> None:
    leader = Leader(redis, prefix, "a")
    await leader.lease.hold()
    await redis.delete(leader.keys.lease)
    await Leader(redis, prefix, "a").lease.hold()
    assert not await leader.publish(1)


async def test_a_lease_that_ran_out_is_not_published_under(redis: Redis, prefix: str) -> None:
    leader = Leader(redis, prefix, "a")
    await leader.lease.hold()
    await redis.delete(leader.keys.lease)
    assert not await leader.publish(1)
    assert await redis.exists(leader.keys.status, leader.keys.readings) == 0


async def test_the_revision_never_goes_back(redis: Redis, prefix: str) -> None:
    leader = Leader(redis, prefix, "a")
    await leader.lease.hold()
    assert await leader.publish(5)
    assert not await leader.publish(4)
    assert await revision(redis, prefix) == 5
    assert await leader.publish(6)
    await leader.lease.release()
    successor = Leader(redis, prefix, "b")
    await successor.lease.hold()
    assert not await successor.publish(5)
    assert await successor.publish(7)
    assert await revision(redis, prefix) == 7
    assert await redis.hgetall(leader.keys.readings) == {b"nps|1h|all": b"7"}


async def test_a_tick_after_one_that_redis_has_lost_is_refused(redis: Redis, prefix: str) -> None:
    leader = Leader(redis, prefix, "a")
    await leader.lease.hold()
    assert await leader.publish(5, after=0)
    assert await leader.publish(6, after=5)
    await redis.hset(leader.keys.status, "revision", 5)  # as a replica has it that became master
    assert not await leader.publish(7, after=6)
    assert await leader.publish(7, after=5)


async def test_a_tick_whose_answer_was_lost_is_published_once(
    redis: Redis, redis_server: EmbeddedRedis, prefix: str
) -> None:
    async with LossyProxy(redis_server.url) as network:
        client = async_client(network.url)
        leader = Leader(client, prefix, "a")
        await leader.lease.hold()
        assert await leader.publish(1)
        network.lose_replies()
        assert await leader.publish(2, after=1)
        assert network.lost == 1
        await client.aclose()
    assert await revision(redis, prefix) == 2
    assert await redis.xlen(leader.keys.updates) == 2


async def test_a_claim_whose_answer_was_lost_is_found_again(
    redis: Redis, redis_server: EmbeddedRedis, prefix: str
) -> None:
    async with LossyProxy(redis_server.url) as network:
        client = async_client(network.url)
        leader = Leader(client, prefix, "a")
        await client.ping()
        await leader.lease.hold()
        await leader.lease.release()
        network.lose_replies()
        assert await leader.lease.hold()
        assert leader.lease.epoch == 2
        await client.aclose()


async def test_large_ticks_and_revisions_are_whole(redis: Redis, prefix: str) -> None:
    leader = Leader(redis, prefix, "a")
    await leader.lease.hold()
    rows = {f"nps|1h|channel=c{n}": {"n": n} for n in range(20_000)}
    assert await leader.publish(2**53 - 1, rows)
    assert await redis.hlen(leader.keys.readings) == 20_000
    entries: list[Any] = await redis.xrange(leader.keys.updates) or []
    ((_, fields),) = entries
    assert len(json.loads(fields[b"readings"])) == 20_000
    assert int(fields[b"revision"]) == 2**53 - 1
