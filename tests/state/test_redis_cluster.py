"""A partition's state in a real Redis Cluster: as on one server, also while slots and masters move.

::

    slot    source: meta panes p:1 p:2 log          keys go a few at a time
            target:        ...                      a flush finds some here, some there: refused
    flush   1  2  3  -  -  -  -  4  5               whole, and tried again when the slot has moved
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from processor.core.config import EngineConfig
from processor.core.totals import RollingTotals
from processor.embedded.redis import EmbeddedRedis, binaries
from processor.embedded.server import free_port
from processor.state.cancelling import cancel_until_done
from processor.state.keys import Keys
from processor.state.lease import Lease
from processor.state.live import LiveReadings
from processor.state.partition import OffsetMoved, SegmentRegister
from processor.state.pipelines import read_at_once, read_each
from processor.state.reader import StateReader
from processor.state.redis_url import async_client, sync_client
from tests.harness.redis_cluster import Cluster
from tests.harness.state import StoredState
from tests.harness.waiting import PATIENCE, eventually
from tests.state.flushing import T0, TOPIC, changes, count, store

pytestmark = pytest.mark.redis

T = TypeVar("T")


@pytest.fixture(scope="module", params=list(binaries()))
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Three masters; tests leave all of them running."""
    with Cluster(binaries()[request.param]) as running:
        yield running


@pytest.fixture
async def redis(cluster: Cluster) -> AsyncIterator[Redis]:
    client = async_client(cluster.url)
    yield client
    await client.aclose()


@pytest.fixture
def prefix(redis_prefix: str) -> str:
    return redis_prefix.rstrip(":")


async def until_done(work: Callable[[], Awaitable[T]]) -> T:
    """What a worker does with an error of Redis: it tries again."""

    async def attempt() -> list[T]:
        try:
            return [await work()]
        except RedisError:
            return []

    return (await eventually(attempt, what="done in the end"))[0]


async def test_partitions_spread_over_the_masters_are_claimed_flushed_and_followed(
    cluster: Cluster, redis: Redis, prefix: str
) -> None:
    owners = [store(redis, prefix, number) for number in range(12)]
    totals = RollingTotals(EngineConfig().windows)
    totals.advance(T0 + 60_000)
    reader = StateReader(redis, Keys(prefix))
    for number, owner in enumerate(owners):
        assert (await owner.claim("a")).offset is None
        await owner.flush(changes(count("nps.9"), ids=[(7, [number])], sessions={b"s": b"1"}), 1)
    assert len({cluster.owner(owner.keys.meta).port for owner in owners}) == 3
    assert await reader.follow(totals)
    for owner in owners:
        await owner.flush(changes(count("nps.9", 2), forgotten_sessions=[b"s"]), 2)
    assert await reader.follow(totals)
    (hour,) = (t for t in totals.totals if t.window.name == "1h")
    assert dict(hour.counts("all")) == {"nps.9": 36}
    claim = await store(redis, prefix, 5).claim("b")
    assert (claim.epoch, claim.offset, claim.sessions) == (2, 2, {})
    assert [g.ids for g in claim.generations] == [b"\5" + bytes(7)]
    progress = (await LiveReadings(redis, Keys(prefix)).read()).partitions
    assert sorted(p.partition for p in progress) == list(range(12))
    assert {p.offset for p in progress} == {2}


async def test_lease_and_segments_are_those_of_one_server(redis: Redis, prefix: str) -> None:
    keys = Keys(prefix)
    first, second = (Lease(redis, keys, name, 60_000) for name in "ab")
    assert await first.hold()
    assert not await second.hold()
    await first.release()
    assert await second.hold()
    register = SegmentRegister(redis, keys, (("channel",),), 2)
    admitted, is_full = await register.admit(0, ["email", "web", "shop"])
    assert (sorted(admitted), is_full) == (["email", "web"], True)


async def test_reads_of_one_instant_are_of_one_instant(redis: Redis, prefix: str) -> None:
    key, other = f"{prefix}{{x}}:a", f"{prefix}{{x}}:b"
    written = 0

    async def write() -> None:
        nonlocal written
        while True:
            await redis.eval(
                "redis.call('INCR', KEYS[1]); redis.call('INCR', KEYS[2])", 2, key, other
            )
            written += 1

    writing = asyncio.create_task(write())
    while written < 300:
        assert not writing.done(), writing
        first, second = await read_at_once(redis, key, [("GET", key), ("GET", other)])
        assert first == second
    await cancel_until_done([writing])
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await read_at_once(redis, key, [("GET", key), ("SMEMBERS", key)])
    with pytest.raises(ResponseError, match=r"(?i)unknown command"):
        await read_at_once(redis, key, [("NOPE", key), ("GET", key)])
    assert await read_at_once(redis, key, [("GET", key)]) == [await redis.get(key)]


