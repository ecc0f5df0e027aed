import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from processor.replay import LogError, Rejects, Selection, to_line, write_readings
from processor.replay.player import replay
from schemas.events import EventType
from schemas.timestamps import parse_rfc3339
from tests.replay.histories import BROKEN, MINUTE_MS, NOW_MS, arrival, history, line_of
from tests.replay.replays import config, run, write


def answer(number: int, time: str, score: int = 9, /, **fields: Any) -> bytes:
    return line_of(
        {
            "type": "survey_response",
            "event_id": f"e{number}",
            "occurred_at": f"2026-03-01T{time}Z",
            "survey": "nps",
            "score": score,
            **fields,
        }
    )


def nps(result: Any, window: str = "1h", **segment: str) -> list[dict[str, Any]]:
    return [
        row
        for row in result
        if (row["metric"], row["window"], row["segment"]) == ("nps", window, segment)
    ]


def test_a_reading_shows_the_events_up_to_its_time_whatever_came_before_it(tmp_path: Path) -> None:
    """Readings every 10 s; the log is out of order, and the third answer is at a reading's time.

    ::

        answers      9         0    10         7           latest - 2 min passes 12:00:20
        time   12:00:03 … :09 …… :10 … :10.001 …… 12:02:21
        reading                  :10 (n 3)         :20 (n 4)
    """
    log = write(
        tmp_path / "log.jsonl",
        [
            answer(4, "12:00:10.001", 7),
            answer(1, "12:00:03", 9),
            answer(3, "12:00:10", 10),
            answer(2, "12:00:09", 0),
            answer(5, "12:02:21", 0),
        ],
    )
    rows = nps(run(log, every_ms=10_000))
    assert [(r["as_of"][11:19], r["n"], r["revision"], r["provisional"]) for r in rows] == [
        ("12:00:10", 3, 1, True),
        ("12:00:20", 4, 2, True),
        ("12:02:21", 5, 3, False),
    ]
    assert [round(row["value"], 2) for row in rows] == [33.33, 25.0, 0.0]


def test_a_reading_waits_until_the_watermark_has_passed_its_time(tmp_path: Path) -> None:
    lines = [answer(1, "12:00:05"), answer(2, "12:02:10"), answer(3, "12:00:10")]
    log = write(tmp_path / "log.jsonl", lines)
    # At 12:02:10 the watermark is at 12:00:10, and an event of that very time is still on time.
    assert [row["revision"] for row in nps(run(log, every_ms=10_000))] == [1]
    log = write(tmp_path / "log.jsonl", [*lines, answer(4, "12:02:10.001")])
    assert [(r["revision"], r["n"]) for r in nps(run(log, every_ms=10_000))] == [(1, 2), (2, 4)]


def test_an_event_later_than_the_lateness_counts_in_the_next_reading(tmp_path: Path) -> None:
    log = write(
        tmp_path / "log.jsonl",
        [
            answer(1, "12:00:05"),
            answer(2, "12:05:00"),
            answer(3, "12:00:06"),
            answer(4, "12:06:01"),
        ],
    )
    rows = nps(run(log, every_ms=60_000))
    assert [(r["as_of"][11:19], r["n"]) for r in rows] == [
        ("12:01:00", 1),
        ("12:03:00", 2),
        ("12:06:01", 4),
    ]


def test_nothing_is_said_where_nothing_changes_and_revisions_count_the_readings_times(
    tmp_path: Path,
) -> None:
    log = write(tmp_path / "log.jsonl", [answer(1, "00:00:05"), answer(2, "23:00:00")])
    result = run(log, engine=config("1m"), every_ms=10_000)
    rows = nps(result, "1m")
    # Said once, once when it has left for the window before, once when it is gone, and at the end.
    assert [(r["n"], r["previous"], r["as_of"][11:19]) for r in rows] == [
        (1, None, "00:00:10"),
        (0, 100.0, "00:01:10"),
        (0, None, "00:02:10"),
        (1, None, "23:00:00"),
    ]
    ticks = (22 * 60 + 58) * 6 - 1  # until just before 22:58:00
    assert [r["revision"] for r in rows] == [1, 7, 13, ticks + 1]


def test_a_gap_of_decades_is_passed_at_once(tmp_path: Path) -> None:
    old = answer(1, "12:00:00").replace(b"2026", b"1986")
    log = write(tmp_path / "log.jsonl", [old, answer(2, "12:00:00")])
    rows = nps(run(log, engine=config("1m"), every_ms=1000), "1m")
    assert len(rows) == 4
    assert rows[-1]["revision"] > 40 * 365 * 86_400


