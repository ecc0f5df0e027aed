"""One partition's state on a real Redis: flushes are all or nothing, and only their owner's."""

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from processor.embedded.redis import EmbeddedRedis
from processor.state.keys import Keys
from processor.state.partition import Fenced, OffsetMoved
from processor.state.redis_url import async_client
from processor.state.replies import text
from tests.harness.proxy import LossyProxy
from tests.state.flushing import T0, TOPIC, changes, contents, count, counted, impatient, store

_FULL = r"OOM|maxmemory"
_READ_ONLY = r"READONLY|read only"
_NO_PERMISSION = r"(?i)permission|can't run this command"
INT64_MAX = 2**63 - 1


async def test_a_partition_nobody_had_begins_with_nothing(redis: Redis, prefix: str) -> None:
    claim = await store(redis, prefix).claim("a")
    assert (claim.epoch, claim.offset, claim.clock_ms) == (1, None, 0)
    assert (claim.panes, claim.generations, claim.sessions) == (set(), [], {})


async def test_the_next_owner_finds_what_was_flushed(redis: Redis, prefix: str) -> None:
    first = store(redis, prefix)
    await first.claim("a")
    await first.flush(
        changes(
            count("nps.9"),
            ids=[(7, [1, 2**64 - 1]), (8, [3])],
            sessions={b"s1": b"\x00entry|1", b"s2": b"2"},
            clock_ms=T0 + 5_000,
        ),
        11,
    )
    await first.flush(
        changes(count("nps.9", 2), ids=[(8, [4])], sessions={b"s1": b"new"}, clock_ms=T0 + 6_000),
        12,
    )
    claim = await store(redis, prefix).claim("b")
    assert (claim.epoch, claim.offset, claim.clock_ms) == (2, 12, T0 + 6_000)
    assert claim.panes == {f"60000:{T0}"}
    assert [(g.number, g.ids, g.contents) for g in claim.generations] == [
        (7, b"\1" + bytes(7) + b"\xff" * 8, b"\1\0\0\0" + b"\xff" * 4),
        (8, b"\3" + bytes(7) + b"\4" + bytes(7), b"\3\0\0\0\4\0\0\0"),
    ]
    assert claim.sessions == {b"s1": b"new", b"s2": b"2"}
    assert await counted(redis, prefix, "nps.9") == 3


async def test_what_is_forgotten_is_gone(redis: Redis, prefix: str) -> None:
    owner = store(redis, prefix)
    await owner.claim("a")
    await owner.flush(changes(ids=[(7, [1]), (8, [2])], sessions={b"s1": b"1", b"s2": b"2"}), 1)
    await owner.flush(changes(forgotten_generations=[7], forgotten_sessions=[b"s1"]), 2)
    claim = await store(redis, prefix).claim("b")
    assert [g.number for g in claim.generations] == [8]
    assert claim.sessions == {b"s2": b"2"}
    keys = Keys(prefix).partition(TOPIC, 0)
    assert await redis.exists(keys.ids(7), keys.contents(7)) == 0


async def test_a_zombie_s_flush_is_refused_and_writes_nothing(redis: Redis, prefix: str) -> None:
    zombie, heir = store(redis, prefix), store(redis, prefix)
    await zombie.claim("a")
    await zombie.flush(changes(count("nps.9")), 1)
    await heir.claim("b")
    before = await contents(redis, prefix)
    with pytest.raises(Fenced, match=f"{TOPIC}-0"):
        await zombie.flush(
            changes(count("nps.9"), ids=[(1, [1])], sessions={b"s": b"1"}, stats={"counted": 1}), 2
        )
    assert await contents(redis, prefix) == before
    await heir.flush(changes(count("nps.9")), 2)
    assert await counted(redis, prefix, "nps.9") == 2


async def test_an_answer_lost_with_its_connection_counts_once(
    redis: Redis, redis_server: EmbeddedRedis, prefix: str
) -> None:
    async with LossyProxy(redis_server.url) as network:
        client = async_client(network.url)
        owner = store(client, prefix)
        await owner.claim("a")
        await owner.flush(changes(count("nps.9")), 1)
        network.lose_replies()
        await owner.flush(changes(count("nps.9"), ids=[(1, [5])], stats={"counted": 1}), 2)
        assert network.lost == 1
        await owner.flush(changes(count("nps.9")), 3)
        await client.aclose()
    assert await counted(redis, prefix, "nps.9") == 3
    claim = await store(redis, prefix).claim("b")
    assert [len(g.ids) for g in claim.generations] == [8]
    assert claim.offset == 3


