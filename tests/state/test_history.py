"""Readings of the past from stored panes are those that a replay of the same events gives."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from redis.asyncio import Redis

from processor.core.config import EngineConfig
from processor.core.panes import MINUTE_MS, plan_windows
from processor.metrics.catalogue import CATALOGUE
from processor.metrics.distribution import SURVEYS
from processor.metrics.registry import Metric
from processor.monitor.distribution import distribution
from processor.monitor.history import History, Past, Query
from processor.replay import replay
from processor.settings import Settings
from processor.state.completeness import Completeness
from processor.state.keys import Keys
from processor.state.redis_url import async_client
from schemas.readings import reading_key
from schemas.timestamps import format_rfc3339, parse_rfc3339
from tests.harness.stored import StoredEvents
from tests.replay.histories import history

BEGIN_MS: Final = 1_700_000_000_000 // 86_400_000 * 86_400_000
SPAN_MS: Final = 190 * MINUTE_MS
NOW_MS: Final = BEGIN_MS + SPAN_MS + MINUTE_MS
WINDOWS: Final = ("1h", "24h")
CONFIG: Final = EngineConfig(windows=plan_windows(WINDOWS), segment_sets=(("channel",),))

KNOWN_LATER: Final = {"repeat_to_one_time_ratio"}
"""An order that follows tells more of the orders before it: a replay could not know it then."""

Says = tuple[Any, ...]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of one shared server: what is read here is the same on all versions."""
    client = async_client(redis_url)
    yield client
    await client.aclose()


def settings(prefix: str, **engine: Any) -> Settings:
    return Settings.model_validate(
        {
            "redis": {"prefix": prefix},
            "kafka": {"partitions": 2},
            "engine": {"windows": WINDOWS, "segments": (("channel",),), **engine},
        }
    )


def past_of(redis: Redis, prefix: str, **engine: Any) -> History:
    found = settings(prefix, **engine)
    return History(redis, Keys(prefix), found, found.catalogue(()), now_ms=lambda: NOW_MS)


def on_the_minute(seed: int, size: int) -> list[bytes]:
    """Events of every kind, each at the first instant of a minute's pane.

    So a replay that reads at that instant has seen the pane as it will be. Sessions end where they
    begin, and every base is told at first.
    """
    lines: list[dict[str, Any]] = list(_snapshots())
    for _, line in history(random.Random(seed), size, SPAN_MS, begin_ms=BEGIN_MS):
        event = json.loads(line)
        for name in ("occurred_at", "opened_at"):
            if name in event:
                event[name] = _minute(event[name])
        if event["type"] == "session":
            event["session_id"] += event["event_id"]
            if event["action"] == "end":
                event["action"] = "page_view"
            lines.append(event)
            event = {**event, "event_id": f"{event['event_id']}-end", "action": "end"}
        lines.append(event)
    return [json.dumps(line, separators=(",", ":")).encode() for line in lines]


def _minute(text: str) -> str:
    at_ms = parse_rfc3339(text)
    return format_rfc3339(at_ms - at_ms % MINUTE_MS)


def _snapshots() -> Iterator[dict[str, Any]]:
    for number, dimensions in enumerate(({}, {"channel": "web"}, {"channel": "e mail"})):
        common = {"occurred_at": format_rfc3339(BEGIN_MS), "dimensions": dimensions, "count": 300}
        yield {
            **common,
            "type": "customer",
            "event_id": f"c-{number}",
            "customer_id": "base",
            "action": "snapshot",
        }
        for account in ({}, {"account": "@acme"}, {"account": "@other"}):
            yield {
                **common,
                **account,
                "type": "social",
                "event_id": f"f-{number}-{account}",
                "action": "followers",
            }


