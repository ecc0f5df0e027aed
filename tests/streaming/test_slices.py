"""A tick of very many readings goes out slice by slice, and says the same as one that does not."""

from typing import Any

import pytest
from redis.asyncio import Redis

from processor.alerting.rule import Rule
from processor.state.keys import Keys
from processor.state.updates import START, Updates
from processor.streaming import publisher as publishing_module
from tests.harness.kafka import create_topics
from tests.harness.state import StoredState
from tests.harness.worker import Deployment
from tests.state.flushing import T0, TIERS, changes
from tests.streaming.publishing import owned, publishing, readings_in_kafka

SEGMENTS = 40
RULE = Rule.model_validate(
    {"name": "low", "metric": "nps", "window": "1h", "by": ["channel"], "below": 0}
)


async def count(redis: Redis, deployment: Deployment) -> None:
    """One promoter and thirty detractors in every segment."""
    counters = {"nps.9": 1, "nps.2": 30}
    by_series = {"all": counters} | {f"channel=c{n}": counters for n in range(SEGMENTS)}
    store = await owned(redis, deployment)
    deltas = {(tier.pane_ms, T0 - T0 % tier.pane_ms): by_series for tier in TIERS}
    await store.flush(changes(deltas, clock_ms=T0), 1)


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing_module, "SLICE", 25)


@pytest.mark.usefixtures("small_slices")
async def test_all_readings_of_a_tick_are_published(
    deployment: Deployment, state: StoredState, redis: Redis
) -> None:
    await create_topics(deployment, 1)
    await count(redis, deployment)
    async with publishing(deployment, redis, rules=[RULE]) as publisher:
        told = await publisher.tick()
    readings = await state.readings()
    assert len(readings) == told
    for n in range(SEGMENTS):
        assert readings[f"nps|24h|channel=c{n}"]["n"] == 31
    assert await readings_in_kafka(deployment) == readings
    updates = await Updates(redis, Keys(deployment.redis_prefix)).after(START, wait_ms=1)
    assert [len(update.readings) for update in updates] == [25] * (told // 25) + [told % 25]
    revisions = [update.revision for update in updates]
    assert revisions == list(range(revisions[0], revisions[0] + len(updates)))
    alerts: Any = await redis.hgetall(Keys(deployment.redis_prefix).alerts)
    assert len(alerts) == SEGMENTS, "all rules see all readings, whichever slice they came in"


@pytest.mark.usefixtures("small_slices")
async def test_a_leader_that_lost_its_lease_between_slices_stops(
    deployment: Deployment, state: StoredState, redis: Redis
) -> None:
    await create_topics(deployment, 1)
    await count(redis, deployment)
    async with publishing(deployment, redis) as publisher:
        assert await publisher.tick() > 25
        await redis.set(Keys(deployment.redis_prefix).lease, "99:another", px=60_000)
        revision = await state.revision()
        assert await publisher.tick() == 0
        assert not publisher.leads
    assert await state.revision() == revision


@pytest.mark.usefixtures("small_slices")
async def test_the_stream_keeps_few_entries_where_they_are_large(
    deployment: Deployment, state: StoredState, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing_module, "UPDATES_BYTES", 30_000)
    await create_topics(deployment, 1)
    await count(redis, deployment)
    async with publishing(deployment, redis) as publisher:
        told = await publisher.tick()
    entries: Any = await redis.xrange(Keys(deployment.redis_prefix).updates)
    sizes = [len(fields[b"readings"]) for _, fields in entries]
    assert told > 250
    assert 20_000 < sum(sizes) < 60_000
    assert len(await state.readings()) == told
