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
from processor.state import pipelines, reader
from processor.state.keys import Keys
from processor.state.partition import LOG_LENGTH, PartitionStore
from processor.state.reader import StateReader
from tests.harness.state import StoredState
from tests.state.flushing import T0, changes, count, observed, store

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


def meddling(
    monkeypatch: pytest.MonkeyPatch, meddle: Callable[[], Awaitable[None]], panes_at_once: int = 3
) -> None:
    """Something else happens after everything that a loading reader reads, a few panes each."""
    really_read = pipelines.read_at_once

    async def read_and_meddle(*args: Any) -> list[Any]:
        found = await really_read(*args)
        await meddle()
        return found

    monkeypatch.setattr(reader, "read_at_once", read_and_meddle)
    monkeypatch.setattr(reader, "_FIRST_PANES", panes_at_once)
    monkeypatch.setattr(reader, "_PANES_AT_ONCE", panes_at_once)


@pytest.mark.parametrize("panes_at_once", [1, 7])
async def test_what_is_flushed_while_loading_is_counted_once(
    redis: Redis, prefix: str, monkeypatch: pytest.MonkeyPatch, panes_at_once: int
) -> None:
    """To panes that are loaded, that are still to be loaded, and that only begin."""
    choice = random.Random(panes_at_once)
    owner = await owned(redis, prefix)
    starts = [T0 - 60_000 * minute for minute in range(50)]
    for start in starts[10:]:
        await owner.flush(changes(count("nps.9", 5, start=start)), (owner.offset or 0) + 1)
    reads = 0

    async def count_some_more() -> None:
        nonlocal reads
        reads += 1
        for _ in range(choice.randrange(4)):
            more = count("nps.9", choice.randint(1, 9), start=choice.choice(starts))
            buyers = observed([choice.randrange(100)], start=choice.choice(starts))
            await owner.flush(changes(more, samples=buyers), (owner.offset or 0) + 1)

    with monkeypatch.context() as patched:
        meddling(patched, count_some_more, panes_at_once)
        view = View(redis, prefix)
        assert await view.follow()
    assert reads >= 1 + 40 // panes_at_once
    assert await view.follow()
    afresh = View(redis, prefix)
    assert await afresh.follow()
    panes = await StoredState(redis, prefix).panes()
    wanted = sum(by_series["all"]["nps.9"] for name, by_series in panes.items() if by_series)
    assert view.hour() == afresh.hour() == {"nps.9": wanted}
    distinct = [one.totals.totals[2].counts("all").get("buyers.distinct") for one in (view, afresh)]
    assert distinct[0] == distinct[1]


async def test_a_reader_that_misses_an_entry_while_loading_is_told(
    redis: Redis, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await owned(redis, prefix)
    for minute in range(4):
        await owner.flush(changes(count("nps.9", start=T0 - 60_000 * minute)), minute)

    async def flush_more_than_the_log_keeps() -> None:
        for _ in range(2 * LOG_LENGTH):
            await owner.flush(changes(count("nps.9")), (owner.offset or 0) + 1)

    meddling(monkeypatch, flush_more_than_the_log_keeps)
    assert not await View(redis, prefix).follow()


async def test_a_redis_that_is_emptied_while_loading_is_noticed(
    redis: Redis, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await owned(redis, prefix)
    for minute in range(4):
        await owner.flush(changes(count("nps.9", start=T0 - 60_000 * minute)), minute)

    async def lose_everything() -> None:
        for key in [key async for key in redis.scan_iter(f"{prefix}:*")]:
            await redis.delete(key)

    meddling(monkeypatch, lose_everything)
    assert not await View(redis, prefix).follow()


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
