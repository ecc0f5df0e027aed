"""``make bench``: one worker beside its own transport, in one run, on a real Kafka and Redis.

Every variant reads the same log in a process of its own, in turn, several rounds; medians and
ratios are what to quote, because the machine's speed drifts. Writes ``bench-results/latest.json``.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.events import mixed_events, produce, shares, survey_events
from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis
from processor.metrics.catalogue import CATALOGUE

SIX = ("1m", "5m", "1h", "24h", "7d", "30d")
TWELVE = ("1m", "2m", "5m", "10m", "15m", "1h", "6h", "12h", "24h", "7d", "14d", "30d")
ALL = tuple(CATALOGUE)
FOUR = ("nps", "csat", "ctr", "bounce_rate")
LOGS = {"survey": survey_events, "mixed": mixed_events}


@dataclass(frozen=True)
class Variant:
    """What one subject does with which log.

    Attributes:
        about: what the table calls it.
        mode: of the subject: counts everything, only consumes, or does without Faust.
        log: which one it reads.
        windows: of the worker.
        metrics: that the worker publishes; everything is counted whatever they are.
        compared_with: the variant on the same log that it is told as a share of.
    """

    about: str
    mode: str = "count"
    log: str = "survey"
    windows: tuple[str, ...] = SIX
    metrics: tuple[str, ...] = ALL
    compared_with: str = "consume"


VARIANTS: Mapping[str, Variant] = {
    "getmany": Variant("aiokafka getmany alone", mode="getmany"),
    "consume": Variant("consume only", mode="consume"),
    "count": Variant("worker, full catalogue"),
    "count-four": Variant("worker, four metrics", metrics=FOUR, compared_with="count"),
    "one-5m": Variant("worker, one window (5m)", windows=("5m",), compared_with="count"),
    "one-30d": Variant("worker, one window (30d)", windows=("30d",), compared_with="count"),
    "twelve": Variant("worker, twelve windows", windows=TWELVE, compared_with="count"),
    "mixed-consume": Variant("mixed: consume only", mode="consume", log="mixed"),
    "mixed": Variant("mixed: full catalogue", log="mixed", compared_with="mixed-consume"),
    "mixed-four": Variant("mixed: four metrics", log="mixed", metrics=FOUR, compared_with="mixed"),
}

Results = dict[str, list[dict[str, float]]]


def run_subject(
    variant: Variant, events: int, env: Mapping[str, str], *, profile: bool
) -> dict[str, float]:
    """Run one variant over its whole log; raises SystemExit with its output if it fails."""
    unique = f"bench-{time.time_ns()}"
    command = [sys.executable, "-m", "benchmarks.subject", variant.mode, str(events)]
    if profile:
        command.append("--profile")
    environment = {
        **os.environ,
        **env,
        "CX_KAFKA__GROUP": unique,
        "CX_KAFKA__TOPIC_PREFIX": f"{variant.log}.",
        "CX_KAFKA__READINGS_TOPIC": f"{unique}.metrics",
        "CX_ALERTING__TOPIC": f"{unique}.alerts",
        "CX_REDIS__PREFIX": unique,
        "CX_PUBLISHER__INTERVAL_S": "0.5",
        "CX_PUBLISHER__METRICS": json.dumps(variant.metrics),
        "CX_ENGINE__WINDOWS": json.dumps(variant.windows),
        "CX_ENGINE__SEGMENTS": json.dumps([["channel"], ["product"]]),
    }
    done = subprocess.run(
        command, env=environment, check=False, capture_output=True, text=True, timeout=600
    )
    if done.returncode or '{"events"' not in done.stdout:
        print(done.stdout, done.stderr, file=sys.stderr)
        raise SystemExit(f"{variant.about}: the subject failed with exit code {done.returncode}")
    if profile:
        print(done.stderr)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    result: dict[str, float] = json.loads(lines[-1])
    return result


def chosen(only: list[str] | None) -> dict[str, Variant]:
    """The variants to run, in the table's order; raises SystemExit for a name there is not."""
    names = [name for part in only or [",".join(VARIANTS)] for name in part.split(",")]
    unknown = [name for name in names if name not in VARIANTS]
    if unknown:
        raise SystemExit(f"no variant {', '.join(unknown)}; there are {', '.join(VARIANTS)}")
    return {name: variant for name, variant in VARIANTS.items() if name in names}


def main() -> None:
    """Run the variants and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=400_000, help="length of each log")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each variant")
    parser.add_argument(
        "--only", action="append", help=f"variants to run, with commas: {', '.join(VARIANTS)}"
    )
    parser.add_argument(
        "--profile", action="store_true", help="one profiled run of each, instead of the table"
    )
    options = parser.parse_args()
    variants = chosen(options.only)
    with EmbeddedKafka() as kafka, EmbeddedRedis(appendonly=True) as redis:
        env = {"CX_KAFKA__BOOTSTRAP": kafka.bootstrap, "CX_REDIS__URL": redis.url}
        for log in dict.fromkeys(variant.log for variant in variants.values()):
            events = LOGS[log](options.events)
            size = asyncio.run(produce(kafka.bootstrap, f"{log}.", events))
            mean = size / options.events
            print(f"{log}: {options.events:,} events of {mean:.0f} bytes, 4 partitions a topic")
            if log == "mixed":
                print(shares())
        if options.profile:
            for variant in variants.values():
                print(variant.about)
                run_subject(variant, options.events, env, profile=True)
            return
        results: Results = {name: [] for name in variants}
        for _ in range(options.rounds):
            for name, variant in variants.items():
                results[name].append(run_subject(variant, options.events, env, profile=False))
    report(results)


def report(results: Results) -> None:
    """Print medians, with the ratio to another variant round by round, and write them as JSON."""
    rows: dict[str, dict[str, float]] = {}
    print(f"{'':28}{'events/CPU-s':>14}{'µs each':>9}{'events/s':>12}{'RSS MB':>8}  compared")
    for name, runs in results.items():
        about, other = VARIANTS[name].about, VARIANTS[name].compared_with
        rate = statistics.median(run["per_cpu_s"] for run in runs)
        wall = statistics.median(run["events"] / run["wall_s"] for run in runs)
        rss = statistics.median(run["rss_mb"] for run in runs)
        rows[name] = {"per_cpu_s": rate, "per_s": wall, "rss_mb": rss}
        compared = ""
        if other != name and other in results:
            ratio = rows[name][f"of_{other}"] = statistics.median(
                run["per_cpu_s"] / base["per_cpu_s"]
                for run, base in zip(runs, results[other], strict=True)
            )
            compared = f"{ratio:.2f} of {other}"
        print(f"{about:28}{rate:14,.0f}{1e6 / rate:9.2f}{wall:12,.0f}{rss:8.0f}  {compared}")
    folder = Path("bench-results")
    folder.mkdir(exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
