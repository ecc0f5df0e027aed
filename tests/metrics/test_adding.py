"""Adding a metric as the architecture page shows it: one function in one file."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
SCORES = [3] * 3 + [9] * 5 + [0] * 2
CHECK = """
import doctest
from processor.metrics import survey
from processor.metrics.catalogue import get
from tests.metrics import test_catalogue as owed

assert doctest.testmod(survey).failed == 0
for name in (
    "docstring_says_what_how_and_whence",
    "docstring_has_an_example",
    "nothing_observed_is_null_and_a_count_of_nothing_0",
    "name_needs_no_escape_in_keys_and_addresses",
    "unit_and_event_types_are_the_vocabulary_s",
):
    getattr(owed, f"test_{name}")(get("detractor_share"))
"""


def snippet() -> str:
    """The code block under "Adding a metric"."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    return text.split("## Adding a metric")[1].split("```python\n")[1].split("```")[0]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the packages in which one file was touched."""
    for package in ("processor", "schemas", "tests"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    survey = tmp_path / "processor" / "metrics" / "survey.py"
    with survey.open("a", encoding="utf-8") as file:
        file.write(f"\n\n{snippet()}")
    return tmp_path


def python(folder: Path, *arguments: str) -> str:
    """What a Python process in the copy prints; it ends well."""
    environment = {n: v for n, v in os.environ.items() if not n.startswith("CX_")}
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60 * PATIENCE,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.timeout(120)
def test_the_example_is_a_metric_everywhere_and_touches_one_file(checkout: Path) -> None:
    (row,) = json.loads(
        python(checkout, "-m", "processor.cli", "metrics", "detractor_share", "--json")
    )
    assert row["what"] == "Detractor share: the share of answers from 0 to 6"
    python(checkout, "-c", CHECK)

    log = checkout / "log.jsonl"
    with log.open("w", encoding="utf-8") as file:
        for i, score in enumerate(SCORES):
            event = {
                "type": "survey_response",
                "event_id": f"e{i}",
                "occurred_at": f"2026-03-01T12:00:{i:02}Z",
                "survey": "nps",
                "score": score,
            }
            file.write(json.dumps(event) + "\n")
    lines = python(
        checkout, "-m", "processor.cli", "replay", str(log), "--final", "--windows", "1h"
    )
    rows = {row["metric"]: row for row in map(json.loads, lines.splitlines())}
    reading = rows["detractor_share"]
    assert (reading["value"], reading["n"], reading["unit"]) == (50.0, 10, "percent")
    assert reading["low"] < 50 < reading["high"]
