"""``cxpulse record`` as a process: ended in order, killed, misused."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from processor.cli import main
from processor.cli.record import progress_line
from processor.recording import Progress
from processor.replay import LogError, read_log
from tests.cli.commands import SECONDS, cxpulse
from tests.harness.kafka import Record, create_topics, send
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment

pytestmark = pytest.mark.timeout(60)

COUNT = 500


@pytest.fixture
def deployment(
    kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> Deployment:
    made = Deployment(kafka_bootstrap, "", topic_prefix, "")
    monkeypatch.setenv("CX_KAFKA__BOOTSTRAP", kafka_bootstrap)
    monkeypatch.setenv("CX_KAFKA__TOPIC_PREFIX", topic_prefix)

    async def fill() -> None:
        await create_topics(made)
        began_ms = time.time_ns() // 1_000_000 - COUNT
        await send(
            made,
            (
                Record(made.topic("social"), b"%d" % n, b'{"n":%d}' % n, began_ms + n)
                for n in range(COUNT)
            ),
        )

    asyncio.run(fill())
    return made


@contextmanager
def recording(out: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that follows the topics and has recorded what is there."""
    partial = out.with_name(out.name + ".partial")

    async def recorded() -> int:
        assert process.poll() is None
        return len(lines(partial))

    command = cxpulse("record", "--out", str(out), "--type", "social", *arguments)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            asyncio.run(eventually(recorded, COUNT.__eq__, what="all is recorded"))
            yield process
        finally:
            process.kill()


def lines(path: Path) -> list[bytes]:
    """As far as they can be read."""
    found: list[bytes] = []
    try:
        for chunk in read_log(path):
            found += chunk.lines
    except LogError:
        pass  # not there yet, or cut off
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order_with_a_whole_file(
    deployment: Deployment, tmp_path: Path, how: signal.Signals
) -> None:
    out = tmp_path / "log.jsonl.zst"
    with recording(out, "--follow") as process:
        process.send_signal(how)
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == [out]
    assert [line for chunk in read_log(out) for line in chunk.lines] == [
        b'{"n":%d}' % n for n in range(COUNT)
    ]
    (line,) = said.splitlines()  # no progress where there is no terminal
    assert line.startswith(f"{COUNT} events, 20")
    assert line.endswith(f": {out}")


def test_a_kill_leaves_only_what_says_that_it_is_partial(
    deployment: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "log.jsonl"
    with recording(out, "--duration", "1h") as process:
        process.kill()
        process.wait(timeout=SECONDS)
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl.partial"]

    # The next run does not mind, and replaces it.
    assert main(["record", "--out", str(out), "--type", "social"]) == 0
    assert len(lines(out)) == COUNT
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]
    capsys.readouterr()

    done = subprocess.run(
        cxpulse("record", "--out", "-", "--type", "social", "--compress", "gz"),
        env=os.environ,
        capture_output=True,
        check=True,
        timeout=SECONDS,
    )
    (tmp_path / "piped").write_bytes(done.stdout)
    assert lines(tmp_path / "piped") == lines(out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--out"),
        (["--out", "log", "--type", "weather"], "unknown event type weather"),
        (["--out", "log", "--from", "yesterday"], "--from: 'yesterday'"),
        (["--out", "log", "--from", "now", "--to", "2026-01-01T00:00:00Z"], "not after its start"),
        (["--out", "log", "--rejects", "log"], "files of their own"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.kafka
def test_a_missing_topic_is_one_clear_sentence(
    kafka_bootstrap: str,
    topic_prefix: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CX_KAFKA__BOOTSTRAP", kafka_bootstrap)
    monkeypatch.setenv("CX_KAFKA__TOPIC_PREFIX", topic_prefix)
    assert main(["record", "--out", str(tmp_path / "log"), "--type", "loyalty"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: there is no topic {topic_prefix}loyalty in Kafka at ")
    assert error.count("\n") == 1


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--help"]) == 0
    assert "Example: cxpulse record --out" in capsys.readouterr().out


def test_progress() -> None:
    on_the_way = Progress(500, 2.0, 250, 1_000, following=False)
    assert progress_line(on_the_way) == "500 events, 250/s, 25 %, 6 s left"
    assert progress_line(replace(on_the_way, following=True)) == "500 events, 250/s, following"
    assert progress_line(Progress(0, 0.0, 0, 0, following=False)) == "0 events, 0/s"
