"""Times that no event can have, and spellings that it can.

::

    19  occurred_at  |--good--[year 9999]--good--[+10 days]--good--[30 February]--good--|
        clock        |-------->----------->------------------------>------------------->|
                     follows the good events only

Expected: refused with ``occurred_at`` named; no window expires, no watermark moves.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from schemas.errors import ErrorCode
from tests.faults.conftest import NewScenario
from tests.faults.refusals import Refusal, refused, until_stored, written
from tests.faults.scenario import Part, Scenario
from tests.harness.events import MINUTE_MS, TOPICS
from tests.harness.kafka import Record, read_all, send

DAY_S = 86_400


def at(seconds_from_now: float, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """A time in a producer's spelling."""
    return time.strftime(form, time.gmtime(time.time() + seconds_from_now))


def no_times() -> Iterator[tuple[str, ErrorCode]]:
    """What ``occurred_at`` may not be, as JSON, and the code of its refusal."""
    now = int(time.time())
    for text in (
        str(now), f"{now}.5", str(now * 1000), f'"{now}"', "null", "true", "[]", "{}", '""',
        at(-60, '"%Y-%m-%dT%H:%M:%S"'),  # naive
        at(-60, '"%Y-%m-%d"'),
        at(-60, '"%Y-%m-%d %H:%M:%SZ"'),
        at(-60, '"%Y-%m-%dT%H:%MZ"'),
        at(-60, '"%Y-%m-%dT%H:%M:%S,5Z"'),
        at(-60, '"%Y-%m-%dT%H:%M:%S+0000"'),
        at(-60, '"%Y-%m-%dT%H:%M:%S+24:00"'),
        at(-60, '"%Y-%m-%dT%H:%M:%SZ "'),
        at(-60, '"%a, %d %b %Y %H:%M:%S GMT"'),
        '"2026-02-30T12:00:00Z"', '"2025-02-29T12:00:00Z"', '"2026-04-31T12:00:00.5+02:00"',
        '"2026-13-01T12:00:00Z"', '"2026-00-01T12:00:00Z"', '"2026-01-01T24:00:00Z"',
        '"2016-12-31T23:59:60Z"', '"2026-06-30T23:59:60.5Z"',  # a second that Python cannot hold
        '"9999-12-31T23:59:59Z"', '"9999-01-01T00:00:00z"', '"10000-01-01T00:00:00Z"',
        '"1969-12-31T23:59:59Z"', '"1970-01-01T00:00:00+01:00"', '"0000-01-01T00:00:00Z"',
        '"-001-01-01T00:00:00Z"', '"٢٠٢٦-01-01T00:00:00Z"', '"yesterday"', '"now"',
    ):  # fmt: skip
        yield text, ErrorCode.INVALID_FIELD
    for ahead_s in (20 * 60, DAY_S, 10 * DAY_S, 1_000 * DAY_S):
        yield at(ahead_s, '"%Y-%m-%dT%H:%M:%SZ"'), ErrorCode.TOO_FAR_AHEAD
        yield at(ahead_s, '"%Y-%m-%dT%H:%M:%S.5+00:00"'), ErrorCode.TOO_FAR_AHEAD
    yield '"9998-12-31T23:59:59.999Z"', ErrorCode.TOO_FAR_AHEAD


@pytest.mark.timeout(120)
async def test_f19_a_time_that_cannot_be_is_refused_and_moves_no_clock(
    new_scenario: NewScenario,
) -> None:
    scenario = new_scenario(settings={"ENGINE__IDLE_AFTER": "12h"})
    refusals = [
        Refusal(topic, written(topic, "occurred_at", text), code, "occurred_at")
        for topic in TOPICS
        for text, code in no_times()
    ]
    # Without sessions, which only the clock of an idle partition would close, and that clock off.
    log = [event for event in scenario.write_log(6_000) if event.topic != "session"]
    scenario.log = log
    await refused(scenario, refusals)
    stored = {part: await clock_and_watermark(scenario, part) for part in scenario.partitions}
    clocks = await clocks_of_good_events(scenario)
    assert len(clocks) == 2 * 4, "a partition without a good event"
    assert stored == {
        part: (clocks[part], clocks[part] - 2 * MINUTE_MS) if part in clocks else (0, 0)
        for part in scenario.partitions
    }


