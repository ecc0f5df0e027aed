"""Latencies of probes: found, told as percentiles, and divided into stages. Pure.

Times are monotonic nanoseconds, which all processes of a machine share; latencies are ms.
"""

import math
import statistics
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

PERCENTILES: Final = (50.0, 95.0, 99.0, 99.9)
STAGES: Final = (
    "acknowledged",
    "fetched",
    "at the agent",
    "taken",
    "stored",
    "in Redis",
    "in Kafka",
)
"""What an event passes, in this order: the broker has it, the fetching thread, the agent; a flush
of its partition begins, and is stored; its reading is seen in Redis' stream, and in the topic."""

GROWS: Final = 0.05
"""Seconds by which latency rises in a second, at which a backlog is said to grow."""

_BACKLOG_MS: Final = 2_000.0


@dataclass(slots=True)
class Seen:
    """When which count of probes was first seen in one place, by partition."""

    counts: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    at_ns: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, partition: int, n: int, at_ns: int) -> None:
        """Take a reading: only more than before is news."""
        if n > self.last(partition):
            self.counts[partition].append(n)
            self.at_ns[partition].append(at_ns)

    def last(self, partition: int) -> int:
        """The highest count so far."""
        counts = self.counts[partition]
        return counts[-1] if counts else 0

    def first(self, partition: int, n: int) -> int | None:
        """When a reading first held so many probes."""
        at = bisect_left(self.counts[partition], n)
        return self.at_ns[partition][at] if at < len(self.counts[partition]) else None


@dataclass(frozen=True, slots=True)
class Passed:
    """One probe: when it was meant to be sent, and when it passed each stage."""

    intended_ns: int
    at_ns: tuple[int, ...]

    def latency_ms(self, stage: int) -> float:
        """From its intended time until a stage."""
        return (self.at_ns[stage] - self.intended_ns) / 1e6


class _Steps:
    """What a worker noted of one partition, by the offset that it reached."""

    def __init__(self, noted: Iterable[Sequence[int]]) -> None:
        self._noted = sorted(noted, key=itemgetter(0))
        self._offsets = [offset for offset, *_ in self._noted]

    def holding(self, offset: int) -> Sequence[int] | None:
        """The first step that includes a record: what was noted after the offset."""
        at = bisect_left(self._offsets, offset + 1)
        return self._noted[at][1:] if at < len(self._noted) else None


def passed(
    probes: Sequence[Mapping[str, int]],
    seen: Mapping[str, Seen],
    before: Mapping[int, int],
    noted: Mapping[str, Sequence[Sequence[int]]],
) -> list[Passed]:
    """What became of each probe.

    Args:
        probes: as the generator tells them, in the order of intended times.
        seen: by place, ``redis`` and ``kafka``.
        before: by partition the probes of earlier runs.
        noted: what the worker has noted.

    Raises:
        ValueError: a probe was not seen everywhere.
    """
    steps = [_by_partition(noted[what]) for what in ("fetches", "batches", "flushes")]
    sent = dict(before)
    found = []
    for probe in probes:
        partition, offset = probe["partition"], probe["offset"]
        sent[partition] = n = sent.get(partition, 0) + 1
        fetch, batch, flush = (
            step[partition].holding(offset) if partition in step else None for step in steps
        )
        in_redis, in_kafka = (seen[place].first(partition, n) for place in ("redis", "kafka"))
        if not (fetch and batch and flush and in_redis and in_kafka):
            raise ValueError(f"probe {n} of partition {partition} (offset {offset}) was not seen")
        inside = (probe["acknowledged_ns"], fetch[0], batch[0], *flush)
        found.append(Passed(probe["intended_ns"], (*inside, in_redis, in_kafka)))
    return found


def _by_partition(noted: Iterable[Sequence[int]]) -> dict[int, _Steps]:
    found: dict[int, list[Sequence[int]]] = defaultdict(list)
    for partition, *rest in noted:
        found[partition].append(rest)
    return {partition: _Steps(rest) for partition, rest in found.items()}


def percentile(values: Sequence[float], p: float) -> float:
    """The nearest-rank percentile: the smallest value that at least ``p`` % do not exceed.

    >>> percentile([15, 20, 35, 40, 50], 40)
    20
    """
    if not values or not 0 < p <= 100:
        raise ValueError("a percentile in (0, 100] of at least one value")
    # Rounded, as 99.9 / 100 * 1000 is a little more than 999.
    return sorted(values)[math.ceil(round(p / 100 * len(values), 9)) - 1]


def summary(values: Sequence[float]) -> dict[str, float]:
    """Percentiles by name, and the most."""
    found = {f"p{p:g}": percentile(values, p) for p in PERCENTILES}
    return {**found, "max": max(values)}


def stage_medians(probes: Sequence[Passed]) -> dict[str, float]:
    """The median time that each stage adds to the one before it, ms."""
    waits: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for probe in probes:
        since = probe.intended_ns
        for stage, at_ns in zip(STAGES, probe.at_ns, strict=True):
            waits[stage].append((at_ns - since) / 1e6)
            since = at_ns
    return {stage: statistics.median(values) for stage, values in waits.items()}


def grows(intended_ns: Sequence[int], latencies_ms: Sequence[float]) -> bool:
    """Whether latency rises over the second half of a run, as a backlog does, or is one already."""
    half = len(intended_ns) // 2
    at_s = [ns / 1e9 for ns in intended_ns[half:]]
    late_s = [ms / 1e3 for ms in latencies_ms[half:]]
    slope = statistics.linear_regression(at_s, late_s).slope
    return slope > GROWS or statistics.median(late_s) * 1e3 > _BACKLOG_MS


def tick_summary(ticks: Sequence[Sequence[int]], from_ns: int, to_ns: int) -> dict[str, float]:
    """The publisher's ticks that began in a time: how many, and their medians."""
    during = [tick for tick in ticks if from_ns <= tick[1] < to_ns]
    if not during:
        return {"ticks": 0}
    took: list[Any] = [(ended - began) / 1e6 for _, began, ended, *_ in during]
    return {
        "ticks": len(during),
        "tick_ms": statistics.median(took),
        "tick_p99_ms": percentile(took, 99),
        "readings": statistics.median(tick[0] for tick in during),
    }
