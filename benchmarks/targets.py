"""What the figures are to show, and whether they do: on this machine, and scaled to the reference.

The targets were set on a faster machine. Rates are scaled by what aiokafka alone reads on either
(`benchmarks.report.speed`), CPU seconds the other way round; ratios, counts and memory stand as
they are, and so do latencies, which mostly wait.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Figures = Mapping[str, Any]
"""What ``docs/performance.json`` holds: ``bench``, and if measured ``latency`` and ``two_workers``,
the events a second of two workers to those of one."""


@dataclass(frozen=True)
class Target:
    """A measure with its limit.

    Attributes:
        measure: what is measured, for people.
        limit: it is to be at least so much, or at most.
        text: the limit, for people.
        value: finds it in the figures; ``None`` if it was not measured.
        form: how a value is written.
        at_least: the limit is the least; else it is the most.
        scales: how another machine's value is told from it.
    """

    measure: str
    limit: float
    text: str
    value: Callable[[Figures], float | None]
    form: str = "{:,.0f}"
    at_least: bool = True
    scales: Literal["rate", "time", "not"] = "not"

    def scaled(self, figures: Figures) -> float | None:
        """The value as it would be on the reference machine; ``None`` if that is not known."""
        value, speed = self.value(figures), figures["bench"]["speed"]
        if self.scales == "not" or value is None:
            return value
        if speed is None:
            return None
        return float(value / speed if self.scales == "rate" else value * speed)

    def holds(self, figures: Figures) -> bool | None:
        """Whether the scaled value meets the limit; ``None`` if it is not known."""
        value = self.scaled(figures)
        if value is None:
            return None
        return value >= self.limit if self.at_least else value <= self.limit


def row(name: str, field: str) -> Callable[[Figures], float | None]:
    """A median of a variant."""

    def find(figures: Figures) -> float | None:
        found: float | None = figures["bench"]["rows"].get(name, {}).get(field)
        return found

    return find


def most(*values: Callable[[Figures], float | None]) -> Callable[[Figures], float | None]:
    """The largest of those that were measured."""

    def find(figures: Figures) -> float | None:
        found = [number for value in values if (number := value(figures)) is not None]
        return max(found, default=None)

    return find


def ratio(name: str, other: str) -> Callable[[Figures], float | None]:
    """The rate of a variant to that of another in the same round, median of the rounds."""

    def find(figures: Figures) -> float | None:
        rows = figures["bench"]["rows"]
        if rows.get(name, {}).get("compared_with") == other:
            return float(rows[name]["ratio"])
        if rows.get(other, {}).get("compared_with") == name:
            return 1.0 / float(rows[other]["ratio"])
        return None

    return find


def latency(percentile: str) -> Callable[[Figures], float | None]:
    """Milliseconds until a reading is in Redis, at half of saturation with ticks of 100 ms."""

    def find(figures: Figures) -> float | None:
        rows = figures.get("latency", {}).get("rows", [])
        found = sorted(
            row["redis"][percentile]
            for row in rows
            if row["level"] == 0.5 and row["settings"] == rows[0]["settings"]
        )
        return found[len(found) // 2] if found else None

    return find


def two_workers(figures: Figures) -> float | None:
    """Events a second of two workers to those of one."""
    found: float | None = figures.get("two_workers")
    return found


TARGETS: Final = (
    Target(
        "survey events per CPU-second: validated, de-duplicated, three segment sets, six windows, "
        "stored, published",
        250_000,
        "≥ 250,000",
        row("count", "per_cpu_s"),
        scales="rate",
    ),
    Target(
        "… to the transport consuming only", 0.55, "≥ 0.55", ratio("count", "consume"), "{:.2f}"
    ),
    Target("… to stock Faust, one hopping window", 100, "≥ 100", ratio("count", "faust")),
    Target("… to Quix Streams, one hopping window", 20, "≥ 20", ratio("count", "quix"), "{:.1f}"),
    Target("… to Bytewax, one sliding window", 6, "≥ 6", ratio("count", "bytewax"), "{:.1f}"),
    Target("… to Pathway, one sliding window", 6, "≥ 6", ratio("count", "pathway"), "{:.1f}"),
    Target(
        "session-heavy events per CPU-second",
        120_000,
        "≥ 120,000",
        row("sessions", "per_cpu_s"),
        scales="rate",
    ),
    Target(
        "… read while they happen, 100,000 a second",
        120_000,
        "≥ 120,000",
        row("sessions-live", "per_cpu_s"),
        scales="rate",
    ),
    Target(
        "mixed events per CPU-second",
        150_000,
        "≥ 150,000",
        row("mixed", "per_cpu_s"),
        scales="rate",
    ),
    Target(
        "… read while they happen, 100,000 a second",
        150_000,
        "≥ 150,000",
        row("mixed-live", "per_cpu_s"),
        scales="rate",
    ),
    Target("12 windows to one", 0.95, "≥ 0.95", ratio("twelve", "one"), "{:.2f}"),
    Target("30 d to 5 min", 0.95, "≥ 0.95", ratio("one-30d", "one-5m"), "{:.2f}"),
    Target(
        "CPU seconds of a tick, 10,000 segment values, all changed",
        1.0,
        "≤ 1",
        row("tick-10000", "cpu_s"),
        "{:.2f}",
        at_least=False,
        scales="time",
    ),
    Target(
        "seconds behind when the last of 10,000 events/s was sent, 10,000 values, ticks of 1 s",
        1.0,
        "≤ 1",
        row("live-10000", "behind_end_s"),
        "{:.2f}",
        at_least=False,
    ),
    Target(
        "ms from produced to published at half load, p50",
        150,
        "≤ 150",
        latency("p50"),
        at_least=False,
    ),
    Target("… p99", 400, "≤ 400", latency("p99"), at_least=False),
    Target(
        "Redis script calls per 100,000 events",
        50,
        "≤ 50",
        row("count", "redis_scripts_per_100k"),
        at_least=False,
    ),
    Target("two workers to one", 1.7, "≥ 1.7", two_workers, "{:.2f}"),
    Target(
        "peak resident MB at full load, 1,000 segment values",
        300,
        "≤ 300",
        most(row("values-1000", "rss_mb"), row("sparse-1000", "rss_mb")),
        at_least=False,
    ),
)
