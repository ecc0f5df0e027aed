"""``python -m benchmarks.scaling_page``: the tables of docs/scaling.md, from docs/scaling.json.

With ``--take`` it first takes what `benchmarks.scaling` and `benchmarks.latency` left in
``bench-results`` into that file, so the page never says what the file does not.
"""

import argparse
import json
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmarks.latencies import STAGES
from benchmarks.scaling import speed_up
from benchmarks.scaling_model import (
    Check,
    Costs,
    Load,
    Points,
    checks,
    constants,
    limits,
    need,
)
from benchmarks.scaling_workers import cores_used, per_event_us

PAGE: Final = Path("docs/scaling.md")
FIGURES: Final = Path("docs/scaling.json")
RESULTS: Final = Path("bench-results")

RATES: Final = (10_000, 50_000, 100_000, 250_000, 500_000, 1_000_000)
SMALL: Final = Load(events_s=1.0, values=(1, 9, 4))
"""Few series: what the runs had, in four partitions."""

SLOWER: Final = {"flush_interval_s": 1.0, "tick_s": 5.0}
"""Settings for many series at a high rate."""

_MARKS: Final = re.compile(
    r"(?P<begin><!-- (?P<table>[a-z-]+): begin -->\n).*?(?P<end><!-- (?P=table): end -->)",
    re.DOTALL,
)


def taken(results: Path = RESULTS) -> dict[str, Any]:
    """What the last runs left.

    Raises:
        FileNotFoundError: one of them has not been run.
    """
    return {
        name: json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("scaling", "latency")
    }