async def test_a_slot_that_moves_under_flushes_loses_none_and_halves_none(
    cluster: Cluster, redis: Redis, prefix: str
) -> None:
    owner = store(redis, prefix)
    await until_done(lambda: owner.claim("a"))
    slot = key_slot(owner.keys.meta.encode())
    totals = RollingTotals(EngineConfig().windows)
    totals.advance(T0 + 60_000)
    reader = StateReader(redis, Keys(prefix))
    offset, is_moving = 0, True

    async def flush_on() -> None:
        nonlocal offset
        while is_moving or offset < 50:
            offset += 1
            # A pane that is new now and then, and none so old that it is kept no more.
            begun, known = offset // 5 % 100, offset % 5 + 1
            deltas = {
                **count("nps.9", start=T0 - 60_000 * begun),
                **count("nps.1", start=T0 - 60_000 * (begun - known)),
            }
            change = changes(
                deltas, ids=[(offset // 10, [offset])], sessions={b"s": b"%d" % offset}
            )
            await until_done(partial(owner.flush, change, offset))

    flushing = asyncio.create_task(flush_on())
    for _ in range(2):
        await eventually(lambda: asyncio.sleep(0, offset), (offset + 20).__lt__, what="20 flushes")
        source = cluster.owner(owner.keys.meta)
        target = next(master for master in cluster.masters if master is not source)
        with cluster.moving(slot, target) as step:
            while await asyncio.to_thread(step):
                assert not flushing.done()
    is_moving = False
    await flushing
    state = StoredState(redis, prefix)
    meta = await state.meta(TOPIC, 0)
    assert int(meta["offset"]) == offset
    assert "stat:overflows" not in meta
    counted = {"nps.9": 0, "nps.1": 0}
    for by_series in (await state.panes()).values():
        for measure, n in by_series["all"].items():
            counted[measure] += n
    assert counted == {"nps.9": offset, "nps.1": offset}
    claim = await until_done(lambda: store(redis, prefix).claim("b"))
    assert b"".join(g.ids for g in claim.generations) == b"".join(
        n.to_bytes(8, "little") for n in range(1, offset + 1)
    )
    assert await until_done(lambda: reader.follow(totals))


async def test_an_address_that_is_no_cluster_is_told(redis_server: EmbeddedRedis) -> None:
    client = async_client(f"redis+cluster://127.0.0.1:{redis_server.port}")
    with pytest.raises(ResponseError, match="not a cluster: its address begins with redis://"):
        await client.ping()
    await client.aclose()


async def test_a_cluster_that_is_away_is_a_lost_connection_soon() -> None:
    url = f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{free_port()}"
    async with asyncio.timeout(5 * PATIENCE):
        client = async_client(url, timeout_s=0.5)
        reads: list[Awaitable[Any]] = [
            client.get("x"),
            read_each(client, [("GET", "x"), ("GET", "y")]),
            read_at_once(client, "x", [("GET", "x")]),
        ]
        for read in reads:
            with pytest.raises(RedisConnectionError):
                await read
        await client.aclose()
    with pytest.raises(RedisConnectionError):
        sync_client(url, timeout_s=0.5, retries=0)


@pytest.mark.parametrize("binary", list(binaries()))
@pytest.mark.timeout(120)
async def test_a_master_that_is_replaced_goes_on_with_what_its_replica_had(
    binary: str, prefix: str
) -> None:
    with Cluster(binaries()[binary], replicas=1) as cluster:
        redis = async_client(cluster.url)
        number = next(
            n for n in range(100) if cluster.owner(store(redis, prefix, n).keys.meta).port
            == cluster.masters[0].port
        )  # fmt: skip
        owner = store(redis, prefix, number)
        await owner.claim("a")
        for offset in range(1, 11):
            await owner.flush(changes(count("nps.9")), offset)
        await asyncio.to_thread(cluster.fail_over, cluster.masters[0])
        offset = 10
        while offset < 20:
            try:
                await until_done(partial(owner.flush, changes(count("nps.9")), offset + 1))
                offset += 1
            except OffsetMoved:
                owner = store(redis, prefix, number)
                offset = (await until_done(partial(owner.claim, "a"))).offset or 0
        panes = await StoredState(redis, prefix).panes()
        assert sum(by["all"]["nps.9"] for by in panes.values()) == 20
        await redis.aclose()
