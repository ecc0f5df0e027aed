"""What a partition's counts lack is stored with them, and every reader of them is told."""

import pytest
from redis.asyncio import Redis

from processor.core.config import EngineConfig
from processor.core.totals import RollingTotals
from processor.state.completeness import NEVER, WHOLE, Completeness
from processor.state.keys import Keys
from processor.state.live import LiveReadings
from processor.state.reader import StateReader
from tests.state.flushing import T0, TOPIC, changes, count, counted, store

INT64_MAX = 2**63 - 1


class View:
    """A reader of a deployment with these topics."""

    def __init__(self, redis: Redis, prefix: str, *topics: str) -> None:
        self.totals = RollingTotals(EngineConfig().windows)
        self.totals.advance(T0)
        self.reader = StateReader(redis, Keys(prefix), topics or (TOPIC,))

    async def follow(self) -> bool:
        return await self.reader.follow(self.totals)

    async def complete_from(self, partitions: int = 1) -> int:
        assert await self.follow()
        return self.reader.complete_from_ms({TOPIC: partitions}).get(TOPIC, 0)

    def minute(self) -> dict[str, int]:
        (totals,) = (t for t in self.totals.totals if t.window.name == "1h")
        return dict(totals.counts("all"))


async def test_the_next_owner_finds_what_the_counts_lack(redis: Redis, prefix: str) -> None:
    first = store(redis, prefix)
    assert (await first.claim("a")).completeness == WHOLE
    lacking = Completeness(complete_from_ms=T0, rebuild_to=70)
    await first.flush(changes(), 5, completeness=lacking)
    await first.flush(changes(), 6)
    second = store(redis, prefix)
    assert (await second.claim("b")).completeness == lacking
    await second.flush(changes(), 70, completeness=Completeness(T0))
    assert (await store(redis, prefix).claim("c")).completeness == Completeness(T0)


async def test_a_reader_is_told_at_loading_and_at_following(redis: Redis, prefix: str) -> None:
    owner = store(redis, prefix)
    early = View(redis, prefix)
    assert await early.complete_from() == NEVER, "nothing was claimed yet"
    await owner.claim("a")
    assert await early.complete_from() == NEVER, "nothing is stored yet"
    assert await View(redis, prefix).complete_from() == NEVER
    for lacking, wanted in (
        (Completeness(T0, rebuild_to=9), NEVER),
        (Completeness(T0), T0),
        (WHOLE, 0),
    ):
        await owner.flush(changes(), 9, completeness=lacking)
        late = View(redis, prefix)
        assert await early.complete_from() == await late.complete_from() == wanted
        assert early.reader.rebuilding == late.reader.rebuilding == bool(lacking.rebuild_to)
    assert early.reader.unclaimed({TOPIC: 1}) == {}


async def test_a_topic_is_as_whole_as_its_worst_partition(redis: Redis, prefix: str) -> None:
    for number, complete_from_ms in enumerate((0, T0, T0 - 1)):
        owner = store(redis, prefix, number)
        await owner.claim("a")
        await owner.flush(changes(), 1, completeness=Completeness(complete_from_ms))
    view = View(redis, prefix)
    assert await view.complete_from(3) == T0
    assert await view.complete_from(4) == NEVER
    assert view.reader.unclaimed({TOPIC: 4, "other": 2}) == {TOPIC: 1, "other": 2}


async def test_a_reader_notices_that_redis_was_emptied(redis: Redis, prefix: str) -> None:
    owner = store(redis, prefix)
    await owner.claim("a")
    await owner.flush(changes(count("nps.9")), 1)
    view = View(redis, prefix)
    assert await view.complete_from() == 0
    keys = [key async for key in redis.scan_iter(match=f"{prefix}:*")]
    await redis.delete(*keys)
    assert not await view.follow()


async def test_partitions_of_topics_that_are_not_configured_hold_nothing_back(
    redis: Redis, prefix: str
) -> None:
    """They stay in the register after the topic was renamed; nobody moves their clock."""
    owner = store(redis, prefix)
    await owner.claim("a")
    await owner.flush(changes(count("nps.9")), 1)
    view = View(redis, prefix, "another")
    assert await view.follow()
    assert (view.reader.clock_ms, view.minute()) == (0, {})


async def test_live_readers_see_it(redis: Redis, prefix: str) -> None:
    owner = store(redis, prefix)
    await owner.claim("a")
    await owner.flush(changes(), 3, completeness=Completeness(T0, rebuild_to=9))
    (progress,) = (await LiveReadings(redis, Keys(prefix)).read()).partitions
    assert (progress.complete_from_ms, progress.rebuilding) == (T0, True)
    await owner.flush(changes(), 9, completeness=Completeness(T0))
    (progress,) = (await LiveReadings(redis, Keys(prefix)).read()).partitions
    assert (progress.complete_from_ms, progress.rebuilding) == (T0, False)


@pytest.mark.parametrize("largest", [2**50 + 1, 2**60 + 1], ids=["a double", "text"])
async def test_a_counter_past_64_bits_is_the_same_for_readers_that_follow(
    redis: Redis, prefix: str, largest: int
) -> None:
    """What the pane refused, a reader must not add; what it took, to the last digit."""
    owner = store(redis, prefix)
    await owner.claim("a")
    await owner.flush(changes(count("order.minor.USD", INT64_MAX)), 1)
    follower = View(redis, prefix)
    assert await follower.follow()
    deltas = count("order.minor.USD", 1)
    deltas[60_000, T0]["all"]["order.minor.EUR"] = largest
    deltas[60_000, T0]["all"]["order.n.USD"] = 7
    await owner.flush(changes(deltas), 2)
    assert await follower.follow()
    afresh = View(redis, prefix)
    assert await afresh.follow()
    wanted = {"order.minor.USD": INT64_MAX, "order.minor.EUR": largest, "order.n.USD": 7}
    assert follower.minute() == afresh.minute() == wanted
    assert await counted(redis, prefix, "order.minor.EUR") == largest


async def test_a_topic_s_id_is_that_of_what_was_counted(redis: Redis, prefix: str) -> None:
    owner = store(redis, prefix)
    assert (await owner.claim("a", "old")).topic_id == "old"
    assert (await store(redis, prefix).claim("a", "new")).topic_id == "new", "nothing was counted"
    owner = store(redis, prefix)
    await owner.claim("a", "new")
    await owner.flush(changes(), 1)
    assert (await store(redis, prefix).claim("b", "third")).topic_id == "new"
    assert (await store(redis, prefix).claim("b")).topic_id == "new"