async def test_a_flush_tried_again_after_a_time_out_counts_once(
    redis: Redis, redis_server: EmbeddedRedis, prefix: str
) -> None:
    async with LossyProxy(redis_server.url) as network:
        client = async_client(network.url)
        owner = store(client, prefix)
        await owner.claim("a")
        await owner.flush(changes(count("nps.9")), 1)
        network.lose_replies(hang=True)
        again = changes(count("nps.9"), sessions={b"s": b"1"})
        with impatient(client), pytest.raises(RedisTimeoutError):
            await owner.flush(again, 2)
        network.lose_replies(0)  # where Redis was too late to be lost, the next answer is not
        await owner.flush(again, 2)
        await client.aclose()
    assert await counted(redis, prefix, "nps.9") == 2


async def test_an_offset_that_moved_is_detected(redis: Redis, prefix: str) -> None:
    owner = store(redis, prefix)
    await owner.claim("a")
    await owner.flush(changes(count("nps.9")), 10)
    await redis.hset(owner.keys.meta, "offset", 4)
    before = await contents(redis, prefix)
    with pytest.raises(OffsetMoved, match="holds offset 4, this worker left it at 10"):
        await owner.flush(changes(count("nps.9")), 11)
    assert await contents(redis, prefix) == before


@pytest.mark.parametrize("to_claim", ["emptied", "rolled back before the claim"])
async def test_a_redis_that_forgot_the_claim_is_not_another_owner(
    redis: Redis, prefix: str, to_claim: str
) -> None:
    """Its owner has to read again; if it believed in another owner, nobody would count."""
    if to_claim != "emptied":
        await store(redis, prefix).claim("earlier")
    owner = store(redis, prefix)
    epoch = (await owner.claim("a")).epoch
    await owner.flush(changes(count("nps.9")), 10)
    if to_claim == "emptied":
        await redis.delete(*await contents(redis, prefix))
    else:
        await redis.hset(owner.keys.meta, mapping={"epoch": epoch - 1, "offset": 3})
    with pytest.raises(OffsetMoved):
        await owner.flush(changes(count("nps.9")), 11)


async def test_a_full_redis_refuses_all_and_takes_all_later(own_redis: Redis, prefix: str) -> None:
    owner = store(own_redis, prefix)
    await owner.claim("a")
    await owner.flush(changes(count("nps.9")), 1)
    before = await contents(own_redis, prefix)
    await own_redis.config_set("maxmemory", "1")
    late = changes(count("nps.9"), ids=[(1, [1])], sessions={b"s": b"1"}, stats={"counted": 1})
    for _ in range(2):
        with pytest.raises(ResponseError, match=_FULL):
            await owner.flush(late, 2)
        assert await contents(own_redis, prefix) == before
    await own_redis.config_set("maxmemory", "0")
    await owner.flush(late, 2)
    assert await counted(own_redis, prefix, "nps.9") == 2


async def test_a_replica_refuses_all_and_takes_all_once_promoted(
    own_redis: Redis, prefix: str
) -> None:
    owner = store(own_redis, prefix)
    await owner.claim("a")
    await owner.flush(changes(count("nps.9")), 1)
    before = await contents(own_redis, prefix)
    await own_redis.replicaof("127.0.0.1", "1")
    late = changes(count("nps.9"), ids=[(1, [1])])
    with pytest.raises(ResponseError, match=_READ_ONLY):
        await owner.flush(late, 2)
    assert await contents(own_redis, prefix) == before
    await own_redis.replicaof("NO", "ONE")
    await owner.flush(late, 2)
    assert await counted(own_redis, prefix, "nps.9") == 2


@pytest.mark.parametrize(
    "denied", ["hset", "hincrby", "sadd", "append", "unlink", "srem", "hdel", "xadd"]
)
async def test_a_user_who_may_not_do_a_part_of_a_flush_cannot_claim(
    own_redis: Redis, own_redis_server: EmbeddedRedis, prefix: str, denied: str
) -> None:
    """A command refused in the middle of the script would leave half a flush."""
    await store(own_redis, prefix).claim("a")
    before = await contents(own_redis, prefix)
    rules = ["+@all", f"-{denied}"]
    await own_redis.acl_setuser("limited", enabled=True, nopass=True, keys=["*"], commands=rules)
    limited = async_client(own_redis_server.url.replace("//", "//limited:x@"))
    try:
        with pytest.raises(ResponseError, match=_NO_PERMISSION):
            await store(limited, prefix).claim("b")
    finally:
        await limited.aclose()
    probe = Keys(prefix).partition(TOPIC, 0).probe.encode()
    left = await contents(own_redis, prefix)
    left.pop(probe, None)
    assert left == before


