"""The whole demo, as people start it."""

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import httpx
import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest

from tests.cli.commands import SECONDS, cxpulse
from tests.embedded.processes import mentioning, survivors
from tests.harness.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis]


@contextmanager
def _demo(
    folder: Path, *options: str, stdout: int | IO[bytes] = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        # Not the page's usual port: another demo may take it between a look at it and its use.
        cxpulse("demo", "--rate", "300", "--port", "0", *options),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    ) as process:
        yield process


def _said(process: subprocess.Popen[str], what: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if what in line:
            return line
    raise AssertionError(f"the demo ended without saying {what!r}")


def _descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return list(psutil.Process(process.pid).children(recursive=True))


def _command_of(process: psutil.Process) -> str:
    """Its command line; nothing of one that has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


async def _until_running(process: subprocess.Popen[str], pattern: str) -> psutil.Process:
    """The part itself, not its supervisor, whose command line ends with the part's.

    The part has its supervisor's command line, too, until it has its own.
    """

    async def found() -> list[psutil.Process]:
        assert process.poll() is None
        commands = [(child, _command_of(child)) for child in _descendants(process)]
        return [one for one, text in commands if pattern in text and "supervisor.py" not in text]

    (part,) = await eventually(found, what=f"a process of {pattern}")
    return part


_SHOWN: Final = (
    *(
        rf"{name} +│ +{value} +│"
        for name, value in (
            ("NPS", r"-?\d+\.\d"),
            ("CSAT", r"\d+\.\d %"),
            ("CTR", r"\d+\.\d %"),
            ("Bounce rate", r"\d+\.\d %"),
        )
    ),
    r"│ web +│ +-?\d",
    "dead letters 0",
)
"""What is in a frame when all is told: the first readings are of surveys, and of the whole."""


async def _until_shown(frames: Path, process: subprocess.Popen[str]) -> None:
    async def last() -> str:
        assert process.poll() is None
        # What is being written may end within a letter.
        told = await asyncio.to_thread(frames.read_text, encoding="utf-8", errors="replace")
        return told.rpartition("cxpulse demo")[2]

    def is_whole(frame: str) -> bool:
        return all(re.search(part, frame) for part in _SHOWN)

    await eventually(last, is_whole, within_s=60, what="a frame that tells all")


async def _until_told(page: str) -> None:
    async with httpx.AsyncClient(base_url=page, timeout=SECONDS) as http:

        async def told() -> list[int]:
            answer = await http.get("api/readings?metric=nps&window=5m&segment=all")
            if not answer.is_success:
                return []  # it may not have looked yet, or Redis may be slow
            return [row["n"] for row in answer.json()["readings"]]

        await eventually(told, any, what="the page's API tells it as well")


def test_four_metrics_then_nothing_left(tmp_path: Path) -> None:
    folder, frames = tmp_path / "tmp", tmp_path / "frames"
    folder.mkdir()
    with frames.open("wb") as out, _demo(folder, stdout=out) as process:
        _said(process, "first readings")
        page = _said(process, "the page: ").split()[-1]
        asyncio.run(_until_shown(frames, process))
        asyncio.run(_until_told(page))
        assert "<title>" in httpx.get(page, timeout=SECONDS).text
        children = [child.pid for child in _descendants(process)]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    assert len(children) >= 10  # two servers and three parts, each with its supervisor
    assert survivors(children) == []
    assert list(folder.iterdir()) == []
    told = frames.read_text(encoding="utf-8")
    assert "35m of simulated history" in told
    assert "\x1b" not in told


@pytest.mark.soak
def test_it_ends_by_itself(tmp_path: Path) -> None:
    with _demo(tmp_path, "--duration", "6s") as process:
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    assert out.count("cxpulse demo") > 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("how", "when"),
    [
        pytest.param(signal.SIGINT, "run", marks=pytest.mark.soak),
        pytest.param(signal.SIGTERM, "first readings", marks=pytest.mark.soak),
        # Whose servers are still starting.
        (signal.SIGTERM, "run"),
    ],
)
def test_it_ends_when_told(tmp_path: Path, how: signal.Signals, when: str) -> None:
    with _demo(tmp_path) as process:
        _said(process, when)
        children = [child.pid for child in _descendants(process)]
        process.send_signal(how)
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert survivors(children) == []
    assert mentioning(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_it_leaves_no_process_when_it_is_killed(tmp_path: Path) -> None:
    with _demo(tmp_path) as process:
        _said(process, "run")
        children = [child.pid for child in _descendants(process)]
        process.kill()
        process.communicate(timeout=SECONDS)
    assert survivors(children) == []


@pytest.mark.parametrize(
    ("part", "pattern"),
    [
        ("worker", "processor.cli worker"),
        # Its worker takes its whole time to stop without a broker.
        pytest.param("Kafka", "kafka.Kafka", marks=pytest.mark.soak),
    ],
)
def test_a_part_that_dies_is_named(tmp_path: Path, part: str, pattern: str) -> None:
    with _demo(tmp_path) as process:
        _said(process, "run")
        victim = asyncio.run(_until_running(process, pattern))
        children = _descendants(process)
        victim.kill()
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert f"error: {part} ended by itself" in err
    assert survivors(child.pid for child in children) == []
