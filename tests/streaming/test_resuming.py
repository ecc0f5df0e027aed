"""Where a claimed partition goes on, and what its counts lack: the log in memory, Redis real.

::

    offsets     0       start       stored        end
                |removed  |    log    |  to count  |
"""

import logging

import pytest
from redis.asyncio import Redis

from processor.core.config import EngineConfig
from processor.state.completeness import WHOLE, Completeness
from processor.state.keys import Keys
from processor.streaming.resuming import LogReplacedError
from tests.harness.state import StoredState
from tests.streaming.owning import SURVEYS, TIMESTAMP_MS, LogConsumer, answer, owning

CONFIG = EngineConfig()
BOUND_MS = TIMESTAMP_MS + CONFIG.future_skew_ms
"""No event that was removed can be later: see `Resumer.whole_after_ms`; the records are younger
than the allowed lateness, so that the clock is the bound."""


@pytest.fixture
def prefix(redis_prefix: str) -> str:
    return redis_prefix.rstrip(":")


async def stored(redis: Redis, prefix: str) -> dict[str, str]:
    return await StoredState(redis, prefix).meta(*SURVEYS)


async def empty(redis: Redis, prefix: str) -> None:
    await redis.delete(*[key async for key in redis.scan_iter(match=f"{prefix}:*")])


async def counting(redis: Redis, prefix: str, events: int, *, flushed: bool = True) -> LogConsumer:
    """A worker that has counted a log of so many events."""
    consumer = owning(redis, prefix)
    consumer.log = [answer(n) for n in range(events)]
    await consumer.perform_seek()
    await consumer.deliver()
    if flushed:
        await consumer.partitions.flush_all()
    return consumer


async def test_a_log_from_its_beginning_lacks_nothing_and_says_so_at_once(
    redis: Redis, prefix: str
) -> None:
    consumer = owning(redis, prefix)
    await consumer.perform_seek()
    await consumer.partitions.flush_all()  # no event came
    meta = await stored(redis, prefix)
    assert (meta["offset"], meta["complete_from"], meta["rebuild_to"]) == ("0", "0", "0")
    log_length = await redis.xlen(Keys(prefix).partition(*SURVEYS).log)
    await consumer.partitions.flush_all()
    assert await redis.xlen(Keys(prefix).partition(*SURVEYS).log) == log_length, "said once"


async def test_a_first_start_on_a_log_that_was_cut_lacks_what_went(
    redis: Redis, prefix: str
) -> None:
    consumer = owning(redis, prefix)
    consumer.log = [answer(n) for n in range(10)]
    consumer.start = 4
    await consumer.perform_seek()
    partition = consumer.partitions.owned[SURVEYS]
    assert consumer.position == 4
    assert partition.completeness.rebuild_to == 0
    assert partition.completeness.complete_from_ms >= BOUND_MS
    await consumer.deliver()
    await consumer.partitions.flush_all()
    assert "stat:missed" not in await stored(redis, prefix), "never ours to count"


async def test_a_gap_is_counted_and_told(redis: Redis, prefix: str) -> None:
    consumer = await counting(redis, prefix, 5)
    heir = owning(redis, prefix, owner="heir")
    heir.log, heir.start = consumer.log + [answer(n) for n in range(5, 30)], 12
    await heir.perform_seek()
    await heir.partitions.flush_all()
    meta = await stored(redis, prefix)
    assert (meta["offset"], meta["stat:missed"], meta["rebuild_to"]) == ("12", "7", "0")
    assert int(meta["complete_from"]) >= BOUND_MS


