import gc
import gzip
import json
import os
import pty
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from processor.cli import main
from schemas.timestamps import parse_rfc3339
from tests.cli.commands import SECONDS, cxpulse, run
from tests.replay.histories import BROKEN, MINUTE_MS, arrival, history
from tests.replay.replays import write

ANSWER = (
    b'{"type":"survey_response","event_id":"%d","occurred_at":"2026-03-01T12:%02d:%02d.000Z",'
    b'"survey":"nps","score":%d}'
)


def answers(count: int, step_s: int = 1) -> list[bytes]:
    return [ANSWER % (i, *divmod(i * step_s, 60), i % 11) for i in range(count)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rng = random.Random(21)
    return write(tmp_path / "log.jsonl", arrival(rng, history(rng, 120, 20 * MINUTE_MS)))


def test_a_dry_run_tells_what_is_there_and_gives_no_reading(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(log), "--dry-run", "--type", "session", "--speed", "100"]) == 0
    said, told = capsys.readouterr()
    table = dict(line.split(maxsplit=1) for line in said.splitlines() if line[0] == " ")
    sessions = log.read_bytes().count(b'"type":"session"')
    assert int(table["session"]) == sessions
    assert int(table["invalid_json"]) == 1  # the other says another type
    assert "filtered out" in said
    assert "first " in said
    assert f"{log}:" in told
    ends = [line.split()[1] for line in said.splitlines() if line.startswith(("first ", "last "))]
    first, last = map(parse_rfc3339, ends)
    took = re.search(r"would take about  ([\d.]+) s", said)
    assert took, said
    # A hundred times as fast as they happened, from the first that comes: not quite the earliest.
    assert 0.9 * (last - first) / 100_000 < float(took[1]) <= (last - first) / 100_000 + 0.05


def test_a_dry_run_at_full_speed_measures_a_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write(tmp_path / "log.jsonl", answers(300))
    assert main(["replay", str(log), "--dry-run", "--final"]) == 0
    said = capsys.readouterr().out
    assert "survey_response  300" in said
    assert "4 min 59 s" in said
    assert "would take about" in said
    assert gc.get_freeze_count() == 0


def test_a_dry_run_of_nothing_and_of_a_log_that_breaks_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = write(tmp_path / "log.jsonl", [])
    assert main(["replay", str(empty), "--dry-run"]) == 0
    assert "would take" not in capsys.readouterr().out
    log = tmp_path / "log.jsonl.gz"
    log.write_bytes(gzip.compress(b"\n".join(answers(3000)))[:-2000])
    assert main(["replay", str(log), "--dry-run"]) == 1
    said, told = capsys.readouterr()
    assert "survey_response" in said
    assert "the compressed file is cut off" in told


def test_a_log_that_breaks_off_gives_its_readings_its_refused_lines_and_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.jsonl.gz"
    log.write_bytes(gzip.compress(b"\n".join([*BROKEN, *answers(3000)]))[:-2000])
    assert main(["replay", str(log), "--final", "--windows", "1h"]) == 1
    said, told = capsys.readouterr()
    (nps,) = [r for r in map(json.loads, said.splitlines()) if r["metric"] == "nps"]
    assert 500 < nps["n"] < 3000
    assert f"{log}:1: invalid_json: " in told
    assert "cut off; what could be read was used" in told


def test_a_broken_line_in_the_middle_is_named_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = answers(2000)
    log = write(tmp_path / "log.jsonl", [*lines[:1000], b'{"type":', *lines[1000:]])
    assert main(["replay", str(log), "--final", "--windows", "1h"]) == 0
    said, told = capsys.readouterr()
    assert {r["n"] for r in map(json.loads, said.splitlines()) if r["metric"] == "nps"} == {2000}
    assert f"{log}:1001: invalid_json: " in told


def test_a_speed_and_a_largest_gap_change_no_reading(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def replayed(*options: str) -> str:
        out = tmp_path / "out.jsonl"
        arguments = ["replay", str(log), "--every", "1m", "--windows", "5m", "--out", str(out)]
        assert main([*arguments, *options]) == 0
        capsys.readouterr()
        return out.read_text()

    expected = replayed()
    assert expected
    assert replayed("--speed", "2000") == expected
    assert replayed("--speed", "10", "--max-gap", "1s", "--shift-to", _first(log)) == expected


def _first(log: Path) -> str:
    for line in log.read_bytes().splitlines():
        if line not in BROKEN:
            return str(json.loads(line)["occurred_at"])
    raise AssertionError("a log of nothing")


def test_moved_to_now_the_readings_are_of_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write(tmp_path / "log.jsonl", answers(10))
    before = time.time()
    assert main(["replay", str(log), "--shift-to", "now", "--final", "--windows", "1h"]) == 0
    said, _ = capsys.readouterr()
    as_of = {json.loads(line)["as_of"] for line in said.splitlines()}
    assert len(as_of) == 1
    begun = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before + 8))
    ended = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 10))
    assert begun <= as_of.pop()[:19] <= ended


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--speed", "fast"], "--speed: a positive number such as 10, or max; not 'fast'"),
        (["--max-gap", "0s"], "--max-gap: '0s' is not a duration"),
        (["--shift-to", "tomorrow"], "--shift-to: 'tomorrow'"),
    ],
)
def test_what_cannot_be_meant_is_an_error_of_use(
    options: list[str], said: str, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(log), *options]) == 2
    assert said in capsys.readouterr().err


def test_a_log_is_not_moved_out_of_all_calendars(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write(tmp_path / "log.jsonl", answers(100))
    options = ["--final", "--shift-to", "9998-12-31T00:00:00Z", "--out", str(tmp_path / "out")]
    earlier = write(tmp_path / "log.jsonl", reversed(answers(100)))
    assert main(["replay", str(earlier), *options[:2], "1970-01-01T00:00:30Z"]) == 2
    assert "--shift-to: the log cannot be moved so far" in capsys.readouterr().err
    assert main(["replay", str(log), *options]) == 0


@pytest.mark.timeout(180)
def test_paced_readings_come_as_they_are_due_and_ctrl_c_ends_them_in_order(
    tmp_path: Path,
) -> None:
    """An hour in a minute: what comes within seconds was passed on at once."""
    log = write(tmp_path / "log.jsonl", answers(3500))
    options = ["--speed", "60", "--every", "10s", "--windows", "1m"]
    process = subprocess.Popen(
        cxpulse("replay", str(log), *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert first["as_of"].startswith("2026-03-01T12:00:")
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert told.splitlines() == [b"error: interrupted"]


@pytest.mark.timeout(180)
def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", answers(3000))
    arguments = ["replay", str(log), "--final", "--out", str(tmp_path / "out.jsonl")]
    silent = run(*arguments).stderr
    assert "3000 counted" in silent
    assert "a second" not in silent
    ours, its = pty.openpty()
    with subprocess.Popen(cxpulse(*arguments), stdout=subprocess.PIPE, stderr=its) as process:
        os.close(its)
        shown = b""
        try:
            while block := os.read(ours, 4096):
                shown += block
        except OSError:  # how Linux tells that the other end of a terminal was closed
            pass
        finally:
            os.close(ours)
        assert process.stdout is not None
        assert process.stdout.read() == b""
    assert b"lines, " in shown
    assert b" a second" in shown
    assert b"3000 counted" in shown


def test_a_parquet_file_is_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Any]] = [json.loads(line) for line in answers(50)]
    log = tmp_path / "log.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), log)
    plain = write(tmp_path / "log.jsonl", answers(50))
    said = []
    for path in (log, plain):
        assert main(["replay", str(path), "--final", "--windows", "1h"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != ""
