"""Readings over time and distributions over HTTP, from panes in a real Redis."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from processor.monitor.app import create_app
from processor.monitor.history_api import service_of
from processor.monitor.monitor import Monitor
from processor.settings import Settings
from schemas.timestamps import format_rfc3339, parse_rfc3339
from tests.harness.stored import StoredEvents
from tests.state.test_history import BEGIN_MS, CONFIG, NOW_MS, WINDOWS, on_the_minute

PROBLEM = "application/problem+json"


@pytest.fixture
async def client(redis_url: str, redis_prefix: str) -> AsyncIterator[httpx.AsyncClient]:
    """A monitor's client, over three hours of events of every kind."""
    settings = Settings.model_validate(
        {
            "redis": {"url": redis_url, "prefix": redis_prefix.rstrip(":")},
            "kafka": {"partitions": 2},
            "engine": {"windows": WINDOWS, "segments": (("channel",),)},
        }
    )
    monitor = Monitor(settings)
    await StoredEvents(monitor.redis, settings.redis.prefix, CONFIG).add(
        on_the_minute(seed=5, size=400), NOW_MS
    )
    app = create_app(settings, monitor=monitor)
    await _publish(monitor, {"orders|1h|all": {}})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
    ) as client:
        client.app = app  # type: ignore[attr-defined]
        yield client
    await service_of(app).stop()
    await monitor.stop()


async def _publish(monitor: Monitor, rows: dict[str, Any]) -> None:
    """What the publisher would have said, as far as it matters here."""
    for name in rows:
        await monitor.redis.hset(monitor.keys.readings, name, "{}")
    await monitor.redis.hset(monitor.keys.status, mapping={"revision": 1, "unclaimed": 0})


async def get(client: httpx.AsyncClient, path: str, **query: object) -> Any:
    answer = await client.get(path, params={name: str(v) for name, v in query.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_history_says_what_it_is_of(client: httpx.AsyncClient) -> None:
    found = await get(client, "/api/history", metric="nps", window="1h", points=60)
    points = found.pop("points")
    known_from = found.pop("known_from")
    assert found == {
        "metric": "nps",
        "window": "1h",
        "segment": {},
        "currency": None,
        "unit": "points",
        "step_s": 120,
        "next": None,
    }
    assert 25 < len(points) <= 60
    assert points[0]["window_end"] >= known_from
    assert set(points[0]) == {
        *("window_start", "window_end", "value", "n", "low", "high", "low_sample", "incomplete"),
    }
    ends = [parse_rfc3339(point["window_end"]) for point in points]
    assert {b - a for a, b in pairwise(ends)} == {120_000}


async def test_pages_are_the_whole_and_the_range_is_kept(client: httpx.AsyncClient) -> None:
    query: dict[str, object] = {
        "metric": "csat",
        "window": "1h",
        "segment": "channel:web",
        "from": format_rfc3339(BEGIN_MS + 150 * 60_000),
        "to": format_rfc3339(BEGIN_MS + 170 * 60_000),
    }
    whole = (await get(client, "/api/history", **query))["points"]
    assert [point["window_end"] for point in whole] == [
        format_rfc3339(BEGIN_MS + minute * 60_000) for minute in range(150, 171)
    ]
    pages, cursor = [], None
    while True:
        page = await get(
            client, "/api/history", **query, limit=8, **({"cursor": cursor} if cursor else {})
        )
        pages += page["points"]
        cursor = page["next"]
        if cursor is None:
            break
        assert len(page["points"]) == 8
    assert pages == whole


async def test_csv_holds_the_same_numbers(client: httpx.AsyncClient) -> None:
    query: dict[str, object] = {"metric": "ces", "window": "1h", "segment": "channel:e mail"}
    points = (await get(client, "/api/history", **query))["points"]
    answer = await client.get("/api/history", params={**query, "format": "csv", "limit": "30"})  # type: ignore[dict-item]
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["window_end"] for row in rows] == [p["window_end"] for p in points[:30]]
    assert rows[0]["segment.channel"] == "e mail"
    values = [None if row["value"] == "" else float(row["value"]) for row in rows]
    assert values == [point["value"] for point in points[:30]]
    following = await client.get(answer.links["next"]["url"])
    more = list(csv.DictReader(io.StringIO(following.text)))
    assert [row["window_end"] for row in more] == [p["window_end"] for p in points[30:60]]


async def test_who_has_it_already_is_told_so(client: httpx.AsyncClient) -> None:
    for path in ("/api/history", "/api/distribution"):
        query = {"metric": "nps", "window": "24h"}
        first = await client.get(path, params=query)
        again = await client.get(
            path, params=query, headers={"If-None-Match": f'{first.headers["etag"]}, W/"x"'}
        )
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]