async def clock_and_watermark(scenario: Scenario, part: Part) -> tuple[int, int]:
    """What a partition's last flush said."""
    meta = await scenario.state.meta(*part)
    return int(meta.get("clock", 0)), int(meta.get("watermark", 0))


async def clocks_of_good_events(scenario: Scenario) -> dict[Part, int]:
    """The second of the latest good event of each partition, by the log in Kafka."""
    clocks: dict[Part, int] = {}
    good = {event.value for event in scenario.log}
    latest = datetime.now(UTC) + timedelta(minutes=5)
    for topic in TOPICS:
        for record in await read_all(scenario.deployment, scenario.deployment.topic(topic)):
            at = _time_of(record.value) if record.value in good else None
            if at is not None and at < latest:
                part = (record.topic, record.partition)
                clocks[part] = max(clocks.get(part, 0), int(at.timestamp()) * 1000)
    return clocks


def _time_of(value: bytes) -> datetime | None:
    try:
        parsed = json.loads(value)
    except ValueError:
        return None
    return datetime.fromisoformat(parsed["occurred_at"]) if "occurred_at" in parsed else None


@pytest.mark.timeout(60)
async def test_f19_every_spelling_of_a_good_time_is_the_same_second(scenario: Scenario) -> None:
    """Lower case, offsets and fractions of any length: one pane for all, none refused."""
    now = datetime.now(UTC) - timedelta(minutes=10)
    minute, east, west = (
        f"{now + timedelta(minutes=offset):%Y-%m-%dT%H:%M}" for offset in (0, 330, -720)
    )
    spellings = [
        f"{minute}:07Z", f"{minute}:07z", f"{minute.lower()}:07z", f"{minute}:07.0Z",
        f"{minute}:07.123456789Z", f"{minute}:07.999Z", f"{minute}:07+00:00",
        f"{minute}:07.5-00:00", f"{east}:07+05:30", f"{west}:07.25-12:00",
    ]  # fmt: skip
    await scenario.create_topics()
    topic = scenario.deployment.topic("survey-response")
    values = [
        written("survey-response", "occurred_at", f'"{text}"', event_id=f"e{n}")
        for n, text in enumerate(spellings)
    ]
    with scenario.worker() as worker:
        await worker.until_ready()
        await send(scenario.deployment, [Record(topic, b"k", value) for value in values])
        await until_stored(scenario)
        panes = await scenario.state.panes()
    minutes = {cell: by_series["all"] for cell, by_series in panes.items() if cell[0] == 60_000}
    assert list(minutes.values()) == [{"nps.9": len(spellings)}]
    assert await scenario.state.stat("rejected") == 0


@pytest.mark.timeout(60)
async def test_f19_a_clock_a_little_ahead_counts_and_empties_no_window(scenario: Scenario) -> None:
    """Within the skew an event counts; live windows end at now, so no last minutes are emptied."""
    await scenario.create_topics()
    topic = scenario.deployment.topic("survey-response")
    with scenario.worker() as worker:
        await worker.until_ready()
        # Now: minutes later the second would be in the window as well.
        times = [at(ahead_s, '"%Y-%m-%dT%H:%M:%SZ"') for ahead_s in (-5, 240)]
        values = [
            written("survey-response", "occurred_at", text, event_id=f"e{n}")
            for n, text in enumerate(times)
        ]
        await send(scenario.deployment, [Record(topic, b"k", value) for value in values])
        await until_stored(scenario)
        readings = (await scenario.state.until_ticked()).rows
    assert readings["nps|5m|all"]["n"] == 1, "both, if windows ended at the one ahead"
    assert await scenario.state.stat("counted") == 2
