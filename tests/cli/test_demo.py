"""The whole demo, as people start it."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest

from tests.cli.commands import SECONDS, cxpulse
from tests.embedded.processes import mentioning, survivors

pytestmark = [pytest.mark.kafka, pytest.mark.redis]


@contextmanager
def _demo(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        cxpulse("demo", "--rate", "300", *options),
        stdout=subprocess.PIPE,
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


def test_four_metrics_then_nothing_left(tmp_path: Path) -> None:
    with _demo(tmp_path, "--duration", "4s", "--port", "0") as process:
        _said(process, "first readings")
        page = _said(process, "the page: ").split()[-1]
        answer = httpx.get(f"{page}api/readings?metric=nps&window=5m&segment=all").json()
        assert answer["readings"][0]["n"] > 0
        assert "<title>" in httpx.get(page).text
        children = [child.pid for child in _descendants(process)]
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    assert len(children) >= 10  # two servers and three parts, each with its supervisor
    assert survivors(children) == []
    assert list(tmp_path.iterdir()) == []

    assert "35m of simulated history" in out
    last = out[out.rindex("cxpulse demo") :]
    for name, value in (
        ("NPS", r"-?\d+\.\d"),
        ("CSAT", r"\d+\.\d %"),
        ("CTR", r"\d+\.\d %"),
        ("Bounce rate", r"\d+\.\d %"),
    ):
        assert re.search(rf"{name} +│ +{value} +│", last), last
    assert re.search(r"│ web +│ +-?\d", last), last
    assert "dead letters 0" in last
    assert "\x1b" not in out


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
        ("worker", "worker"),
        # Its worker takes its whole time to stop without a broker.
        pytest.param("Kafka", "kafka.Kafka", marks=pytest.mark.soak),
    ],
)
def test_a_part_that_dies_is_named(tmp_path: Path, part: str, pattern: str) -> None:
    with _demo(tmp_path) as process:
        _said(process, "run")
        children = _descendants(process)
        # The part itself, not its supervisor, whose command line ends with the part's.
        (victim,) = (
            child
            for child in children
            if pattern in child.cmdline() and "supervisor.py" not in str(child.cmdline())
        )
        victim.kill()
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert f"error: {part} ended by itself" in err
    assert survivors(child.pid for child in children) == []