async def test_lost_counts_are_made_again_and_flagged_until_they_are(
    redis: Redis, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    consumer = await counting(redis, prefix, 10)
    await empty(redis, prefix)
    with caplog.at_level(logging.WARNING):
        await consumer.perform_seek()
    assert "counts: they are lost, and made again from offset 0, 10 records" in caplog.text
    await consumer.partitions.flush_all()
    meta = await stored(redis, prefix)
    assert (meta["offset"], meta["rebuild_to"], meta["stat:rebuilds"]) == ("0", "10", "1")
    consumer.log += [answer(n) for n in range(10, 15)]
    await consumer.deliver(6)
    await consumer.partitions.flush_all()
    assert (await stored(redis, prefix))["rebuild_to"] == "10"
    await consumer.deliver(4)
    await consumer.partitions.flush_all()
    meta = await stored(redis, prefix)
    assert (meta["offset"], meta["rebuild_to"], meta["complete_from"]) == ("10", "0", "0")
    assert meta["stat:counted"] == "10"


async def test_an_owner_that_dies_in_the_middle_leaves_the_flag_to_the_next(
    redis: Redis, prefix: str
) -> None:
    consumer = await counting(redis, prefix, 10)
    await empty(redis, prefix)
    await consumer.perform_seek()
    await consumer.deliver(4)
    await consumer.partitions.flush_all()  # and dies
    heir = owning(redis, prefix, owner="heir")
    heir.log = consumer.log
    await heir.perform_seek()
    assert heir.position == 4
    assert heir.partitions.owned[SURVEYS].completeness == Completeness(rebuild_to=10)
    await heir.deliver()
    await heir.partitions.flush_all()
    assert heir.partitions.owned[SURVEYS].store.completeness == WHOLE
    assert (await stored(redis, prefix))["stat:counted"] == "10"


async def test_an_owner_that_dies_before_it_said_so_leaves_a_loss_to_be_found(
    redis: Redis, prefix: str
) -> None:
    consumer = await counting(redis, prefix, 10)
    await empty(redis, prefix)
    await consumer.perform_seek()  # claimed, nothing flushed: and dies
    heir = owning(redis, prefix, owner="heir")
    heir.log, heir.committed = consumer.log, 8
    await heir.perform_seek()
    assert heir.partitions.owned[SURVEYS].completeness.rebuild_to == 10


async def test_what_windows_cannot_reach_is_not_made_again(redis: Redis, prefix: str) -> None:
    """No record of the log is as young as the longest window and the one before it are long."""
    consumer = owning(redis, prefix)
    consumer.log, consumer.committed = [answer(n) for n in range(10)], 10
    consumer.is_old = True
    await consumer.perform_seek()
    partition = consumer.partitions.owned[SURVEYS]
    assert consumer.position == 10
    longest_ms = 2 * CONFIG.windows[-1].size_ms
    assert partition.completeness.rebuild_to == 0
    assert 0 < partition.completeness.complete_from_ms < TIMESTAMP_MS - longest_ms + 90_000


async def test_a_log_that_was_cut_while_it_was_read_is_told(redis: Redis, prefix: str) -> None:
    """aiokafka goes on at the log's start, and says nothing."""
    consumer = await counting(redis, prefix, 5)
    consumer.log += [answer(n) for n in range(5, 30)]
    consumer.start = 12
    chain = consumer.fetch()
    chain.records = chain.records[7:]
    await consumer.partitions.process(chain)
    await consumer.partitions.flush_all()
    meta = await stored(redis, prefix)
    assert (meta["offset"], meta["stat:missed"], meta["stat:counted"]) == ("30", "7", "23")
    assert int(meta["complete_from"]) >= BOUND_MS


async def test_offsets_that_transactions_take_are_no_gap(redis: Redis, prefix: str) -> None:
    consumer = await counting(redis, prefix, 5)
    consumer.log += [answer(n) for n in range(5, 30)]
    batch = consumer.fetch()
    batch.records = batch.records[7:]
    await consumer.partitions.process(batch)
    await consumer.partitions.flush_all()
    meta = await stored(redis, prefix)
    assert "stat:missed" not in meta
    assert (meta["offset"], meta["complete_from"]) == ("30", "0")


async def test_a_topic_made_again_is_noticed_though_its_log_is_long_enough(
    redis: Redis, prefix: str
) -> None:
    consumer = await counting(redis, prefix, 5)
    heir = owning(redis, prefix, owner="heir")
    heir.log, heir.topic_id = [answer(n) for n in range(50)], "the second"
    with pytest.raises(LogReplacedError, match="surveys was made again"):
        await heir.perform_seek()
    assert (await stored(redis, prefix))["offset"] == str(len(consumer.log))


async def test_a_topic_made_again_while_the_worker_runs_is_noticed(
    redis: Redis, prefix: str
) -> None:
    consumer = await counting(redis, prefix, 5)
    looks = 0

    async def look(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            consumer.topic_id = "the second"

    with pytest.raises(LogReplacedError, match="surveys was made again"):
        await consumer.partitions.watch_topics(look)
    assert looks == 3


async def test_segments_are_put_back_when_redis_lost_them(redis: Redis, prefix: str) -> None:
    """Else other workers could admit others, and count these as ``__other__``."""
    consumer = owning(redis, prefix)
    consumer.log = [answer(n, channel="web") for n in range(3)]
    await consumer.perform_seek()
    await consumer.deliver()
    await consumer.partitions.flush_all()
    key = Keys(prefix).segments(("channel",))
    assert await redis.smembers(key) == {b"channel=web"}
    await empty(redis, prefix)
    await consumer.perform_seek()
    assert await redis.smembers(key) == {b"channel=web"}
