"""The plugin as users have it: the example project, in a pytest of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.waiting import PATIENCE

EXAMPLES = Path(__file__).parents[2] / "examples"


NEAR = """
import pytest

def test_missing(cx_events, cx_replay, cx_golden):
    cx_golden(cx_replay(cx_events.nps(9)), "gone.jsonl")

def test_near(cx_events, cx_replay, cx_golden, request, pytestconfig):
    made = cx_replay(cx_events.nps(9), cx_events.nps(8), cx_events.nps(1), metrics=["nps"])
    made.write(request.path.parent / "near.jsonl")
    cx_golden(made, "near.jsonl")
    for row in made:
        row["revision"] += 1
        row["value"] += 0.001
        row["low"] = row["high"] = None
    cx_golden(made, "near.jsonl", tolerance=0.01, ignore=("revision", "low", "high"))
    with pytest.raises(pytest.fail.Exception, match="revision 1 → 2"):
        cx_golden(made, "near.jsonl", tolerance="1%")

@pytest.mark.cx_options(windows=["24h"])
def test_the_nearest_option_wins(cx_events, cx_engine, cx_replay):
    cx_engine.send(cx_events.nps(9))
    assert cx_engine.readings().windows == ["24h"]
    assert cx_replay(cx_events.nps(9), windows=["7d"]).windows == ["7d"]
"""
"""Goldens that are missing, or nearly right, and options of one test."""


def copied_examples(folder: Path) -> Path:
    hidden = shutil.ignore_patterns("__pycache__", ".*")
    return shutil.copytree(EXAMPLES, folder / "project", ignore=hidden)


def clean_environment() -> dict[str, str]:
    """Without what this run of pytest tells its own processes."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copied_examples(tmp_path)


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:asyncio", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=project,
        env=clean_environment(),
        timeout=120 * PATIENCE,
    )


def test_the_example_passes_and_a_golden_that_differs_is_shown_and_written(project: Path) -> None:
    golden = project / "golden" / "march.jsonl"
    stored = golden.read_text()
    rows = [json.loads(line) for line in stored.splitlines()]
    was = rows[0]["n"]
    rows[0]["n"] += 1
    golden.write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]))
    (project / "test_near.py").write_text(NEAR)
    failed = run(project)
    assert "2 failed, 7 passed" in failed.stdout, failed.stdout + failed.stderr
    assert f"there is no golden file {project / 'gone.jsonl'}" in failed.stdout
    assert f"the readings are not those of {golden}" in failed.stdout
    assert f": n {was + 1} → {was}" in failed.stdout
    assert ": is new" in failed.stdout
    assert "--cx-update-golden" in failed.stdout

    written = run(project, "-k", "march", "--cx-update-golden", "-n", "1")
    assert written.returncode == 0, written.stdout + written.stderr
    assert f"{golden} written:" in written.stdout
    assert f": n {was + 1} → {was}" in written.stdout
    assert golden.read_text() == stored


def test_importing_the_plugin_imports_little() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import processor.testing.plugin; "
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60 * PATIENCE,
    )
    assert done.stdout.strip() == "['processor', 'processor.testing', 'processor.testing.plugin']"