def test_an_open_session_is_closed_at_the_end_of_the_log(tmp_path: Path) -> None:
    action: dict[str, Any] = {"type": "session", "session_id": "s", "action": "page_view"}
    log = write(tmp_path / "log.jsonl", [answer(1, "12:00:00", **action)])
    rows = [r for r in run(log, final=True) if r["metric"] == "bounce_rate"]
    assert {(r["value"], r["n"]) for r in rows} == {(100.0, 1)}


def test_refused_lines_are_written_counted_and_shown_with_their_place(tmp_path: Path) -> None:
    lines = [answer(1, "12:00:00"), b"", *BROKEN, answer(2, "12:00:01")]
    log = write(tmp_path / "log.jsonl", lines)
    for options in ({"final": True}, {"every_ms": 10_000}, {"final": True, "partitions": 3}):
        file = tmp_path / "rejects.jsonl"
        with file.open("w", encoding="utf-8") as out:
            rejects = Rejects(out)
            result = run(log, rejects=rejects, **options)
            assert nps(result)[-1]["n"] == 2
        written = [json.loads(line) for line in file.read_text().splitlines()]
        assert [w["line"] for w in written] == list(range(3, 3 + len(BROKEN)))
        assert {w["file"] for w in written} == {str(log)}
        assert written[0]["code"] == "invalid_json"
        assert all(list(w) == ["file", "line", "code", "field", "message"] for w in written)
        assert written[4]["field"] == "type"
        assert "survey_response" in written[4]["message"]
        assert sum(result.summary.rejected.values()) == len(BROKEN)
        assert [r.line for r in result.summary.shown] == [w["line"] for w in written[:10]]
        assert result.summary.lines == len(lines) - 1
        assert result.summary.total("rejected") == len(BROKEN)


