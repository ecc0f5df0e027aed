"""When a partition's changes are written; Redis is real, the log in memory."""

import asyncio

import pytest
from redis.asyncio import Redis

from processor.state.cancelling import cancel_until_done
from processor.streaming import pacing
from processor.streaming.pacing import GATHER_RECORDS, GATHER_S, FlushPace
from tests.harness.waiting import eventually
from tests.streaming.owning import SURVEYS, answer, owning

PACE = FlushPace(0.2)


@pytest.mark.parametrize(
    ("since_s", "gathered", "waiting", "rest_s"),
    [
        pytest.param(60.0, 1, 0, 0.0, id="after a rest: at once"),
        pytest.param(0.05, 1, 0, 0.15, id="then an interval after the last"),
        pytest.param(0.25, 10, 10, 0.0, id="as much waits in the log as is gathered: it keeps up"),
        pytest.param(0.25, 10, 11, GATHER_S - 0.25, id="more waits: it is behind"),
        pytest.param(GATHER_S, 10, 1_000_000, 0.0, id="behind, but long enough"),
        pytest.param(0.25, GATHER_RECORDS, 1_000_000, 0.0, id="behind, but large enough"),
        pytest.param(0.05, GATHER_RECORDS, 1_000_000, 0.15, id="not more often than that"),
    ],
)
def test_the_pace(since_s: float, gathered: int, waiting: int, rest_s: float) -> None:
    assert max(0.0, PACE.rest_s(since_s, gathered, waiting)) == pytest.approx(rest_s)


def test_a_longer_interval_holds_for_all() -> None:
    assert FlushPace(5.0).rest_s(1.0, 10, 1_000) == 4.0


async def test_a_partition_that_is_behind_writes_seldom_and_one_that_has_caught_up_at_once(
    redis: Redis, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "GATHER_S", 3600.0)
    consumer = owning(redis, redis_prefix.rstrip(":"))
    consumer.log = [answer(n) for n in range(1_000)]
    await consumer.perform_seek()
    partition = consumer.partitions.owned[SURVEYS]

    async def stored() -> int | None:
        return partition.store.offset

    task = asyncio.create_task(consumer.partitions.flush_forever())
    try:
        await consumer.deliver(10)
        await eventually(stored, lambda at: at == 10, what="the first")
        for _ in range(40):
            await consumer.deliver(10)
            await asyncio.sleep(0.005)
        assert partition.store.offset == 10
        await consumer.deliver()
        await eventually(stored, lambda at: at == 1_000, what="the rest")
    finally:
        await cancel_until_done([task])
