import random
from pathlib import Path
from typing import Any

import pytest

from processor.replay import Rejects, Selection, replay
from processor.replay.forecast import Forecast, forecast
from processor.replay.inproc import UNKNOWN_TYPE
from schemas.events import EventType
from schemas.timestamps import parse_rfc3339
from tests.replay.histories import MINUTE_MS, NOW_MS, arrival, history
from tests.replay.replays import config, run, write


def told(*logs: Path, **options: Any) -> tuple[Forecast, list[Path]]:
    tried: list[Path] = []
    options = {"config": config(), "now_ms": NOW_MS, **options}
    return forecast(logs, trial=tried.append, **options), tried


@pytest.mark.parametrize(
    "selection",
    [
        None,
        Selection(types=frozenset({EventType.SESSION, EventType.PURCHASE})),
        Selection(where={"channel": "web"}),
    ],
    ids=["everything", "two types", "a channel"],
)
def test_what_is_told_is_what_the_replay_meets(tmp_path: Path, selection: Selection | None) -> None:
    rng = random.Random(31)
    events = history(rng, 300, 100 * MINUTE_MS)
    lines = arrival(rng, events)
    lines.append(min(events)[1].replace(b"2026-03-01", b"2026-02-01"))  # too late
    half = len(lines) // 2
    logs = [
        write(tmp_path / "a.jsonl", lines[:half]),
        write(tmp_path / "b.jsonl", lines[half:]),
    ]
    rejects = Rejects()
    found, tried = told(*logs, selection=selection, rejects=rejects)
    result = run(*logs, selection=selection, final=True)
    list(result)
    summary = result.summary
    met = {
        event_type: outcomes["counted"] + outcomes["repeats"]
        for event_type, outcomes in summary.outcomes.items()
        if event_type != UNKNOWN_TYPE and outcomes["counted"]
    }
    assert found.events == met
    assert found.invalid == summary.rejected
    assert rejects.shown == summary.shown
    assert found.filtered == summary.filtered
    assert found.latest_ms is not None
    assert found.earliest_ms is not None
    assert found.latest_ms // 1000 * 1000 == summary.latest_ms
    assert found.earliest_ms // 1000 * 1000 == summary.earliest_ms
    assert tried


def test_at_a_speed_it_takes_as_long_as_the_events_times_say(tmp_path: Path) -> None:
    lines = [
        b'{"type":"social","event_id":"%d","action":"like","occurred_at":"2026-03-01T%s:00Z"}'
        % (i, minute)
        for i, minute in enumerate((b"12:00", b"12:01", b"14:01", b"14:00"))
    ]
    log = write(tmp_path / "log.jsonl", lines)
    (found, _), (cut, _) = told(log, speed=2.0), told(log, speed=2.0, max_gap_ms=90_000)
    assert (found.seconds, cut.seconds) == (121 * 60 / 2, 150 / 2)
    assert found.earliest_ms == parse_rfc3339("2026-03-01T12:00:00Z")


def test_at_full_speed_it_takes_what_a_sample_takes(tmp_path: Path) -> None:
    rng = random.Random(6)
    log = write(tmp_path / "log.jsonl", arrival(rng, history(rng, 150, 30 * MINUTE_MS)))
    sizes: list[int] = []

    def trial(sample: Path) -> None:
        sizes.append(sample.read_bytes().count(b"\n"))
        list(replay([sample], config=config(), metrics={}, final=True, now_ms=NOW_MS))

    found = forecast([log], config=config(), trial=trial, now_ms=NOW_MS)
    assert sizes == [100, 180, 180]
    assert found.seconds is not None
    assert 0 < found.seconds < 60


def test_of_an_empty_log_nothing_is_foretold(tmp_path: Path) -> None:
    found, tried = told(write(tmp_path / "log.jsonl", []))
    assert found == Forecast()
    assert not tried