CANNOT_BE_MEANT: tuple[tuple[dict[str, str], str, str], ...] = (
    ({"metric": "npss"}, "metric", "did you mean 'nps'"),
    ({"window": "3h"}, "window", "configured are 1h, 24h"),
    ({"segment": "plan:pro"}, "segment", "configured are channel"),
    ({"segment": "channel:*"}, "segment", "of one segment"),
    ({"segment": "channel"}, "segment", "pattern"),
    ({"metric": "revenue"}, "currency", "name one of EUR, USD"),
    ({"currency": "USD"}, "currency", "not money"),
    ({"metric": "revenue", "currency": "XXX"}, "currency", "no ISO 4217"),
    ({"from": "2023-11-15T00:00:00Z", "to": "2023-11-14T00:00:00Z"}, "from", "after to"),
    ({"from": "yesterday"}, "from", "e.g. 2026-03-01T09:30:00Z"),
    ({"points": "0"}, "points", "greater"),
    ({"cursor": "x"}, "cursor", "not a cursor"),
    ({"cursor": "1.1.1"}, "cursor", "another query"),
    ({"cursor": "0.60000.999999999999999"}, "cursor", "another query"),
    ({"format": "xml"}, "format", "json"),
)


async def test_what_cannot_be_meant_is_said(client: httpx.AsyncClient) -> None:
    app = client.app  # type: ignore[attr-defined]
    await _publish(app.state.monitor, {"revenue|1h|all|USD": {}, "revenue|24h|all|EUR": {}})
    for query, field, says in CANNOT_BE_MEANT:
        answer = await client.get("/api/history", params={"metric": "nps", "window": "1h", **query})
        assert answer.status_code == 422, query
        assert answer.headers["content-type"] == PROBLEM
        (error,) = answer.json()["errors"]
        assert error["field"] == field
        assert says in error["message"]


async def test_money_of_one_currency_need_not_name_it(client: httpx.AsyncClient) -> None:
    query: dict[str, object] = {"metric": "revenue", "window": "24h"}
    assert (await get(client, "/api/history", **query))["points"] == []
    await _publish(client.app.state.monitor, {"revenue|1h|all|USD": {}})  # type: ignore[attr-defined]
    found = await get(client, "/api/history", **query, points=100)
    assert found["currency"] == "USD"
    assert found["points"][-1]["n"] > 0
    named = await get(client, "/api/history", **query, currency="USD", points=100)
    assert named == found


async def test_twenty_browsers_cost_one_computation(client: httpx.AsyncClient) -> None:
    service = service_of(client.app)  # type: ignore[attr-defined]
    query: dict[str, object] = {"metric": "nps", "window": "24h", "points": 60}
    answers = await asyncio.gather(*(get(client, "/api/history", **query) for _ in range(20)))
    assert service.pasts.made == 1
    assert all(answer == answers[0] for answer in answers)
    await get(client, "/api/history", **query)
    assert service.pasts.made == 1, "as long as nothing is published"


async def test_the_scores_of_the_current_window(client: httpx.AsyncClient) -> None:
    whole = await get(client, "/api/distribution", metric="nps", window="24h")
    past = await get(client, "/api/history", metric="nps", window="24h", points=1)
    (last,) = past["points"]
    assert whole["n"] == last["n"] > 0
    assert whole["window_end"] == last["window_end"]
    scores = {(one["scale"], one["score"]): one["n"] for one in whole["scores"]}
    assert set(scores) == {(10, s) for s in range(11)} | {(5, s) for s in range(1, 6)}
    promoters = scores[10, 9] + scores[10, 10] + scores[5, 5]
    detractors = sum(scores[10, s] for s in range(7)) + sum(scores[5, s] for s in (1, 2, 3))
    assert 100 * (promoters - detractors) / whole["n"] == last["value"]
    web = await get(client, "/api/distribution", metric="nps", window="24h", segment="channel:web")
    assert 0 < web["n"] < whole["n"]
    answer = await client.get("/api/distribution", params={"metric": "ctr", "window": "24h"})
    assert answer.status_code == 422
    assert "nps, csat, ces" in answer.json()["detail"]


async def test_a_redis_that_is_away_is_a_problem() -> None:
    settings = Settings.model_validate({"redis": {"url": "redis://127.0.0.1:1/0"}})
    monitor = Monitor(settings)
    app = create_app(settings, monitor=monitor)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
    ) as client:
        answer = await client.get("/api/history", params={"metric": "nps", "window": "24h"})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == PROBLEM
    await monitor.stop()
