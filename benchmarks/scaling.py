"""One worker and two, and what a flush and a tick cost: what the model of scaling is made of.

``python -m benchmarks.scaling`` measures on a real Kafka and Redis and writes
``bench-results/scaling.json``; ``python -m benchmarks.scaling_page`` makes the tables of
`docs/scaling.md` of it.
"""

import argparse
import asyncio
import json
import logging
import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.load import CHANNELS, PRODUCTS
from benchmarks.scaling_costs import bytes_of_id, flush_points, follow_points, tick_points
from benchmarks.scaling_workers import (
    EVENT_TIME_RATE,
    PARTITIONS,
    Servers,
    cores_used,
    measure,
    per_event_us,
)
from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis


async def measure_all(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, in one run."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedKafka() as kafka,
        EmbeddedRedis(appendonly=True) as redis,
    ):
        servers = Servers(kafka, redis, Path(folder))
        runs = await measure(servers, options.workers, options.rounds, options.events)
        flushes = await flush_points(servers, options.times)
        follows = await follow_points(servers, options.times)
        ticks = await tick_points(servers, max(3, options.times // 2))
    # The probes' channels are among them: one for each partition.
    about = {
        "partitions": PARTITIONS,
        "values": [1, len(CHANNELS) + PARTITIONS, len(PRODUCTS)],
        "time_rate": EVENT_TIME_RATE,
    }
    return {
        "cores": os.cpu_count(),
        "runs": [{**run, **about} for run in runs],
        "flushes": flushes,
        "follows": follows,
        "ticks": ticks,
        "id_bytes": bytes_of_id(),
    }


def speed_up(runs: Sequence[Mapping[str, Any]], workers: int) -> float:
    """How much faster so many workers were than one: the median of rounds."""
    rates: dict[int, list[float]] = {
        count: [run["events"] / run["wall_s"] for run in runs if run["workers"] == count]
        for count in (1, workers)
    }
    return statistics.median(more / one for one, more in zip(rates[1], rates[workers], strict=True))


def report(runs: Sequence[Mapping[str, Any]]) -> None:
    """Print the medians of the workers' runs."""
    for workers in sorted({run["workers"] for run in runs}):
        ours = [run for run in runs if run["workers"] == workers]
        rate = statistics.median(run["events"] / run["wall_s"] for run in ours)
        cores = statistics.median(cores_used(run) for run in ours)
        each = {
            kind: statistics.median(per_event_us(run)[kind] for run in ours)
            for kind in per_event_us(ours[0])
        }
        shown = ", ".join(f"{kind} {us:.2f}" for kind, us in each.items())
        print(
            f"{workers} workers: {rate:,.0f} events/s ({speed_up(runs, workers):.2f} of one), "
            f"{cores:.2f} of {os.cpu_count()} cores; CPU µs an event: {shown}"
        )


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="of each log")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each number of workers")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--times", type=int, default=9, help="flushes and ticks of each kind")
    parser.add_argument("--out", type=Path, default=Path("bench-results/scaling.json"))
    options = parser.parse_args()
    # Of topics that were made just now it warns that they are not there yet, and tries again.
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    found = asyncio.run(measure_all(options))
    report(found["runs"])
    if {1, 2} <= set(options.workers):
        found["two_to_one"] = speed_up(found["runs"], 2)
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