@pytest.mark.parametrize(
    "n", [2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 10**17 + 1, INT64_MAX, -(2**63)]
)
async def test_large_counts_are_exact(redis: Redis, prefix: str, n: int) -> None:
    owner = store(redis, prefix)
    await owner.claim("a")
    await owner.flush(changes(count("order.minor.USD", n)), 1)
    assert await counted(redis, prefix, "order.minor.USD") == n


async def test_a_counter_beyond_64_bits_keeps_the_rest_and_is_told(
    redis: Redis, prefix: str
) -> None:
    owner = store(redis, prefix)
    await owner.claim("a")
    await owner.flush(changes(count("order.minor.USD", INT64_MAX)), 1)
    both = {(60_000, T0): {"all": {"order.minor.USD": 1, "order.n.USD": 1}}}
    await owner.flush(changes(both), 2)
    assert await counted(redis, prefix, "order.minor.USD") == INT64_MAX
    assert await counted(redis, prefix, "order.n.USD") == 1
    assert await redis.hget(owner.keys.meta, "stat:overflows") == b"1"
    assert owner.offset == 2


async def test_panes_go_when_their_tier_s_time_is_over_in_event_time(
    redis: Redis, prefix: str
) -> None:
    owner = store(redis, prefix)
    await owner.claim("a")
    for pane_ms in (1_000, 60_000):
        await owner.flush(changes(count("nps.9", pane_ms=pane_ms)), pane_ms)
    # Seconds serve 5 minutes and the 5 before them; minutes an hour and the hour before.
    for clock_ms, kept in (
        (T0 + 601_000, {"1000", "60000"}),
        (T0 + 612_000, {"60000"}),
        (T0 + 7_200_000, {"60000"}),
        (T0 + 7_330_000, set()),
    ):
        await owner.flush(changes(clock_ms=clock_ms), clock_ms)
        names = await redis.smembers(owner.keys.panes)
        assert {text(name).split(":")[0] for name in names} == kept
        there = {p for p in (1_000, 60_000) if await redis.exists(owner.keys.pane(f"{p}:{T0}"))}
        assert set(map(str, there)) == kept


async def test_the_next_owner_prunes_what_the_last_one_left(redis: Redis, prefix: str) -> None:
    first, second = store(redis, prefix), store(redis, prefix)
    await first.claim("a")
    await first.flush(changes(count("nps.9", pane_ms=1_000)), 1)
    await second.claim("b")
    await second.flush(changes(clock_ms=T0 + 612_000), 2)
    assert await redis.smembers(second.keys.panes) == set()


async def test_panes_of_a_tier_that_is_configured_no_more_go(redis: Redis, prefix: str) -> None:
    owner = store(redis, prefix)
    await owner.claim("a")
    await owner.flush(changes(count("nps.9", pane_ms=30_000)), 1)
    await owner.flush(changes(clock_ms=T0 + 10_000), 2)
    assert await redis.smembers(owner.keys.panes) == set()


async def test_scripts_that_redis_forgot_are_sent_again(own_redis: Redis, prefix: str) -> None:
    owner = store(own_redis, prefix)
    await owner.claim("a")
    await own_redis.script_flush()
    await owner.flush(changes(count("nps.9")), 1)
    await own_redis.script_flush()
    await store(own_redis, prefix).claim("b")
    assert await counted(own_redis, prefix, "nps.9") == 1


async def test_a_large_flush_is_one_flush(redis: Redis, prefix: str) -> None:
    owner = store(redis, prefix)
    await owner.claim("a")
    sessions = {n.to_bytes(16): b"x" * 100 for n in range(20_000)}
    ids = [(n, range(n * 50_000, (n + 1) * 50_000)) for n in range(3)]
    deltas = {
        (1_000, T0 + 1_000 * second): {
            f"channel={channel}": {f"nps.{score}": 1 for score in range(11)}
            for channel in range(10)
        }
        for second in range(300)
    }
    await owner.flush(changes(deltas, ids=ids, sessions=sessions), 1)
    claim = await store(redis, prefix).claim("b")
    assert claim.sessions == sessions
    assert sum(len(g.ids) for g in claim.generations) == 8 * 150_000
    assert len(claim.panes) == 300