class Replayed:
    """What a replay said, reading by reading."""

    def __init__(
        self,
        path: Path,
        config: EngineConfig = CONFIG,
        metrics: Mapping[str, Metric] = CATALOGUE,
    ) -> None:
        self._said: dict[str, list[tuple[int, Says]]] = {}
        rows = replay(
            [path],
            config=config,
            metrics=metrics,
            every_ms=MINUTE_MS,
            now_ms=NOW_MS,
            batch_lines=500,
        )
        for row in rows:
            if not row["provisional"]:
                continue  # of the end, when all sessions were closed
            currency = row.get("currency")
            key = reading_key(row["metric"], row["window"], row["segment"], currency)
            self._said.setdefault(key, []).append((parse_rfc3339(row["window_end"]), _says(row)))

    def at(self, key: str, end_ms: int) -> Says | None:
        """What held when the window ended there; ``None`` before anything was said."""
        held = [says for at_ms, says in self._said.get(key, ()) if at_ms <= end_ms]
        return held[-1] if held else None

    def last_ms(self) -> int:
        """The end of the last pane that was read whole: of the window with the finest panes."""
        ends = (said[-1][0] for key, said in self._said.items() if f"|{WINDOWS[0]}|" in key)
        return max(ends)


def _says(row: Any) -> Says:
    return row["value"], row["n"], row["low"], row["high"], row["low_sample"], row["incomplete"]


def differing(past: Past, said: Replayed, key: str) -> tuple[list[Any], int]:
    """Points that say something else, and how many were compared."""
    wrong, compared = [], 0
    for point in past.points:
        end_ms = parse_rfc3339(point["window_end"])
        expected = said.at(key, end_ms)
        if expected is None or end_ms > said.last_ms():
            continue
        compared += 1
        if expected != _says(point):
            wrong.append((point["window_end"], expected, _says(point)))
    return wrong, compared


@pytest.mark.timeout(120)
async def test_the_past_of_every_metric_is_what_a_replay_says_of_it(
    redis: Redis, prefix: str, tmp_path: Path
) -> None:
    lines = on_the_minute(seed=11, size=900)
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"".join(line + b"\n" for line in lines))
    said = Replayed(log)
    await StoredEvents(redis, prefix, CONFIG).add(lines, NOW_MS, flushes=7)
    past = past_of(redis, prefix)
    compared = 0
    wrong: dict[str, Any] = {}
    for name, metric in CATALOGUE.items():
        if name in KNOWN_LATER:
            continue
        for window in WINDOWS:
            for segment, values in (("all", {}), ("channel:e mail", {"channel": "e mail"})):
                for currency in ("USD", "JPY") if metric.per_currency else (None,):
                    found = await past.past(Query(name, window, segment, currency, points=500))
                    key = reading_key(name, window, values, currency)
                    differences, number = differing(found, said, key)
                    compared += number
                    if differences:
                        wrong[key] = differences[:2]
    assert not wrong, sorted(wrong)
    assert compared > 5_000


async def test_the_past_of_latest_answers_is_what_a_replay_says_of_it(
    redis: Redis, prefix: str, tmp_path: Path
) -> None:
    rng = random.Random(4)
    lines = []
    for line in on_the_minute(seed=4, size=700):
        event = json.loads(line)
        if event["type"] == "survey_response":
            event["customer_id"] = f"c{rng.randrange(40)}"
            lines.append(json.dumps(event).encode())
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"".join(line + b"\n" for line in lines))
    config = replace(CONFIG, survey_responses="latest_per_customer")
    past = past_of(redis, prefix, survey_responses="latest_per_customer")
    said = Replayed(log, config, {name: past.catalogue[name] for name in SURVEYS})
    await StoredEvents(redis, prefix, config).add(lines, NOW_MS, flushes=3)
    for survey in SURVEYS:
        found = await past.past(Query(survey, "1h", points=500))
        wrong, compared = differing(found, said, f"{survey}|1h|all")
        assert not wrong
        assert compared > 50
        spread = await distribution(past, Query(survey, "1h"), "latest_per_customer")
        assert sum(one.n for one in spread.scores) == found.points[-1]["n"] > 0


