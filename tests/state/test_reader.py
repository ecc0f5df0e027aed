"""The reader's totals are the panes, however loading, following and flushing interleave."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from processor.core.changes import Changes
from processor.core.config import EngineConfig
from processor.core.totals import RollingTotals
from processor.embedded.redis import EmbeddedRedis
from processor.state.keys import Keys
from processor.state.partition import LOG_LENGTH, PartitionStore
from processor.state.reader import StateReader
from processor.state.redis_url import parse_redis_url
from tests.harness.state import StoredState
from tests.state.flushing import T0, TOPIC, changes, count, store

WINDOWS = EngineConfig().windows
SERIES = ("all", "channel=web")


class View:
    """A reader and its totals, looked at a minute after `T0`."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self.totals = RollingTotals(WINDOWS)
        self.totals.advance(T0 + 60_000)
        self.reader = StateReader(redis, Keys(prefix))

    async def follow(self) -> bool:
        return await self.reader.follow(self.totals)

    def hour(self, series: str = "all") -> dict[str, int]:
        """The counters of the hour."""
        (totals,) = (t for t in self.totals.totals if t.window.name == "1h")
        return dict(totals.counts(series))


async def owned(redis: Redis, prefix: str, partition: int = 0) -> PartitionStore:
    owner = store(redis, prefix, partition)
    await owner.claim("a")
    return owner


async def test_loading_gives_what_is_stored(redis: Redis, prefix: str) -> None:
    owner = await owned(redis, prefix)
    await owner.flush(changes(count("nps.9", 2)), 1)
    await owner.flush(changes(count("nps.1"), open_sessions=3, clock_ms=T0 + 1_000), 2)
    view = View(redis, prefix)
    assert await view.follow()
    assert view.hour() == {"nps.9": 2, "nps.1": 1}
    assert view.reader.clock_ms == T0 + 1_000
    assert view.reader.watermark_ms == T0 + 1_000 - 120_000
    assert view.reader.open_sessions == 3


async def test_following_adds_what_was_flushed_since(redis: Redis, prefix: str) -> None:
    owner = await owned(redis, prefix)
    view = View(redis, prefix)
    assert await view.follow()
    assert view.hour() == {}
    for offset in range(3):
        await owner.flush(changes(count("nps.9"), clock_ms=T0 + offset), offset)
        assert await view.follow()
        assert view.hour() == {"nps.9": offset + 1}
        assert view.reader.clock_ms == T0 + offset
    assert await view.follow()
    assert view.hour() == {"nps.9": 3}


async def test_a_partition_that_begins_later_is_found(redis: Redis, prefix: str) -> None:
    view = View(redis, prefix)
    assert await view.follow()
    for partition in range(3):
        owner = await owned(redis, prefix, partition)
        await owner.flush(changes(count("nps.9")), 1)
        assert await view.follow()
        assert view.hour() == {"nps.9": partition + 1}


async def test_the_watermark_is_that_of_the_partition_furthest_behind(
    redis: Redis, prefix: str
) -> None:
    for partition, clock_ms in enumerate((T0, T0 + 60_000, 0)):  # the last saw no event yet
        owner = await owned(redis, prefix, partition)
        await owner.flush(changes(clock_ms=clock_ms), 1)
    view = View(redis, prefix)
    assert await view.follow()
    assert view.reader.watermark_ms == T0 - 120_000
    assert view.reader.clock_ms == T0 + 60_000


class Meddled(Redis):
    """A client at whose every look at the panes something else happens first, and after."""

    def __init__(self, url: str, meddle: Callable[[], Awaitable[None]]) -> None:
        super().__init__(**parse_redis_url(url).client_arguments())
        self.meddle = meddle

    async def smembers(self, name: Any) -> Any:
        found = await super().smembers(name)
        if str(name).endswith(":panes"):
            await self.meddle()
        return found


async def test_a_pane_that_begins_while_loading_is_loaded(
    redis: Redis, redis_server: EmbeddedRedis, prefix: str
) -> None:
    owner = await owned(redis, prefix)
    await owner.flush(changes(count("nps.9")), 1)
    began = 0

    async def begin_another_pane() -> None:
        nonlocal began
        if began < 3:
            began += 1
            await owner.flush(changes(count("nps.9", start=T0 - 60_000 * began)), 1 + began)

    meddled = Meddled(redis_server.url, begin_another_pane)
    view = View(meddled, prefix)
    assert await view.follow()
    await meddled.aclose()
    assert began == 3
    assert view.hour() == {"nps.9": 4}