def levels(figures: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The loads of the latency benchmark, the medians of rounds."""
    rounds: dict[tuple[str, float], list[Any]] = {}
    for row in figures["latency"]["rows"]:
        rounds.setdefault((row["settings"], row["level"]), []).append(row)
    return [middle(rows) for rows in rounds.values()]


def middle(values: Sequence[Any]) -> Any:
    """The median of values that are alike, number by number.

    >>> middle([{"a": 1, "b": "x"}, {"a": 5, "b": "x"}, {"a": 2, "b": "x"}])
    {'a': 2, 'b': 'x'}
    """
    first = values[0]
    if isinstance(first, dict):
        return {key: middle([value[key] for value in values]) for key in first}
    if isinstance(first, list):
        return [middle(each) for each in zip(*values, strict=True)]
    return first if isinstance(first, str) else statistics.median(values)


def points_of(figures: Mapping[str, Any]) -> Points:
    """What the model is made from and compared with."""
    scaling = figures["scaling"]
    return Points(
        scaling["runs"],
        scaling["flushes"],
        scaling["follows"],
        scaling["ticks"],
        scaling["id_bytes"],
        levels(figures),
    )


def at_rate(events_s: float, *, many: bool = False) -> Load:
    """A deployment for a rate: a partition for each 12,500 events a second, at least four.

    Args:
        events_s: events a second.
        many: a thousand values in each of two sets of segments, rather than a few.
    """
    partitions = max(4, 4 * round(events_s / 50_000))
    values = (1, 1_000, 1_000) if many else SMALL.values
    return replace(SMALL, events_s=events_s, partitions=partitions, values=values)


def table(header: str, rows: Sequence[Sequence[str]]) -> str:
    """Markdown; columns whose header ends with a colon are to the right."""
    names = [name.strip() for name in header.split("|")]
    lines = [
        [name.rstrip(":") for name in names],
        ["---:" if name.endswith(":") else "---" for name in names],
        *rows,
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def workers(figures: Mapping[str, Any], _: Costs) -> str:
    """Medians of the runs by number of workers."""
    runs = figures["scaling"]["runs"]
    rows = []
    for count in sorted({run["workers"] for run in runs}):
        ours = [run for run in runs if run["workers"] == count]
        each = [per_event_us(run) for run in ours]
        rows.append(
            [
                str(count),
                f"{_median(run['events'] / run['wall_s'] for run in ours):,.0f}",
                f"{speed_up(runs, count):.2f}",
                f"{_median(map(cores_used, ours)):.2f} of {figures['scaling']['cores']}",
                *(
                    f"{_median(us[kind] for us in each):.2f}"
                    for kind in ("workers", "Kafka", "Redis")
                ),
                f"{_median(r['script_calls'] / r['events'] * 1e5 for r in ours):.0f}",
            ]
        )
    return table(
        "workers | events/s: | of one: | cores used: | workers µs: | Kafka µs: | Redis µs: "
        "| script calls per 100,000:",
        rows,
    )


def constant_table(_: Mapping[str, Any], costs: Costs) -> str:
    """The model's constants in µs of CPU."""
    us = 1e6
    rows = [
        ["an event, from the fetch to the counts", "worker", f"{costs.event * us:.2f}", "", ""],
        ["to be there, a second", "worker", f"{costs.idle * us:,.0f}", "", ""],
    ]
    for name, process, cost, of in (
        ("a flush", "worker", costs.flush, "fields"),
        ("a flush", "Redis", costs.redis_flush, "fields"),
        ("a flush that is followed", "publisher", costs.follow, "fields"),
        ("a tick", "publisher", costs.tick, "readings"),
        ("a tick", "Redis", costs.redis_tick, "readings"),
    ):
        inside = "reading" if of == "readings" else "counter"
        rows.append(
            [
                name,
                process,
                f"{cost['each'] * us:,.0f}",
                f"{cost[of] * us:.2f} a {inside}",
                f"{cost['events'] * us:.3f} an event" if cost.get("events") else "",
            ]
        )
    rows.append(
        ["an event that is consumed", "broker", f"{costs.broker * us:.2f}", "", ""],
    )
    rows.append(["an id that is remembered", "worker", "", f"{costs.id_bytes:.0f} bytes", ""])
    return table("what | process | µs each: | and for what is in it: | :", rows)


def check_table(figures: Mapping[str, Any], costs: Costs) -> str:
    """What the model says of runs that gave no constant."""
    rows = []
    for check in checks(points_of(figures), costs):
        form = "{:.2f}" if "µs" in check.what else "{:.3f}"
        rows.append(
            [
                check.what,
                form.format(check.measured),
                form.format(check.predicted),
                f"{check.ratio:.2f}",
            ]
        )
    return table("what | measured: | model: | ratio:", rows)


def first_to_last(_: Mapping[str, Any], costs: Costs) -> str:
    """What ends at which rate, in four partitions, with few series and with many."""
    small = {limit.name: limit.events_s for limit in limits(SMALL, costs)}
    many = {limit.name: limit.events_s for limit in limits(at_rate(1.0, many=True), costs)}
    rows = [[name, _rate(small.get(name)), _rate(many.get(name))] for name in {**small, **many}]
    return table("what ends | events/s, 14 series: | events/s, 2,001 series:", rows)


def need_table(many: bool, **settings: float) -> Callable[[Mapping[str, Any], Costs], str]:
    """What each rate takes, with some settings."""

    def rows(_: Mapping[str, Any], costs: Costs) -> str:
        found = []
        for rate in RATES:
            load = replace(at_rate(rate, many=many), **settings)  # type: ignore[arg-type]
            n = need(load, costs)
            found.append(
                [
                    f"{rate:,}",
                    str(load.partitions),
                    f"{n.workers:.1f}",
                    str(n.processes),
                    f"{n.publisher:.2f}",
                    f"{n.redis_partitions:.2f} + {n.redis_publisher:.2f}",
                    str(n.shards),
                    f"{n.broker:.1f}",
                    f"{n.ids_bytes / 1e9:.1f}",
                    f"{n.horizon_s / 60:.1f}",
                ]
            )
        return table(
            "events/s: | partitions: | cores of counting: | workers: | publisher, cores: "
            "| Redis, cores: | Redis nodes: | brokers, cores: | ids, GB in workers: "
            "| repeats noticed, min:",
            found,
        )

    return rows


def latency(figures: Mapping[str, Any], _: Costs) -> str:
    """Percentiles of each load."""
    names = ("p50", "p95", "p99", "p99.9", "max")
    rows = [
        [
            row["settings"],
            f"{row['level']:.0%}",
            f"{row['rate']:,.0f}",
            f"{row['probes']:,}",
            *(f"{row[place][name]:,.0f}" for place in ("redis", "kafka") for name in names),
        ]
        for row in levels(figures)
    ]
    columns = " | ".join(f"{place} {name}:" for place in ("Redis", "Kafka") for name in names)
    return table(f"settings | of saturation: | events/s: | probes: | {columns}", rows)


def stages(figures: Mapping[str, Any], _: Costs) -> str:
    """Where the time goes: medians of what each stage adds, and who used the cores."""
    rows = [
        [
            row["settings"],
            f"{row['level']:.0%}",
            *(f"{row['stages'][stage]:,.0f}" for stage in STAGES),
            ", ".join(f"{name} {s / row['seconds']:.2f}" for name, s in row["cpu_s"].items()),
        ]
        for row in levels(figures)
    ]
    columns = " | ".join(f"{stage}:" for stage in STAGES)
    return table(f"settings | of saturation: | {columns} | cores used", rows)


TABLES: Final[Mapping[str, Callable[[Mapping[str, Any], Costs], str]]] = {
    "workers": workers,
    "constants": constant_table,
    "checks": check_table,
    "limits": first_to_last,
    "needs": need_table(many=False),
    "needs-many": need_table(many=True),
    "needs-slower": need_table(many=True, **SLOWER),
    "latency": latency,
    "stages": stages,
}


def written(page: str, figures: Mapping[str, Any]) -> str:
    """The page with its tables.

    Raises:
        KeyError: it has marks of a table that there is not.
    """
    costs = constants(points_of(figures))

    def rewrite(found: re.Match[str]) -> str:
        return found["begin"] + TABLES[found["table"]](figures, costs) + found["end"]

    return _MARKS.sub(rewrite, page)


def worst(found: Sequence[Check]) -> float:
    """How far the model is off, as a ratio of at least one."""
    return max(max(check.ratio, 1 / check.ratio) for check in found)


def _rate(events_s: float | None) -> str:
    if events_s is None:
        return "never"
    return f"{events_s:,.0f}" if events_s else "at any rate"


def _median(values: Any) -> float:
    return float(statistics.median(values))


def main() -> None:
    """Write the page again."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling_page", description=__doc__)
    parser.add_argument("--take", action="store_true", help="the results of the last runs first")
    if parser.parse_args().take:
        FIGURES.write_text(json.dumps(taken(), indent=1) + "\n", encoding="utf-8")
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), figures), encoding="utf-8")
    off = worst(checks(points_of(figures), constants(points_of(figures))))
    print(f"{PAGE} is written; the model is off by a factor of {off:.2f} at most")


if __name__ == "__main__":
    main()
