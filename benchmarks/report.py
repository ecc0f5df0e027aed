"""Medians of what was measured: as rows of a table, and with all runs as JSON."""

import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own
from rich.table import Table

from benchmarks.running import Results, Run
from benchmarks.variants import Variant

REFERENCE_PER_CPU_S: Final = 836_000
"""What ``getmany`` read a CPU-second on the machine that the targets were set on.

``getmany`` is aiokafka alone, none of our code: its rate says how fast a machine is at such work.
"""

_PACKAGES: Final = ("faust-streaming", "aiokafka", "redis", "hiredis", "pydantic", "uvloop")


@dataclass(frozen=True)
class Row:
    """Medians of a variant.

    Attributes:
        about: what it is.
        mode: how it runs, see `benchmarks.variants`.
        runs: how many there were.
        values: medians by name, also of ratios that each run has of itself.
        compared_with: another variant, where one ran in the same rounds.
        ratio: of the events per CPU-second to those of the other in the same round, median.
    """

    about: str
    mode: str
    runs: int
    values: Mapping[str, float]
    compared_with: str | None = None
    ratio: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The row as it is written."""
        return {
            "about": self.about,
            "mode": self.mode,
            "runs": self.runs,
            "compared_with": self.compared_with,
            "ratio": self.ratio,
            **self.values,
        }


def rows(results: Results, variants: Mapping[str, Variant]) -> dict[str, Row]:
    """The medians of each variant that ran."""
    found = {}
    for name, runs in results.items():
        if not runs:
            continue
        variant = variants[name]
        other = variant.compared_with
        ratios = [
            run["per_cpu_s"] / base["per_cpu_s"]
            for run, base in zip(runs, results.get(other, []), strict=False)
            if other != name and "per_cpu_s" in run
        ]
        found[name] = Row(
            variant.about,
            variant.mode,
            len(runs),
            _medians([run | _derived(run) for run in runs]),
            other if ratios else None,
            statistics.median(ratios) if ratios else None,
        )
    return found


def _medians(runs: Sequence[Run]) -> Run:
    names = {name for run in runs for name in run}
    return {
        name: statistics.median(run[name] for run in runs if name in run) for name in sorted(names)
    }


def _derived(run: Run) -> Run:
    """Per 100,000 events, what depends on how many there were."""
    per = 100_000 / run["events"]
    names = ("redis_scripts", "redis_commands", "redis_cpu_s", "flushes")
    return {f"{name}_per_100k": run[name] * per for name in names if name in run}


def machine() -> dict[str, Any]:
    """What was measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """What was measured: the commit, and the packages that matter."""
    found = {name: version(name) for name in _PACKAGES}
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        check=False,
        capture_output=True,
        text=True,
    )
    return {"cxpulse": git.stdout.strip() or version("cxpulse"), **found}


def speed(found: Mapping[str, Row]) -> float | None:
    """How fast this machine is, the reference machine being 1; ``None`` if that did not run."""
    if "getmany" not in found:
        return None
    return found["getmany"].values["per_cpu_s"] / REFERENCE_PER_CPU_S


def table(found: Mapping[str, Row]) -> Table:
    """The rows for people at a terminal."""
    shown = Table(title="medians; events per CPU-second of the process", title_justify="left")
    shown.add_column("variant")
    for column in ("events/CPU-s", "µs each", "events/s", "RSS MB", "scripts/100k"):
        shown.add_column(column, justify="right")
    shown.add_column("compared, and more")
    for name, row in found.items():
        values = row.values
        rate = values.get("per_cpu_s")
        # A tick's CPU is not a rate of events.
        is_rate = rate is not None and not name.startswith("tick")
        more = [] if row.ratio is None else [f"{row.ratio:.3g} of {row.compared_with}"]
        more += [
            text.format(values[key])
            for key, text in _MORE.items()
            if key in values and (key not in _OF_TICK or name.startswith("tick"))
        ]
        shown.add_row(
            f"{name}: {row.about}",
            f"{rate:,.0f}" if is_rate and rate else "",
            f"{1e6 / rate:.2f}" if is_rate and rate else "",
            _whole(values.get("per_s")),
            _whole(values.get("rss_mb")),
            _whole(values.get("redis_scripts_per_100k")),
            ", ".join(more),
        )
    return shown


_OF_TICK: Final = ("cpu_s", "wall_s", "readings", "first_cpu_s")
_MORE: Final = {
    "cpu_s": "{:.2f} s CPU",
    "wall_s": "{:.2f} s",
    "first_cpu_s": "first {:.2f} s CPU",
    "readings": "{:,.0f} readings",
    "behind_p50_s": "behind {:.2f} s (median)",
    "behind_p99_s": "{:.2f} s (p99)",
    "behind_end_s": "{:.2f} s at the end",
}


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def document(
    results: Results,
    variants: Mapping[str, Variant],
    logs: Mapping[str, Mapping[str, float]],
    failed: Sequence[str],
    before: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that a run found, to be written as JSON.

    Args:
        results: all runs.
        variants: what they were of.
        logs: events, and bytes of one, by log.
        failed: what did not run to its end, and why.
        before: `machine`, when the run began.
    """
    found = rows(results, variants)
    return {
        "machine": dict(before),
        "versions": versions(),
        "speed": speed(found),
        "logs": {name: dict(log) for name, log in logs.items()},
        "failed": list(failed),
        "rows": {name: row.as_json() for name, row in found.items()},
        "runs": {name: runs for name, runs in results.items() if runs},
    }
