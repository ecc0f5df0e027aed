import json
import random
from pathlib import Path
from typing import Any

import pytest

from processor.replay import Selection
from processor.replay.shifting import moved
from schemas.timestamps import format_rfc3339, parse_rfc3339
from tests.replay.histories import BEGIN_MS, BROKEN, MINUTE_MS, NOW_MS, arrival, history
from tests.replay.replays import run, write

DAY_MS = 1440 * MINUTE_MS


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            '{"type":"session","occurred_at":"2026-03-01T12:00:00Z"}',
            '{"type":"session","occurred_at":"2026-03-01T12:00:01.500Z"}',
        ),
        (
            ' {"occurred_at" :\t"2026-03-01t14:00:00.2509+02:00", "n": 1.50 }',
            ' {"occurred_at" :\t"2026-03-01T12:00:01.750Z", "n": 1.50 }',
        ),
        (  # only of the event itself, and nothing that says it of itself
            (
                '{"dimensions":{"occurred_at":"2026-03-01T12:00:00Z","ö":"{"},"page":"opened_at",'
                '"occurred_at":"2026-03-01T12:00:00Z","opened_at":"2026-03-01T11:59:59Z"}'
            ),
            (
                '{"dimensions":{"occurred_at":"2026-03-01T12:00:00Z","ö":"{"},"page":"opened_at",'
                '"occurred_at":"2026-03-01T12:00:01.500Z","opened_at":"2026-03-01T12:00:00.500Z"}'
            ),
        ),
        (  # however it is written
            (
                '{"comment":"\\"occurred_at\\":\\"2026-03-01T12:00:00Z\\"",'
                '"occurred\\u005fat":"2026\\u002d03-01T12:00:00Z"}'
            ),
            (
                '{"comment":"\\"occurred_at\\":\\"2026-03-01T12:00:00Z\\"",'
                '"occurred\\u005fat":"2026-03-01T12:00:01.500Z"}'
            ),
        ),
    ],
)
def test_only_the_times_of_the_event_are_moved(line: str, expected: str) -> None:
    json.loads(line)
    assert moved(line.encode(), 1500).decode() == expected


def test_a_log_cannot_be_moved_out_of_all_calendars() -> None:
    line = b'{"occurred_at":"2026-03-01T12:00:00Z","opened_at":"1970-01-01T00:00:00Z"}'
    with pytest.raises(ValueError, match="cannot be moved so far: times are from 1970 to 9998"):
        moved(line, -1)


@pytest.mark.parametrize("mode", [{"final": True}, {"every_ms": MINUTE_MS}], ids=str)
def test_the_readings_of_a_moved_log_are_the_readings_moved(
    tmp_path: Path, mode: dict[str, Any]
) -> None:
    """Moved by whole days, every pane has the same events, whatever the window."""
    seed = 19
    rng = random.Random(seed)
    events = sorted(history(rng, 250, 30 * MINUTE_MS))
    log = write(tmp_path / "log.jsonl", [*BROKEN, *arrival(rng, events)])
    begin_ms = next(run_first(log))
    expected = list(run(log, **mode))
    for row in expected:
        for name in ("as_of", "window_start", "window_end"):
            row[name] = format_rfc3339(parse_rfc3339(row[name]) + 400 * DAY_MS)
    # The check against the future is one of the log's own times.
    moved_rows = run(log, shift_to_ms=begin_ms + 400 * DAY_MS, **mode)
    assert list(moved_rows) == expected
    assert moved_rows.summary.rejected


def run_first(log: Path) -> Any:
    for line in log.read_bytes().splitlines():
        if line not in BROKEN:
            yield parse_rfc3339(json.loads(line)["occurred_at"])


def test_what_takes_part_is_decided_by_the_times_of_the_log(tmp_path: Path) -> None:
    rng = random.Random(4)
    lines = [line for _, line in sorted(history(rng, 100, 60 * MINUTE_MS))]
    log = write(tmp_path / "log.jsonl", lines)
    selection = Selection(from_ms=BEGIN_MS + 20 * MINUTE_MS, to_ms=BEGIN_MS + 40 * MINUTE_MS)
    chosen = run(log, selection=selection, final=True)
    later = run(log, selection=selection, final=True, shift_to_ms=NOW_MS + DAY_MS)
    assert len(list(chosen)) == len(list(later))
    assert chosen.summary.filtered == later.summary.filtered > 20
    assert chosen.summary.lines == later.summary.lines > 20
    assert later.summary.earliest_ms == (NOW_MS + DAY_MS) // 1000 * 1000


@pytest.mark.parametrize("mode", [{"final": True}, {"every_ms": MINUTE_MS}], ids=str)
def test_what_was_too_far_ahead_stays_so_however_far_the_log_is_moved(
    tmp_path: Path, mode: dict[str, Any]
) -> None:
    """The second is ahead of now as it stands; the log is moved so far that it would pass."""
    rng = random.Random(8)
    lines = [line for _, line in sorted(history(rng, 60, 20 * MINUTE_MS))]
    first = json.loads(lines[0])
    ahead = {"event_id": "ahead", "occurred_at": format_rfc3339(NOW_MS + DAY_MS)}
    lines.insert(1, json.dumps({**first, **ahead}).encode())
    log = write(tmp_path / "log.jsonl", lines)
    expected = run(log, **mode)
    readings = len(list(expected))
    result = run(log, shift_to_ms=parse_rfc3339(first["occurred_at"]) + 400 * DAY_MS, **mode)
    assert len(list(result)) == readings > 0
    assert result.summary.rejected == {"too_far_ahead": 1}
    assert [reject.line for reject in result.summary.shown] == [2]
    assert result.summary.outcomes == expected.summary.outcomes