async def test_panes_that_never_rest_are_reported(
    redis: Redis, redis_server: EmbeddedRedis, prefix: str
) -> None:
    owner = await owned(redis, prefix)
    number = 0

    async def begin_another_pane() -> None:
        nonlocal number
        number += 1
        await owner.flush(changes(count("nps.9", start=T0 - 1_000 * number)), number)

    meddled = Meddled(redis_server.url, begin_another_pane)
    with pytest.raises(TimeoutError, match=f"{TOPIC}-0"):
        await View(meddled, prefix).follow()
    await meddled.aclose()


@pytest.mark.parametrize("flushes", [99, 100, 101, 250])
async def test_one_step_catches_up_with_everything_flushed_before_it(
    redis: Redis, prefix: str, flushes: int
) -> None:
    owner = await owned(redis, prefix)
    view = View(redis, prefix)
    await view.follow()
    for offset in range(flushes):
        await owner.flush(changes(count("nps.9")), offset)
    assert await view.follow()
    assert view.hour() == {"nps.9": flushes}


async def test_a_reader_too_far_behind_is_told(redis: Redis, prefix: str) -> None:
    owner = await owned(redis, prefix)
    view = View(redis, prefix)
    await view.follow()
    # Redis trims a stream by whole nodes of a hundred entries.
    for offset in range(LOG_LENGTH + 200):
        await owner.flush(changes(count("nps.9")), offset)
    assert not await view.follow()
    afresh = View(redis, prefix)
    assert await afresh.follow()
    assert afresh.hour() == {"nps.9": LOG_LENGTH + 200}


@pytest.mark.parametrize("loss", ["an entry", "the log", "rolled back", "emptied"])
async def test_a_log_with_a_gap_is_told(redis: Redis, prefix: str, loss: str) -> None:
    owner = await owned(redis, prefix)
    view = View(redis, prefix)
    for offset in range(3):
        await owner.flush(changes(count("nps.9")), offset)
    await view.follow()
    await owner.flush(changes(count("nps.9")), 3)
    if loss == "an entry":
        await redis.xtrim(owner.keys.log, maxlen=0, approximate=False)
    elif loss == "the log":
        await redis.delete(owner.keys.log)
    elif loss == "rolled back":
        await redis.xtrim(owner.keys.log, maxlen=0, approximate=False)
        await redis.hset(owner.keys.meta, "log", 1)
    else:
        await redis.delete(owner.keys.log, owner.keys.meta, owner.keys.panes)
        owner = await owned(redis, prefix)
    await owner.flush(changes(count("nps.9")), 4)
    assert not await view.follow()


def random_flush(choice: random.Random) -> Changes:
    """A few counters up or down, in panes of the hour."""
    return changes(
        {
            (60_000, T0 - 60_000 * choice.randrange(50)): {
                choice.choice(SERIES): {
                    choice.choice(["nps.9", "clicks"]): choice.choice([-2, 1, 5])
                }
            }
            for _ in range(3)
        }
    )


async def test_random_interleavings_end_in_the_panes(redis: Redis, prefix: str) -> None:
    choice = random.Random(5)
    owners = [await owned(redis, prefix, 0)]
    views = [View(redis, prefix)]
    for offset in range(400):
        step = choice.random()
        if step < 0.02 and len(owners) < 3:
            owners.append(await owned(redis, prefix, len(owners)))
        elif step < 0.05:
            views.append(View(redis, prefix))
        elif step < 0.15:
            partition = choice.randrange(len(owners))  # a takeover
            owners[partition] = await owned(redis, prefix, partition)
        elif step < 0.4:
            assert await choice.choice(views).follow()
        else:
            await choice.choice(owners).flush(random_flush(choice), offset)
    panes = await StoredState(redis, prefix).panes()
    assert len(owners) == 3
    assert len(views) > 3
    for view in views:
        assert await view.follow()
        for series in SERIES:
            wanted: Counter[str] = Counter()
            for by_series in panes.values():
                wanted.update(by_series.get(series, {}))
            assert view.hour(series) == {measure: n for measure, n in wanted.items() if n}


async def test_replies_of_protocol_3_are_read_as_well(
    redis: Redis, redis_server: EmbeddedRedis, prefix: str
) -> None:
    owner = await owned(redis, prefix)
    client = Redis.from_url(redis_server.url, protocol=3)
    view = View(client, prefix)
    assert await view.follow()
    await owner.flush(changes(count("nps.9")), 1)
    assert await view.follow()
    await client.aclose()
    assert view.hour() == {"nps.9": 1}
