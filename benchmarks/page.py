"""``python -m benchmarks.page``: the tables of docs/performance.md, from docs/performance.json.

With ``--take`` it first takes what the last runs left in ``bench-results`` into that file, and the
chart beside it, so the page never says what the file does not.
"""

import argparse
import json
import re
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.chart import chart
from benchmarks.scaling import speed_up
from benchmarks.targets import TARGETS, Figures

DOCS: Final = Path("docs")
RESULTS: Final = Path("bench-results")
_MARKS: Final = re.compile(
    r"(?P<begin><!-- (?P<table>[a-z-]+): begin -->\n).*?(?P<end><!-- (?P=table): end -->)",
    re.DOTALL,
)
_WORKER: Final = ("getmany", "consume", "count")
"""The modes of the variants that read a log."""


def take(results: Path = RESULTS) -> dict[str, Any]:
    """What the last runs found, without the single runs, and of what failed only the names.

    Latency and scaling are left out if they have not been measured.

    Raises:
        FileNotFoundError: the bench has not been run.
    """
    found = {"bench": json.loads((results / "latest.json").read_text(encoding="utf-8"))}
    del found["bench"]["runs"]
    found["bench"]["failed"] = [line.partition(":")[0] for line in found["bench"]["failed"]]
    if (path := results / "latency.json").exists():
        found["latency"] = json.loads(path.read_text(encoding="utf-8"))
    if (path := results / "scaling.json").exists():
        runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
        found["two_workers"] = speed_up(runs, 2)
    return found


def markdown(header: str, rows: list[list[str]]) -> str:
    """A table; columns but the first are to the right where their header ends with a colon."""
    names = [name.strip() for name in header.split("|")]
    lines = [
        [name.rstrip(":") for name in names],
        ["---:" if n[-1:] == ":" else "---" for n in names],
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines + rows)


def machine(figures: Figures) -> str:
    """What was measured, and on what."""
    bench = figures["bench"]
    on, of = bench["machine"], bench["versions"]
    speed = bench["speed"]
    packages = ", ".join(f"{name} {version}" for name, version in of.items() if name != "cxpulse")
    text = (
        f"{on['cores']} cores of {on['cpu']}, {on['memory_gb']:.0f} GB, {on['system']}, "
        f"Python {on['python']}; load {on['load_before']} before the run. "
        f"Commit {of['cxpulse']}; {packages}.\n"
    )
    if speed is not None:
        text += (
            f"aiokafka alone reads {speed:.2f} times as much a CPU-second here as on the machine "
            "that the targets were set on: *scaled* divides rates by that, and multiplies CPU "
            "seconds.\n"
        )
    if bench["failed"]:
        text += f"\nCould not be measured: {', '.join(bench['failed'])}.\n"
    return text


def targets(figures: Figures) -> str:
    """Each target, what was measured, scaled, and whether it holds."""
    rows = []
    for target in TARGETS:
        value, scaled, holds = target.value(figures), target.scaled(figures), target.holds(figures)
        rows.append(
            [
                target.measure,
                target.text,
                _or_nothing(target.form, value),
                _or_nothing(target.form, scaled) if target.scales != "not" else "",
                "not measured" if holds is None else "yes" if holds else "**no**",
            ]
        )
    return markdown("measure | target: | measured: | scaled: | holds", rows)


def variants(figures: Figures) -> str:
    """The worker's variants."""
    bench = figures["bench"]
    speed = bench["speed"]
    rows = []
    for name, row in bench["rows"].items():
        if row["mode"] not in _WORKER:
            continue
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f} of `{row['compared_with']}`"
        rows.append(
            [
                f"`{name}`",
                row["about"],
                f"{row['per_cpu_s']:,.0f}",
                "" if speed is None else f"{row['per_cpu_s'] / speed:,.0f}",
                ratio,
                _or_nothing("{:,.0f}", row.get("per_s")),
                _or_nothing("{:,.0f}", row.get("rss_mb")),
                str(row["runs"]),
            ]
        )
    return markdown(
        "variant | what it is | events/CPU-s: | scaled: | compared | events/s: | peak MB: | runs:",
        rows,
    )


def redis(figures: Figures) -> str:
    """What the variants ask of Redis."""
    rows = [
        [
            f"`{name}`",
            f"{row['flushes_per_100k']:.0f}",
            f"{row['redis_scripts_per_100k']:.0f}",
            f"{row['redis_commands_per_100k']:,.0f}",
            f"{row['redis_cpu_s_per_100k']:.3f}",
        ]
        for name, row in figures["bench"]["rows"].items()
        if "redis_scripts_per_100k" in row
    ]
    return markdown(
        "per 100,000 events | flushes: | script calls: | commands, also in scripts: | Redis CPU s:",
        rows,
    )


