"""Alerts and silences over HTTP, in the stream, and for Prometheus."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from processor.monitor.alerts import MOST, AlertBoard
from processor.state.keys import Keys
from processor.state.silences import Silences
from schemas.alerts import Alert
from tests.harness.waiting import eventually
from tests.monitor.publishing import Publishing, reading
from tests.monitor.serving import Follower, Served, following

pytestmark = pytest.mark.timeout(60)


def alert(number: int = 1, state: str = "firing", **fields: Any) -> dict[str, Any]:
    """An alert as the publisher stores it."""
    row = {
        "fingerprint": f"{number:016x}",
        "name": "NPS <b>low</b>",
        "state": state,
        "previous_state": "pending",
        "severity": "critical",
        "metric": "nps",
        "window": "24h",
        "segment": {"channel": "email"},
        "currency": None,
        "condition": "below 30, until 35",
        "labels": {"alertname": "NPS <b>low</b>", "channel": "email"},
        "annotations": {"summary": "NPS is 12.4"},
        "value": 12.4,
        "reading": reading("nps", 12.4, segment={"channel": "email"}),
        "since": f"2026-03-01T12:{number // 60 % 60:02}:{number % 60:02}.000Z",
        "starts_at": "2026-03-01T11:50:00.000Z",
        "ends_at": None,
        "recovering_since": None,
        **fields,
    }
    return Alert.model_validate_json(json.dumps(row)).model_dump(mode="json")


async def store(redis: Redis, keys: Keys, *alerts: Mapping[str, Any]) -> None:
    """What the publisher's script does with them."""
    for one in alerts:
        await redis.hset(keys.alerts, one["fingerprint"], json.dumps(one))


async def told(stream: Follower, **totals: int) -> dict[str, Any]:
    """What the stream tells of alerts when these totals hold."""
    while True:
        data: dict[str, Any] = (await stream.next("alerts")).data
        if totals.items() <= data["totals"].items():
            return data


def test_what_is_stored_is_what_the_schema_says() -> None:
    assert set(alert()) == set(Alert.model_fields)


async def test_they_are_told_as_they_change(served: Served, redis: Redis, keys: Keys) -> None:
    async with following(served) as stream:
        # No tick, no reading: a change of alerts is news by itself.
        assert (await stream.next("alerts")).data["firing"] == []
        firing, pending = alert(1), alert(2, "pending", name="other", metric="processor_lag")
        await store(redis, keys, firing, pending)
        data = await told(stream, firing=1, pending=1)
        about = {"title": "Net Promoter Score", "unit": "points", "silence": None}
        assert data["firing"] == [firing | about]
        assert data["firing"][0]["reading"]["value"] == 12.4
        assert data["pending"][0]["unit"] == "count"
        resolved = alert(1, "resolved", ends_at="2026-03-01T13:00:00.000Z")
        await store(redis, keys, resolved)
        data = await told(stream, firing=0, recent=1)
        assert data["recent"] == [resolved | about]
        assert (await served.http.get("/api/alerts")).json() == data
        await redis.delete(keys.alerts)
        await told(stream, recent=0, pending=0)


async def test_who_comes_back_is_told_that_there_are_none(
    served: Served, redis: Redis, keys: Keys, publishing: Publishing
) -> None:
    await store(redis, keys, alert())
    await publishing.tick(reading())
    async with following(served) as stream:
        last = (await stream.next("snapshot")).id
        await told(stream, firing=1)
    await redis.delete(keys.alerts)
    async with following(served, f"?last_event_id={last}") as stream:
        await told(stream, firing=0)


async def test_a_silence_mutes_and_ends(served: Served, redis: Redis, keys: Keys) -> None:
    silences = Silences(redis, keys)
    await store(redis, keys, alert(1), alert(2, labels={"channel": "web"}))
    async with following(served) as stream:
        await told(stream, firing=2, silenced=0)
        until = datetime.now(UTC) + timedelta(hours=1)
        mine = {"labels": {"channel": "email"}, "comment": "known", "created_by": "ana"}
        silence = await silences.add(until=until, **mine)  # type: ignore[arg-type] # texts and labels
        data = await told(stream, firing=2, silenced=1)
        loud, muted = data["firing"]
        assert (loud["silence"], muted["silence"]) == (None, silence.model_dump(mode="json"))
        assert data["silences"] == [muted["silence"]]
        # Now it ends soon, and nobody writes anything when it does.
        soon = silence.model_copy(update={"until": datetime.now(UTC) + timedelta(seconds=2)})
        await redis.hset(keys.silences, silence.id, soon.model_dump_json())
        assert (await told(stream, silenced=0))["silences"] == []


async def test_what_cannot_be_read_is_left_out(
    redis: Redis, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    await store(redis, keys, alert(1), {"fingerprint": "x", "state": "firing"})
    await redis.hset(keys.alerts, "y", "{")
    board = AlertBoard(redis, keys, {})
    assert await board.read()
    assert [one["title"] for one in board.shown["firing"]] == ["nps"]
    assert not await board.read()
    await store(redis, keys, alert(2))
    assert await board.read()
    assert len([r for r in caplog.records if "is not shown" in r.message]) == 2


async def test_there_may_be_too_many(redis: Redis, keys: Keys) -> None:
    await store(redis, keys, *(alert(number) for number in range(MOST + 5)))
    board = AlertBoard(redis, keys, {})
    await board.read()
    assert len(board.shown["firing"]) == MOST
    assert board.shown["totals"]["firing"] == MOST + 5
    since = [one["since"] for one in board.shown["firing"]]
    assert since == sorted(since, reverse=True)


async def test_for_prometheus(served: Served, redis: Redis, keys: Keys) -> None:
    await store(redis, keys, alert(1), alert(2, "pending"), alert(3, window=None, segment={}))

    async def seen() -> int:
        return int(served.monitor.hub.alerts.shown["totals"]["firing"])

    await eventually(seen, lambda n: n == 2, what="two that fire")
    page = (await served.http.get("/metrics")).text
    samples = {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith("cxpulse_alert")
    }
    name = "cxpulse_alert_firing"
    assert samples == {
        # alertname, currency, metric, segment, severity, silenced, window
        (name, "NPS <b>low</b>", "", "nps", "channel=email", "critical", "no", "24h"): 1,
        (name, "NPS <b>low</b>", "", "nps", "all", "critical", "no", ""): 1,
        ("cxpulse_alerts", "firing"): 2,
        ("cxpulse_alerts", "pending"): 1,
        ("cxpulse_alerts", "resolved"): 0,
        ("cxpulse_alerts_silenced",): 0,
        ("cxpulse_alerts_left_out",): 0,
    }
