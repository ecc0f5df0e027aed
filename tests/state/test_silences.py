"""Silences on a real Redis."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from processor.alerting.silence import silenced_by
from processor.state.keys import Keys
from processor.state.redis_url import async_client
from processor.state.silences import Silences
from schemas.timestamps import from_ms

NOW_MS = 1_772_366_400_000
NOW = from_ms(NOW_MS)
HOUR_MS = 3_600_000


async def fields(redis: Redis, prefix: str) -> set[str]:
    stored: Any = await redis.hkeys(Keys(prefix).silences)
    return {field.decode() for field in stored}


async def test_what_is_added_is_read_until_it_expires_or_is_removed(
    redis: Redis, prefix: str
) -> None:
    silences = Silences(redis, Keys(prefix))
    later = await silences.add(
        until=NOW + timedelta(hours=2),
        labels={"channel": "e|mail = ü"},
        comment="moving house",
        created_by="ann",
    )
    sooner = await silences.add(until=NOW + timedelta(hours=1), rule="NPS low")
    assert sooner.id != later.id
    assert await silences.read(NOW_MS) == [sooner, later]

    assert await silences.read(NOW_MS + HOUR_MS) == [later]
    assert await fields(redis, prefix) == {later.id}
    assert await silences.remove(later.id)
    assert not await silences.remove(later.id)
    assert await silences.read(NOW_MS) == []


async def test_others_see_them_and_they_mute_what_they_name(redis: Redis, prefix: str) -> None:
    added = await Silences(redis, Keys(prefix)).add(
        until=NOW + timedelta(hours=1), rule="low", labels={"channel": "web"}
    )
    seen = await Silences(redis, Keys(prefix)).read(NOW_MS)
    web = {"name": "low", "labels": {"channel": "web", "metric": "nps"}}
    app = {"name": "low", "labels": {"channel": "app", "metric": "nps"}}
    assert silenced_by(web, seen, NOW_MS) == added
    assert silenced_by(app, seen, NOW_MS) is None
    assert silenced_by(web, seen, NOW_MS + HOUR_MS) is None


async def test_one_that_cannot_be_read_is_named_once_and_hides_no_other(
    redis: Redis, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    silences = Silences(redis, Keys(prefix))
    good = await silences.add(until=NOW + timedelta(hours=1))
    key: str = Keys(prefix).silences
    broken: Any = redis.hset(key, mapping={"b1": "{", "b2": '{"id":"b2","until":"soon"}'})
    await broken
    with caplog.at_level(logging.WARNING):
        assert await silences.read(NOW_MS) == [good]
        assert await silences.read(NOW_MS) == [good]
    named = [record.args[0] for record in caplog.records if isinstance(record.args, tuple)]
    assert sorted(map(str, named)) == ["b1", "b2"]
    assert "soon" not in caplog.text
    assert await fields(redis, prefix) == {good.id, "b1", "b2"}


async def test_who_may_only_read_leaves_the_expired_ones(own_redis: Redis) -> None:
    silences = Silences(own_redis, Keys("cx"))
    expired = await silences.add(until=NOW)
    await own_redis.acl_setuser(
        "reader", enabled=True, passwords=["+secret"], keys=["*"], commands=["+hgetall"]
    )
    options: Any = own_redis.connection_pool.connection_kwargs
    reader = async_client(f"redis://reader:secret@{options['host']}:{options['port']}/0")
    try:
        assert await Silences(reader, Keys("cx")).read(NOW_MS) == []
    finally:
        await reader.aclose()
    assert await fields(own_redis, "cx") == {expired.id}
    assert await silences.read(NOW_MS) == []
    assert await fields(own_redis, "cx") == set()
