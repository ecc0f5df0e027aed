"""Running ``cxpulse`` in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.harness.waiting import PATIENCE

SECONDS = 60 * PATIENCE


def cxpulse(*arguments: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "processor.cli", *arguments]


def run(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        cxpulse(*arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        cwd=cwd,
        env={**os.environ, **(env or {})},
    )