def test_an_event_ahead_of_now_is_refused_and_does_not_move_the_clock(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", [answer(1, "12:00:00"), answer(2, "12:06:00")])
    now_ms = parse_rfc3339("2026-03-01T12:00:59Z")
    for mode in ({"final": True}, {"every_ms": 10_000}):
        result = run(log, now_ms=now_ms, **mode)
        assert {row["as_of"] for row in nps(result)} == {"2026-03-01T12:00:00.000Z"}
        assert result.summary.rejected == {"too_far_ahead": 1}


def test_without_now_the_clock_decides(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", [answer(1, "12:00:00").replace(b"2026", b"9000")])
    result = run(log, now_ms=None, final=True)
    assert list(result) == []
    assert result.summary.rejected == {"too_far_ahead": 1}


def test_an_event_older_than_the_longest_window_is_late(tmp_path: Path) -> None:
    lines = [answer(1, "12:00:00"), answer(2, "10:59:59"), answer(3, "11:00:00")]
    result = run(write(tmp_path / "log.jsonl", lines), engine=config("1h"), final=True)
    assert nps(result)[0]["n"] == 1
    assert result.summary.outcomes == {"survey_response": {"counted": 2, "late": 1}}
    assert result.summary.rejected == {"too_late": 1}


def test_an_event_of_any_type_moves_the_clock_and_outcomes_are_told_by_type(
    tmp_path: Path,
) -> None:
    ticket: dict[str, Any] = {"type": "support_ticket", "ticket_id": "t", "action": "opened"}
    dimensions: dict[str, Any] = {"dimensions": {"channel": "phone"}}
    log = write(
        tmp_path / "log.jsonl",
        [
            answer(1, "12:00:00"),
            answer(2, "12:30:00", **ticket, **dimensions),
            answer(2, "12:30:00", **ticket, **dimensions),
            answer(3, "12:40:00", **(ticket | {"action": "lost"})),
        ],
    )
    result = run(log, final=True)
    rows = list(result)
    assert {row["as_of"] for row in rows} == {"2026-03-01T12:30:00.000Z"}
    assert result.summary.outcomes == {
        "survey_response": {"counted": 1},
        "support_ticket": {"counted": 1, "repeats": 1, "conflicts": 0, "rejected": 1},
    }
    assert result.summary.as_dict()["earliest"] == "2026-03-01T12:00:00.000Z"


def test_a_selection_leaves_out_what_it_does_not_name(tmp_path: Path) -> None:
    log = write(
        tmp_path / "log.jsonl",
        [
            answer(1, "12:00:00", dimensions={"channel": "web", "plan": "pro"}),
            answer(2, "12:00:01", dimensions={"channel": "app", "plan": "pro"}),
            answer(3, "12:00:02", dimensions={"channel": "web"}),
            answer(4, "12:00:03"),
            answer(5, "12:00:04", type="session", session_id="s", action="click"),
            b"broken",
        ],
    )

    def selected(**fields: Any) -> tuple[int, int]:
        result = run(log, selection=Selection(**fields), final=True)
        n = nps(result)[0]["n"]
        assert result.summary.rejected == {"invalid_json": 1}
        return n, result.summary.filtered

    begin = parse_rfc3339("2026-03-01T12:00:00Z")
    assert selected() == (4, 0)
    assert selected(from_ms=begin + 1000, to_ms=begin + 3000) == (2, 3)
    assert selected(where={"channel": "web"}) == (2, 3)
    assert selected(where={"channel": "web", "plan": "pro"}) == (1, 4)
    assert selected(types=frozenset({EventType.SURVEY_RESPONSE})) == (4, 1)
    assert selected(types=frozenset({EventType.SESSION})) == (0, 4)


@pytest.mark.parametrize("mode", [{"final": True}, {"every_ms": 20_000}], ids=str)
def test_several_logs_give_what_one_log_of_all_of_them_gives(
    tmp_path: Path, mode: dict[str, Any]
) -> None:
    rng = random.Random(3)
    events = history(rng, 200, 20 * MINUTE_MS)
    whole = write(tmp_path / "whole.jsonl", arrival(rng, events, broken=False))
    hosts: list[list[tuple[int, bytes]]] = [[], [], []]
    for event in events:
        rng.choice(hosts).append(event)
    parts = [
        write(tmp_path / f"{i}.jsonl", arrival(rng, host, broken=False))
        for i, host in enumerate(hosts)
    ]
    expected = list(map(to_line, run(whole, **mode)))
    assert list(map(to_line, run(*parts, **mode))) == expected
    assert list(map(to_line, run(*reversed(parts), batch_lines=7, **mode))) == expected


@pytest.mark.parametrize("mode", [{"final": True}, {"every_ms": 10_000}], ids=str)
def test_a_cut_off_log_gives_the_readings_of_what_could_be_read_and_then_the_error(
    tmp_path: Path, mode: dict[str, Any]
) -> None:
    lines = [answer(i, f"12:{i // 60 % 60:02}:{i % 60:02}", i % 11) for i in range(3000)]
    log = tmp_path / "log.jsonl.gz"
    data = gzip.compress(b"\n".join(lines))
    log.write_bytes(data[: len(data) // 2])
    out = tmp_path / "readings.jsonl"
    with pytest.raises(LogError, match="cut off"):
        write_readings(run(log, **mode), out)
    last = [json.loads(line) for line in out.read_text().splitlines()]
    assert 500 < nps(last)[-1]["n"] < 3000


def test_a_log_without_events_has_no_readings(tmp_path: Path) -> None:
    for lines in ([], [b""], [b"broken"]):
        for mode in ({"final": True}, {"every_ms": 10_000}):
            assert list(run(write(tmp_path / "log.jsonl", lines), **mode)) == []


def test_a_missing_log_is_named_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"missing\.jsonl: there is no such file"):
        run(write(tmp_path / "log.jsonl", []), tmp_path / "missing.jsonl")


def test_what_cannot_be_asked_is_said(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", [])
    with pytest.raises(ValueError, match="name at least one log"):
        replay([], config=config(), metrics={})
    with pytest.raises(ValueError, match="either periodically or only at the end"):
        run(log, final=True, every_ms=10)
    with pytest.raises(ValueError, match="must be positive"):
        run(log, every_ms=0)
    with pytest.raises(ValueError, match="at least one partition"):
        run(log, partitions=0)


def test_a_file_of_readings_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "readings.jsonl"
    out.write_text("before")

    def failing() -> Any:
        yield {"metric": "nps"}
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_readings(failing(), out)
    assert out.read_text() == "before"
    assert write_readings([{"value": 1.5, "segment": {"city": "Köln"}}], out) == 1
    assert out.read_text(encoding="utf-8") == '{"value":1.5,"segment":{"city":"Köln"}}\n'
    assert sorted(tmp_path.iterdir()) == [out]


def test_a_summary_says_what_became_of_every_line(tmp_path: Path) -> None:
    rng = random.Random(8)
    lines = arrival(rng, history(rng, 200, 30 * MINUTE_MS))
    result = run(write(tmp_path / "log.jsonl", lines), final=True, now_ms=NOW_MS)
    readings = len(list(result))
    summary = result.summary
    assert summary.lines == len(lines) == 200 + 20 + len(BROKEN)
    assert [summary.total(o) for o in ("counted", "repeats", "rejected")] == [200, 20, len(BROKEN)]
    assert summary.readings == readings
    assert summary.events_per_second > 0
    assert summary.horizon_shortened == 0
    assert json.dumps(summary.as_dict())