async def test_windows_that_lack_events_say_so(redis: Redis, prefix: str) -> None:
    lines = on_the_minute(seed=3, size=200)
    stored = StoredEvents(redis, prefix, CONFIG)
    await stored.add(lines, NOW_MS)
    lacking_ms = BEGIN_MS + 100 * MINUTE_MS
    await stored.flush(Completeness(complete_from_ms=lacking_ms))
    found = await past_of(redis, prefix).past(Query("nps", "1h", points=500))
    flags = {p["window_start"]: p["incomplete"] for p in found.points}
    assert set(flags.values()) == {True, False}
    for start, flag in flags.items():
        assert flag == (parse_rfc3339(start) < lacking_ms)


async def test_lost_counts_that_are_made_again_leave_no_window_whole(
    redis: Redis, prefix: str
) -> None:
    stored = StoredEvents(redis, prefix, CONFIG)
    await stored.add(on_the_minute(seed=3, size=50), NOW_MS)
    await stored.flush(Completeness(rebuild_to=99))
    found = await past_of(redis, prefix).past(Query("nps", "1h"))
    assert all(point["incomplete"] for point in found.points)


async def test_a_partition_that_nobody_has_stored_anything_of_is_missed(
    redis: Redis, prefix: str
) -> None:
    stored = StoredEvents(redis, prefix, CONFIG, partitions=1)  # two are configured
    await stored.add(on_the_minute(seed=3, size=50), NOW_MS)
    past = past_of(redis, prefix)
    assert all(p["incomplete"] for p in (await past.past(Query("nps", "1h"))).points)
    # The publisher, who asks Kafka, found none that is missing.
    await redis.hset(Keys(prefix).status, mapping={"revision": 7, "unclaimed": 0})
    assert not any(p["incomplete"] for p in (await past.past(Query("nps", "1h"))).points)


async def test_the_past_begins_where_panes_are_kept(redis: Redis, prefix: str) -> None:
    await StoredEvents(redis, prefix, CONFIG).add(on_the_minute(seed=3, size=400), NOW_MS)
    found = await past_of(redis, prefix).past(Query("nps", "1h", from_ms=0, points=5_000))
    ends = [parse_rfc3339(point["window_end"]) for point in found.points]
    assert ends[0] == found.known_from_ms
    # The hour's tier keeps two hours and two panes: of the last hour every window is known whole.
    assert ends[-1] - ends[0] in {60 * MINUTE_MS, 61 * MINUTE_MS, 62 * MINUTE_MS}
    assert ends == list(range(ends[0], ends[-1] + 1, MINUTE_MS))


async def test_about_as_many_points_as_asked_for_and_always_the_last(
    redis: Redis, prefix: str
) -> None:
    await StoredEvents(redis, prefix, CONFIG).add(on_the_minute(seed=3, size=400), NOW_MS)
    past = past_of(redis, prefix)
    everything = (await past.past(Query("nps", "1h", points=5_000))).points
    for points in (1, 2, 7, 60, 61):
        found = await past.past(Query("nps", "1h", points=points))
        assert 1 <= len(found.points) <= points
        assert found.points == everything[:: -found.step_ms // MINUTE_MS][::-1]


async def test_without_any_event_there_is_no_past(redis: Redis, prefix: str) -> None:
    found = await past_of(redis, prefix).past(Query("nps", "1h"))
    assert found.points == []


async def test_readings_while_events_come_in_are_those_of_some_flush(
    redis: Redis, prefix: str
) -> None:
    """The base is counted back from all there is: it must not see half a flush."""
    joined = [
        json.dumps(
            {
                "type": "customer",
                "event_id": f"e{number}",
                "customer_id": f"c{number}",
                "action": "joined",
                "occurred_at": format_rfc3339(BEGIN_MS + number * 100),
            }
        ).encode()
        for number in range(600)
    ]
    stored = StoredEvents(redis, prefix, CONFIG)
    await stored.add(joined[:1], NOW_MS)
    filling = asyncio.create_task(stored.add(joined[1:], NOW_MS, flushes=60))
    past = past_of(redis, prefix)
    seen = []
    while not filling.done():
        # Before the first minute nobody had joined, however many have by now.
        query = Query("customers", "1h", to_ms=BEGIN_MS, points=1)
        found = await past.past(query)
        seen.append(found.points[0]["value"])
    await filling
    assert set(seen) == {0}
