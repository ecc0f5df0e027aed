"""``cxpulse top``: one table, many, and a Redis that comes and goes."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from typer.testing import CliRunner

from processor.cli.application import app
from processor.cli.board import sparkline
from processor.cli.errors import UsageError
from processor.embedded.redis import EmbeddedRedis
from processor.state.keys import Keys
from processor.state.redis_url import async_client
from schemas.readings import reading_key
from schemas.timestamps import format_rfc3339
from tests.cli.commands import SECONDS, cxpulse, run
from tests.harness.stored import StoredEvents
from tests.harness.waiting import PATIENCE, eventually
from tests.state.test_history import CONFIG, NOW_MS, on_the_minute

ENGINE = {
    "CX_ENGINE__WINDOWS": '["1h", "24h"]',
    "CX_ENGINE__SEGMENTS": '[["channel"]]',
    "CX_KAFKA__PARTITIONS": "2",
}


def reading(metric: str, value: float, segment: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "metric": metric,
        "window": "24h",
        "segment": segment,
        "value": value,
        "unit": "points",
        "n": 12,
        "low": value - 4,
        "high": value + 4,
        "low_sample": True,
        "previous": 10.0,
        "change": value - 10,
        "significant": True,
        "provisional": True,
        "incomplete": False,
        **more,
    }


async def publish(redis: Redis, prefix: str) -> None:
    """What a publisher would have said, and the panes behind it."""
    await StoredEvents(redis, prefix, CONFIG).add(on_the_minute(seed=5, size=300), NOW_MS)
    money = {"unit": "money", "low": None, "high": None, "significant": None}
    rows = [
        reading("nps", 75.0, {}),
        reading("nps", 33.5, {"channel": "web"}),
        reading("bounce_rate", 61.0, {}, unit="percent", incomplete=True),
        reading("revenue", 1234.5, {}, currency="USD", **money),
        reading("revenue", 99.0, {}, currency="EUR", **money),
        reading("revenue", 7.0, {"channel": "web"}, currency="EUR", **money),
    ]
    keys = Keys(prefix)
    for row in rows:
        key = reading_key(row["metric"], row["window"], row["segment"], row.get("currency"))
        await redis.hset(keys.readings, key, json.dumps(row))
    soon_ms = time.time_ns() // 1_000_000 + 600_000  # not stale, however slow this machine is
    status: dict[Any, Any] = {
        "revision": 1,
        "as_of": format_rfc3339(NOW_MS),
        "clock": NOW_MS,
        "published_at": soon_ms,
        "open_sessions": 3,
        "leader": "1:host:2:ab",
    }
    await redis.hset(keys.status, mapping=status)


@pytest.mark.timeout(120)
async def test_one_table_says_it_all(redis_url: str, redis_prefix: str) -> None:
    prefix = redis_prefix.rstrip(":")
    client = async_client(redis_url)
    await publish(client, prefix)
    await client.aclose()
    metrics = ("--metric", "nps", "--metric", "bounce_rate", "--metric", "revenue")
    env = {
        **ENGINE,
        "CX_REDIS__URL": redis_url,
        "CX_REDIS__PREFIX": prefix,
        "CX_REDIS__TIMEOUT_S": str(5 * PATIENCE),
    }
    ended = run("top", "--once", "--window", "24h", "--by", "channel", *metrics, env=env)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    nps = next(line for line in lines if "NPS" in line and "75.0" in line)
    for part in ("71.0 … 79.0", "12 (few)", "+65.0, significant", "above 70 excellent"):
        assert part in nps
    assert set("▁▂▃▄▅▆▇█") & set(nps)
    bounce = next(line for line in lines if "Bounce rate" in line and "61.0 %" in line)
    assert "(incomplete)" in bounce
    assert "poor" in bounce
    assert any("Revenue USD" in line and "1,234.50" in line for line in lines)
    assert any("web" in line and "33.5 ± 4.0" in line and "7.00" in line for line in lines)
    assert "published" in lines[0]
    assert "stale" not in lines[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--window", "3h"), "no window '3h'"),
        (("--by", "plan"), "nothing is segmented by 'plan'"),
        (("--metric", "npss"), "did you mean 'nps'"),
        (("--interval", "0s"), "--interval"),
    ],
)
def test_what_cannot_be_shown_is_said(arguments: tuple[str, ...], says: str) -> None:
    ended = CliRunner().invoke(app, ["top", "--once", *arguments], env=ENGINE)
    assert isinstance(ended.exception, UsageError)
    assert says in str(ended.exception)


def test_a_redis_that_is_away_is_an_error_for_one_look() -> None:
    ended = CliRunner().invoke(
        app, ["top", "--once"], env={"CX_REDIS__URL": "redis://127.0.0.1:1/0"}
    )
    assert isinstance(ended.exception, RedisConnectionError)


@pytest.fixture
def watching(tmp_path: Any) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """A board that began while Redis was away, its output in a file; and that Redis."""
    redis = EmbeddedRedis(appendonly=False)
    output = tmp_path / "frames"
    env = {**os.environ, **ENGINE, "CX_REDIS__URL": redis.url, "CX_REDIS__PREFIX": "t"}
    with output.open("wb") as file:
        process = subprocess.Popen(
            cxpulse("top", "--interval", "200ms"), stdout=file, stderr=file, env=env
        )
    try:
        yield process, (redis, output)
    finally:
        process.kill()
        process.wait()
        redis.stop()


@pytest.mark.timeout(120)
async def test_it_goes_on_by_itself_when_redis_was_away(
    watching: tuple[subprocess.Popen[bytes], Any],
) -> None:
    process, (redis, output) = watching

    async def shows(text: str, after: int = 0) -> int:
        """Returns how long the output is then; what stands before the place does not count."""

        async def frames() -> str:
            told: str = output.read_text(errors="replace")
            return told

        seen = await eventually(
            frames, lambda seen: text in seen[after:], what=f"the board shows {text!r}"
        )
        return len(seen)

    await shows("does not answer")
    redis.start()
    await shows("nothing is published yet")
    client = async_client(redis.url)
    await publish(client, "t")
    await client.aclose()
    shown = await shows("above 70 excellent")
    redis.stop()
    await shows("trying again", after=shown)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=SECONDS) == 0


def test_a_line_of_blocks() -> None:
    assert sparkline([]) == ""
    assert sparkline([None, 1.0]) == " ▄"
    assert sparkline([0, 25, 50, 75, 100]) == "▁▃▅▆█"
