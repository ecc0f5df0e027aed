"""The engine by hand: events in every form, the clock moved, and what `replay` says of the same."""

import json
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import processor
from processor.replay import (
    Engine,
    EngineOptions,
    Readings,
    RefusedEventsError,
    replay_events,
    replay_log,
)
from processor.settings import EngineSettings, load_settings
from processor.testing.events import EventBuilder
from schemas.events import parse_event
from tests.harness.waiting import PATIENCE
from tests.metrics.own_example import MODULE, write_example
from tests.replay.histories import MINUTE_MS, NOW_MS, arrival, history, text_of

NOON = "2026-03-01T12:00:00Z"


def engine(**options: Any) -> Engine:
    return Engine(**{"windows": ["1h"], **options})


def test_events_may_be_dictionaries_models_text_or_bytes_and_come_in_lists() -> None:
    make, counted = EventBuilder(), engine()
    events = [make.nps(score) for score in (10, 9, 3, 7)]
    model = parse_event(json.dumps(events[0]))
    text = json.dumps(events[1])
    assert counted.send(model, text) == []
    assert counted.send([events[2]], text.encode(), iter(events[3:])) == []
    row = counted.readings()["nps"]
    assert (row["value"], row["n"]) == (25.0, 4)
    assert counted.outcomes["survey_response"] == {"counted": 4, "repeats": 1, "conflicts": 0}


def test_a_time_may_be_a_datetime_with_a_zone() -> None:
    counted = engine()
    noon = datetime(2026, 3, 1, 13, tzinfo=UTC).astimezone()
    event: dict[str, Any] = EventBuilder().nps(9)
    counted.send(event | {"occurred_at": noon})
    assert counted.now == noon
    with pytest.raises(ValueError, match="without a time zone"):
        counted.send(event | {"occurred_at": datetime(2026, 3, 1)})  # noqa: DTZ001 - the point


def test_refused_events_are_an_error_unless_asked_for() -> None:
    make, counted = EventBuilder(), engine()
    wrong = {**make.nps(9), "score": 11}
    with pytest.raises(RefusedEventsError, match=r"event 2: invalid_field: score: must be") as told:
        counted.send(make.nps(9), wrong, make.nps(8))
    assert [(one.line, one.field) for one in told.value.rejects] == [(2, "score")]
    assert counted.readings()["nps"]["n"] == 2
    (refused,) = counted.send(wrong, strict=False)
    assert refused.code == "invalid_field"
    (early,) = counted.send(make.nps(9, at="2026-03-01T12:06:00Z"), now=NOON, strict=False)
    assert early.code == "too_far_ahead"
    with pytest.raises(TypeError, match="not int"):
        counted.send([7])  # type: ignore[list-item]


def test_the_clock_is_moved_by_hand() -> None:
    make, counted = EventBuilder(), engine()
    assert counted.now is None
    assert counted.readings() == []
    assert counted.changed() == []
    with pytest.raises(ValueError, match="no time yet"):
        counted.advance("1m")
    counted.send(make.visit("page_view", at=NOON))
    assert counted.open_sessions == 1
    assert counted.readings().value("bounce_rate") is None
    assert counted.advance("29m").value("bounce_rate") is None
    assert counted.advance(timedelta(minutes=1)).value("bounce_rate") == 100.0
    assert counted.open_sessions == 0
    assert counted.now == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert counted.advance(to="2026-03-01T13:01:00Z")["bounce_rate"]["previous"] == 100.0
    for wrong in ({"to": NOON}, {"by": "1m", "to": NOON}, {}):
        with pytest.raises(ValueError, match=r"go back|how long"):
            counted.advance(**wrong)


def test_only_what_says_something_new_is_changed() -> None:
    make, counted = EventBuilder(), engine(metrics=["nps", "csat"])
    counted.send(make.nps(9))
    assert set(counted.changed().metrics) == {"nps", "csat"}
    assert counted.changed() == []
    counted.send(make.nps(9))
    (row,) = counted.changed()
    assert (row["metric"], row["n"]) == ("nps", 2)