def tools(figures: Figures) -> str:
    """Other programs over the same log, and how many times as much the worker counts."""
    rows = []
    for row in figures["bench"]["rows"].values():
        if row["mode"] != "peer":
            continue
        times = ""
        if row["compared_with"] == "count":
            times = f"{1 / row['ratio']:,.1f}"
        rows.append(
            [
                row["about"],
                f"{row['events']:,.0f}",
                f"{row['per_cpu_s']:,.0f}",
                times,
                f"{row['rss_mb']:,.0f}",
                str(row["runs"]),
            ]
        )
    return markdown(
        "program | events: | events/CPU-s: | the worker to it: | peak MB: | runs:", rows
    )


def ticks(figures: Figures) -> str:
    """Ticks of 10,000 segment values: alone, and while events come."""
    rows = figures["bench"]["rows"]
    lines = []
    if tick := rows.get("tick-10000"):
        lines += [
            ["a tick with everything changed, CPU s", f"{tick['cpu_s']:.2f}"],
            ["… s", f"{tick['wall_s']:.2f}"],
            ["… CPU s of Redis", f"{tick['redis_cpu_s']:.2f}"],
            ["… readings published", f"{tick['readings']:,.0f}"],
            [
                "the first tick, which shows them all for the first time, CPU s",
                f"{tick['first_cpu_s']:.2f}",
            ],
            ["resident MB at the end", f"{tick['rss_end_mb']:,.0f}"],
        ]
    if live := rows.get("live-10000"):
        lines += [
            ["10,000 events/s and ticks of 1 s: s behind, median", f"{live['behind_p50_s']:.2f}"],
            ["… 99th percentile", f"{live['behind_p99_s']:.2f}"],
            ["… until the last event was stored", f"{live['behind_end_s']:.2f}"],
            ["… ticks", f"{live['ticks']:.0f}"],
            ["… s a tick, mean", f"{live['tick_s'] / max(1.0, live['ticks']):.2f}"],
        ]
    return markdown("10,000 segment values | :", lines)


def stages(figures: Figures) -> str:
    """Where the CPU time of the worker goes, by log."""
    found: Mapping[str, Mapping[str, float]] = figures["bench"].get("stages", {})
    names = {stage: 0.0 for shares in found.values() for stage in shares}
    for shares in found.values():
        for stage, share in shares.items():
            names[stage] = max(names[stage], share)
    rows = [
        [stage, *(f"{shares.get(stage, 0.0):.0%}" for shares in found.values())]
        for stage, most in sorted(names.items(), key=lambda item: -item[1])
        if most >= 0.005
    ]
    return markdown("stage | " + " | ".join(f"`{name}`:" for name in found), rows)


def latencies(figures: Figures) -> str:
    """From the intended time of sending to the reading in Redis and in Kafka: medians of rounds."""
    rounds: dict[tuple[str, float], list[Mapping[str, Any]]] = {}
    for row in figures.get("latency", {}).get("rows", []):
        rounds.setdefault((row["settings"], row["level"]), []).append(row)
    rows = []
    for (settings, level), found in rounds.items():
        medians = [
            statistics.median(row[place][p] for row in found)
            for place in ("redis", "kafka")
            for p in _PERCENTILES
        ]
        events = f"{found[0]['rate']:,.0f}"
        rows.append([settings, f"{level:.0%}", events, *(f"{ms:,.0f}" for ms in medians)])
    columns = " | ".join(f"{place} {p}:" for place in ("Redis", "Kafka") for p in _PERCENTILES)
    return markdown(f"settings | load: | events/s: | {columns}", rows)


def logs(figures: Figures) -> str:
    """What was read."""
    rows = [
        [f"`{name}`", f"{log['events']:,}", f"{log['bytes_each']:.0f}"]
        for name, log in figures["bench"]["logs"].items()
    ]
    return markdown("log | events: | bytes each:", rows)


_PERCENTILES: Final = ("p50", "p95", "p99", "p99.9")
TABLES: Final[Mapping[str, Callable[[Figures], str]]] = {
    "machine": machine,
    "targets": targets,
    "variants": variants,
    "redis": redis,
    "tools": tools,
    "ticks": ticks,
    "stages": stages,
    "latencies": latencies,
    "logs": logs,
}


def _or_nothing(form: str, value: float | None) -> str:
    return "" if value is None else form.format(value)


def written(page: str, figures: Figures) -> str:
    """The page with its tables made again.

    Raises:
        KeyError: a mark names no table.
    """
    return _MARKS.sub(
        lambda found: f"{found['begin']}{TABLES[found['table']](figures)}{found['end']}", page
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--take", action="store_true", help="from the last runs")
    options = parser.parse_args()
    kept, page = DOCS / "performance.json", DOCS / "performance.md"
    if options.take:
        kept.write_text(json.dumps(take(), indent=1) + "\n", encoding="utf-8")
    figures = json.loads(kept.read_text(encoding="utf-8"))
    (DOCS / "performance.svg").write_bytes(chart(figures["bench"]))
    page.write_text(written(page.read_text(encoding="utf-8"), figures), encoding="utf-8")
    missed = [target.measure for target in TARGETS if not target.holds(figures)]
    print(f"targets that do not hold, or were not measured: {'; '.join(missed) or 'none'}")


if __name__ == "__main__":
    main()
