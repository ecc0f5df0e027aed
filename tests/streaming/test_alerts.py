"""Alerts of a publisher on a real Redis: one write with the readings, and nothing told twice."""

import json
from typing import Any, Final

from redis.asyncio import Redis

from processor.alerting.rule import Rule
from processor.state.keys import Keys
from processor.state.redis_url import async_client
from schemas.alerts import Alert
from tests.harness.gate import Gate
from tests.harness.kafka import create_topics
from tests.harness.worker import Deployment
from tests.state.flushing import T0, changes
from tests.streaming.publishing import MINUTE_MS, flush, owned, publishing

LOW: Final = Rule.model_validate(
    {
        "name": "low",
        "metric": "nps",
        "window": "5m",
        "by": ["channel"],
        "below": 0,
        "for": "2m",
        "annotations": {"summary": "{channel}: {value} of {n}"},
    }
)


async def told(redis: Redis, deployment: Deployment) -> list[Alert]:
    """What is in the outbox, from the beginning."""
    entries: Any = await redis.xrange(Keys(deployment.redis_prefix).outbox)
    return [Alert.model_validate_json(fields[b"alert"]) for _, fields in entries]


async def stored(redis: Redis, deployment: Deployment) -> dict[str, dict[str, Any]]:
    """The alerts that a display shows, by fingerprint."""
    rows: Any = await redis.hgetall(Keys(deployment.redis_prefix).alerts)
    return {fingerprint.decode(): json.loads(row) for fingerprint, row in rows.items()}


async def test_each_change_is_told_once_though_another_leads_at_every_tick(
    deployment: Deployment, redis: Redis
) -> None:
    await create_topics(deployment, 1)
    store = await owned(redis, deployment)
    await flush(store, T0, "channel=web", nps_3=40)
    for minute in range(12):
        at_ms = T0 + minute * MINUTE_MS
        await store.flush(changes(clock_ms=at_ms), (store.offset or 0) + 1)
        if minute == 6:
            await flush(store, at_ms, "channel=web", nps_9=50)
        async with publishing(
            deployment, redis, at_ms=at_ms, holder=f"leader-{minute}", rules=[LOW]
        ) as publisher:
            await publisher.tick()
    changed = await told(redis, deployment)
    assert [alert.state for alert in changed] == ["pending", "firing", "resolved"]
    assert {alert.segment["channel"] for alert in changed} == {"web"}
    assert len({alert.fingerprint for alert in changed}) == 1
    assert changed[1].annotations == {"summary": "web: -100 of 40"}
    assert changed[1].reading is not None
    assert changed[1].reading["window"] == "5m"
    assert [row["state"] for row in (await stored(redis, deployment)).values()] == ["resolved"]


async def test_what_could_not_be_stored_did_not_happen(
    deployment: Deployment, redis: Redis
) -> None:
    """A leader that is superseded while it sleeps tells of nothing: neither before nor after."""
    await create_topics(deployment, 1)
    store = await owned(redis, deployment)
    await store.flush(changes(clock_ms=T0), 1)
    at_once = LOW.model_copy(update={"for_": "0s"})
    async with publishing(deployment, redis, rules=[at_once], lease_ttl_s=0.5) as sleeper:
        await sleeper.tick()
        await sleeper.stand_down()
        await flush(store, T0, "channel=web", nps_3=40)
        async with publishing(deployment, redis, rules=[at_once], holder="b") as other:
            await other.tick()
            await sleeper.tick()
        await sleeper.tick()
    assert [alert.state for alert in await told(redis, deployment)] == ["firing"]


async def test_an_answer_that_was_lost_tells_nothing_twice(
    deployment: Deployment, redis: Redis
) -> None:
    """The alert fires in the very write whose answer never comes."""
    await create_topics(deployment, 1)
    store = await owned(redis, deployment)
    at_once = LOW.model_copy(update={"for_": "0s"})
    lost = 0

    def after(request: bytes, _reply: bytes) -> bool:
        nonlocal lost
        lose = b"outbox" in request and not lost
        lost += lose
        return not lose

    async with Gate(deployment.redis_url) as gate:
        through = async_client(gate.url)  # a connection that is closed is tried again at once
        async with publishing(deployment, through, rules=[at_once]) as publisher:
            await store.flush(changes(clock_ms=T0), 1)
            await publisher.tick()
            await flush(store, T0, "channel=web", nps_3=40)
            gate.after = after
            await publisher.tick()  # the client asks again, and is told that it is done
            await publisher.tick()
        await through.aclose()
    assert lost == 1
    assert [alert.state for alert in await told(redis, deployment)] == ["firing"]