def test_at_every_time_it_says_what_a_replay_says() -> None:
    rng = random.Random(5)
    lines = [line for _, line in history(rng, 300, 40 * MINUTE_MS)]
    options: dict[str, Any] = {"windows": ["5m", "1h"], "by": ["channel"]}
    replayed = replay_events(lines, every="7m", now=text_of(NOW_MS), **options)
    times = list(dict.fromkeys(row["as_of"] for row in replayed))
    assert len(times) > 5
    counted = Engine(**options, partitions=2)
    waiting = list(lines)
    for time in times[:-1]:
        while waiting and json.loads(waiting[0])["occurred_at"] <= time:
            counted.send(waiting.pop(0))
        counted.advance(to=time)
        assert told(counted.changed()) == told(replayed.at(time))
    counted.send(waiting)
    assert told(counted.close()) == told(replayed.of().at(times[-1]))


def told(readings: Readings) -> list[dict[str, Any]]:
    return [{**row, "revision": 0} for row in readings]


def test_a_log_and_its_events_and_an_engine_say_the_same(tmp_path: Path) -> None:
    rng = random.Random(8)
    lines = arrival(rng, history(rng, 200, 60 * MINUTE_MS))
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"".join(line + b"\n" for line in lines))
    by_log = replay_log(log, windows=("1h",), by=[("channel", "plan")], now=text_of(NOW_MS))
    by_hand = engine(by=[("channel", "plan")])
    by_hand.send(lines, now=text_of(NOW_MS), strict=False)
    assert by_hand.close() == by_log
    assert replay_events(lines, windows="1h", by=[["channel", "plan"]]) == by_log
    assert by_log.summary is not None
    assert by_log.summary.total("rejected") > 0
    with pytest.raises(ValueError, match="event 1: raw JSON must be one line"):
        replay_events([b"{\n}"])


def test_a_replay_is_chosen_paced_and_moved() -> None:
    make = EventBuilder()
    events = [make.nps(9, channel="web"), make.nps(0, channel="app"), make.csat(5)]
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    only = {"since": noon, "until": noon + timedelta(seconds=1)}
    assert replay_events(events, windows=["1h"], **only)["nps"]["n"] == 1
    assert replay_events(events, windows=["1h"], where={"channel": "app"}).value("nps") == -100.0
    assert replay_events(events, windows=["1h"], types=["purchase"]) == []
    moved = replay_events(events, windows=["1h"], shift_to="2026-04-01T00:00:00Z", speed=1e6)
    assert moved["nps"]["as_of"] == "2026-04-01T00:00:02.000Z"


def test_options_are_those_of_the_configuration() -> None:
    named = {"windows", "segments"}  # arguments of their own
    assert get_type_hints(EngineOptions).keys() | named == EngineSettings.model_fields.keys()
    for wrong, message in (
        ({"windows": ["59s"]}, "windows: "),
        ({"lateness": "soon"}, "lateness: 'soon' is not a duration"),
        ({"latenes": "2m"}, "latenes: Extra inputs"),
        ({"metrics": ["npss"]}, "did you mean 'nps'"),
        ({"modules": ["gone.py"]}, "there is no file"),
    ):
        with pytest.raises((ValueError, LookupError), match=message):
            engine(**wrong)
    quick = engine(session_timeout="1m", low_sample_under=1, bounce_mode="ga4")
    quick.send(EventBuilder().visit("page_view"))
    row = quick.advance("1m")["bounce_rate"]
    assert (row["value"], row["low_sample"]) == (100.0, False)


def test_a_configuration_and_metrics_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_example(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CX_ENGINE__WINDOWS", '["2h"]')
    event = EventBuilder().session("page_view", page="/a")
    by_settings = Engine(settings=load_settings())
    by_settings.send(event)
    assert by_settings.readings()["pages_viewed", "2h"]["n"] == 1
    by_module = replay_events([event], modules=[MODULE], windows=["1h"])
    assert by_module.value("pages_viewed") == 1
    assert Engine().readings().windows == []


def test_names_of_the_package_are_imported_when_asked_for() -> None:
    for name in processor.__all__:
        assert getattr(processor, name).__name__ == name
        assert name in dir(processor)
    with pytest.raises(AttributeError, match="no attribute 'Motor'"):
        processor.Motor  # noqa: B018 - asking is the point
    heavy = ("pydantic", "numpy", "processor.replay", "processor.core", "aiokafka", "faust")
    code = f"""
import sys, processor, processor.testing.plugin
print([name for name in {heavy!r} if name in sys.modules])
from processor import Engine, replay_log
print(Engine(windows=["1h"]).readings())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60 * PATIENCE,
    )
    assert done.stdout.splitlines() == ["[]", "<0 readings of 0 series>"]
