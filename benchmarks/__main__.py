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
from pathlib import Path
from typing import Any

from benchmarks.events import produce
from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis

SIX = ["1m", "5m", "1h", "24h", "7d", "30d"]
TWELVE = ["1m", "2m", "5m", "10m", "15m", "1h", "6h", "12h", "24h", "7d", "14d", "30d"]
VARIANTS: dict[str, dict[str, Any]] = {
    "aiokafka getmany alone": {"mode": "getmany"},
    "consume only": {"mode": "consume"},
    "worker, six windows": {"windows": SIX},
    "worker, one window (5m)": {"windows": ["5m"]},
    "worker, one window (30d)": {"windows": ["30d"]},
    "worker, twelve windows": {"windows": TWELVE},
}


def run_subject(
    name: str, variant: dict[str, Any], events: int, env: dict[str, str], *, profile: bool
) -> dict[str, float]:
    """Run one variant over the whole log; raises CalledProcessError with its output."""
    unique = f"bench-{time.time_ns()}"
    command = [
        sys.executable,
        "-m",
        "benchmarks.subject",
        variant.get("mode", "count"),
        str(events),
    ]
    if profile:
        command.append("--profile")
    environment = {
        **os.environ,
        **env,
        "CX_KAFKA__GROUP": unique,
        "CX_REDIS__PREFIX": unique,
        "CX_KAFKA__READINGS_TOPIC": f"{unique}.metrics",
        "CX_PUBLISHER__INTERVAL_S": "0.5",
        "CX_ENGINE__WINDOWS": json.dumps(variant.get("windows", SIX)),
        "CX_ENGINE__SEGMENTS": json.dumps([["channel"], ["product"]]),
    }
    done = subprocess.run(
        command, env=environment, check=False, capture_output=True, text=True, timeout=600
    )
    if done.returncode or '{"events"' not in done.stdout:
        print(done.stdout, done.stderr, file=sys.stderr)
        raise SystemExit(f"{name}: the subject failed with exit code {done.returncode}")
    if profile:
        print(done.stderr)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    result: dict[str, float] = json.loads(lines[-1])
    return result


def main() -> None:
    """Run all variants and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=400_000, help="length of the log")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each variant")
    parser.add_argument("--only", action="append", help="variants to run, by name")
    parser.add_argument("--profile", action="store_true", help="one profiled run of the worker")
    options = parser.parse_args()
    variants = {n: v for n, v in VARIANTS.items() if not options.only or n in options.only}
    with EmbeddedKafka() as kafka, EmbeddedRedis(appendonly=True) as redis:
        env = {
            "CX_KAFKA__BOOTSTRAP": kafka.bootstrap,
            "CX_REDIS__URL": redis.url,
            "CX_KAFKA__TOPIC_PREFIX": "bench.",
        }
        size = asyncio.run(produce(kafka.bootstrap, "bench.survey-response", options.events))
        print(
            f"{options.events:,} survey events of {size / options.events:.0f} bytes, 4 partitions"
        )
        if options.profile:
            name = "worker, six windows"
            run_subject(name, VARIANTS[name], options.events, env, profile=True)
            return
        results: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
        for _ in range(options.rounds):
            for name, variant in variants.items():
                results[name].append(run_subject(name, variant, options.events, env, profile=False))
    report(results)


def report(results: dict[str, list[dict[str, float]]]) -> None:
    """Print medians, with the ratio to consuming only round by round, and write them as JSON."""
    floor = results.get("consume only")
    rows: dict[str, dict[str, float]] = {}
    print(
        f"{'':28}{'events/CPU-s':>14}{'µs each':>9}{'of consume':>12}{'events/s':>12}{'RSS MB':>8}"
    )
    for name, runs in results.items():
        rate = statistics.median(run["per_cpu_s"] for run in runs)
        wall = statistics.median(run["events"] / run["wall_s"] for run in runs)
        rss = statistics.median(run["rss_mb"] for run in runs)
        rows[name] = {"per_cpu_s": rate, "per_s": wall, "rss_mb": rss}
        ratio = ""
        if floor:
            rows[name]["of_consume"] = statistics.median(
                run["per_cpu_s"] / base["per_cpu_s"] for run, base in zip(runs, floor, strict=True)
            )
            ratio = f"{rows[name]['of_consume']:.2f}"
        print(f"{name:28}{rate:14,.0f}{1e6 / rate:9.2f}{ratio:>12}{wall:12,.0f}{rss:8.0f}")
    folder = Path("bench-results")
    folder.mkdir(exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
