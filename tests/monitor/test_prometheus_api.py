"""``/metrics`` of the monitor over HTTP, on a real Redis."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from processor.embedded.server import free_port
from processor.monitor.app import create_app
from processor.monitor.monitor import Monitor
from processor.settings import Settings
from schemas.readings import reading_key
from tests.harness.metrics import Exposition
from tests.harness.waiting import eventually
from tests.monitor.test_prometheus import reading

OPENMETRICS = (
    "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
)
READINGS = 61


def client_of(monitor: Monitor) -> httpx.AsyncClient:
    app = create_app(monitor.settings, monitor=monitor)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", headers={"Accept": "*/*"}
    )


@pytest.fixture
async def monitor(redis_url: str, redis_prefix: str) -> AsyncIterator[Monitor]:
    settings = Settings(
        redis={"url": redis_url, "prefix": redis_prefix.rstrip(":")},
        monitor={"prometheus_series_max": 50},
    )
    monitor = Monitor(settings)
    await _fill(monitor)
    await monitor.start()

    async def read() -> int:
        return len(monitor.hub.rows)

    await eventually(read, lambda n: n == READINGS, what="the readings read")
    yield monitor
    await monitor.stop()


async def _fill(monitor: Monitor) -> None:
    keys, redis = monitor.keys, monitor.redis
    readings = [reading("nps", 25.0, low=14.5, high=35.5)]
    readings += [reading("csat", 90.0, segment={"channel": f"c{n}"}) for n in range(READINGS - 1)]
    for one in readings:
        key = reading_key(one["metric"], one["window"], one["segment"], one.get("currency"))
        await redis.hset(keys.readings, key, json.dumps(one))
    status: dict[Any, Any] = {
        "revision": 3,
        "as_of": "2026-03-01T09:28:00Z",
        "clock": 1_772_357_400_000,
        "published_at": 1_772_357_400_000,
        "open_sessions": 2,
        "leader": "1:host:2:ab",
    }
    await redis.hset(keys.status, mapping=status)
    topic = "cx.events.purchase"
    await redis.sadd(keys.partitions, f"{topic} 0")
    meta: dict[Any, Any] = {"offset": 9, "lag": 4, "clock": 1, "watermark": 1, "stat:counted": 8}
    await redis.hset(keys.partition(topic, 0).meta, mapping=meta)


async def test_the_text_format_is_what_is_served_unless_asked(monitor: Monitor) -> None:
    async with client_of(monitor) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    seen = Exposition.parse(answer.text)
    seen.check_conventions()
    whole = {"window": "24h", "segment": "all", "dimensions": ""}
    assert seen.value("cxpulse_reading_nps_points", **whole) == 25
    assert len(seen.of("cxpulse_reading_csat_ratio")) == 50
    assert seen.value("cxpulse_series_left_out", metric="csat") == 10
    assert seen.value("cxpulse_lag_records", topic="cx.events.purchase", partition="0") == 4
    assert seen.value("cxpulse_events_total", type="purchase", outcome="counted") == 8
    assert seen.value("cxpulse_redis_up") == 1
    assert seen.value("cxpulse_stream_clients") == 0
    assert seen.families["process_cpu_seconds"].samples


async def test_openmetrics_where_it_is_asked_for(monitor: Monitor) -> None:
    async with client_of(monitor) as client:
        answer = await client.get("/metrics", headers={"Accept": OPENMETRICS})
    kind = answer.headers["Content-Type"]
    assert kind.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert answer.text.endswith("# EOF\n")
    seen = Exposition.parse(answer.text, openmetrics=True)
    assert seen.value("cxpulse_open_sessions") == 2


async def test_it_is_compressed_for_those_who_take_it(monitor: Monitor) -> None:
    async with client_of(monitor) as client:
        packed = await client.get("/metrics", headers={"Accept-Encoding": "gzip"})
        plain = await client.get("/metrics", headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert Exposition.parse(packed.text).families.keys() == (
        Exposition.parse(plain.text).families.keys()
    )
    assert "Accept" in plain.headers["Vary"]


async def test_without_redis_there_is_a_page_that_says_so() -> None:
    settings = Settings(redis={"url": f"redis://127.0.0.1:{free_port()}/0", "timeout_s": 1})
    monitor = Monitor(settings)
    async with client_of(monitor) as client:
        answer = await client.get("/metrics")
    await monitor.stop()
    assert answer.status_code == 200
    seen = Exposition.parse(answer.text)
    assert seen.value("cxpulse_redis_up") == 0
    assert not [name for name in seen.families if name.startswith("cxpulse_reading")]


async def test_it_needs_the_token_as_prometheus_sends_it(monitor: Monitor) -> None:
    section = monitor.settings.monitor.model_copy(update={"token": SecretStr("t" * 32)})
    guarded = monitor.settings.model_copy(update={"monitor": section})
    app = create_app(guarded, monitor=monitor)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
    ) as client:
        assert (await client.get("/metrics")).status_code == 401
        bearer = {"Authorization": f"Bearer {'t' * 32}"}
        assert (await client.get("/metrics", headers=bearer)).status_code == 200
