"""What a deployment needs for a rate of events: a model of few constants, all measured. Pure.

CPU seconds add: of each event, of each flush and what is in it, of each tick and what it publishes.
What is in a flush follows from how many events it has and how many counters those can touch. The
constants come from `benchmarks.scaling`; `docs/scaling.md` says what is assumed, and compares what
the model says with runs that it was not made from.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from processor.core.config import EngineConfig

PANES_MS: Final = tuple(tier.pane_ms for tier in EngineConfig().tiers)
"""The panes' lengths of the default windows."""

SCORES: Final = 11
"""Measures that an NPS answer may add to."""

USABLE: Final = 0.7
"""Of a core: the rest is for peaks, and for catching up after a restart."""

HORIZON_S: Final = EngineConfig().dedup_horizon_ms / 1000
HELD_S: Final = 1.5 * HORIZON_S
"""Ids are forgotten half a horizon at a time."""

IDS_MOST: Final = EngineConfig().dedup_max_ids


@dataclass(frozen=True)
class Costs:
    """CPU seconds.

    Attributes:
        event: of a worker, from the fetch to the counts.
        idle: of a worker that does nothing, in each second.
        flush: of a worker, for a flush: ``each``, ``events``, ``fields``.
        redis_flush: of Redis for the same.
        follow: of the publisher for reading a flush: ``each``, ``fields``.
        tick: of the publisher: ``each``, ``readings``.
        redis_tick: of Redis for the same.
        broker: of the broker, for an event that is consumed.
        id_bytes: memory of a worker for a remembered id; no CPU.
    """

    event: float
    idle: float
    flush: Mapping[str, float]
    redis_flush: Mapping[str, float]
    follow: Mapping[str, float]
    tick: Mapping[str, float]
    redis_tick: Mapping[str, float]
    broker: float
    id_bytes: float


@dataclass(frozen=True)
class Load:
    """What a deployment is given, and how it is set up.

    Attributes:
        events_s: events a second.
        partitions: of all topics together.
        values: how many series each set of segments has, the whole being one.
        windows: how many.
        metrics: that an event of a series changes.
        flush_interval_s: as configured.
        tick_s: as configured.
        time_s: seconds of event time in a second: more than 1 while a log is caught up on.
        horizon_s: of de-duplication.
    """

    events_s: float
    partitions: int = 4
    values: tuple[int, ...] = (1, 9, 4)
    windows: int = 6
    metrics: int = 1
    flush_interval_s: float = 0.2
    tick_s: float = 1.0
    time_s: float = 1.0
    horizon_s: float = HORIZON_S

    @property
    def flushes_s(self) -> float:
        """Flushes a second: of each partition in turn, where it has something to write."""
        return min(self.partitions / self.flush_interval_s, self.events_s)

    @property
    def fields(self) -> float:
        """Counters that a flush adds to."""
        return fields_of(
            self.events_s / self.flushes_s, self.flush_interval_s * self.time_s, self.values
        )

    @property
    def readings(self) -> float:
        """Readings that a tick changes."""
        events = self.events_s * self.tick_s
        return sum(touched(events, n) for n in self.values) * self.windows * self.metrics


def touched(events: float, cells: float) -> float:
    """How many of some cells so many events touch, if each is as likely as the others.

    >>> round(touched(1, 100), 2), round(touched(100, 100)), round(touched(10_000, 100))
    (1.0, 63, 100)
    """
    return cells * -math.expm1(events * math.log1p(-1 / cells)) if cells > 1 else min(events, 1.0)


def fields_of(events: float, span_s: float, values: Sequence[int]) -> float:
    """Counters that some events add to: in the panes of each tier, by series and score.

    Args:
        events: how many.
        span_s: the event time that they come from.
        values: series of each set of segments.
    """
    found = 0.0
    for pane_ms in PANES_MS:
        panes = 1 + span_s * 1000 / pane_ms
        found += panes * sum(touched(events / panes, n * SCORES) for n in values)
    return found


@dataclass(frozen=True)
class Need:
    """What a load takes.

    Attributes:
        workers: cores that counting takes, of all workers together, without publishing.
        publisher: of one core, what publishing takes of the worker that leads.
        redis_partitions: cores of Redis for the partitions' keys, which shards divide.
        redis_publisher: cores of Redis for the publisher's keys, which are of one shard.
        broker: cores of the brokers, for consuming.
        ids: remembered at a time.
        ids_bytes: memory of all workers for them.
        horizon_s: how far back repeats are noticed.
    """

    workers: float
    publisher: float
    redis_partitions: float
    redis_publisher: float
    broker: float
    ids: float
    ids_bytes: float
    horizon_s: float

    @property
    def processes(self) -> int:
        """Workers to start: what counting takes, and the leader's publishing."""
        return max(1, math.ceil((self.workers + self.publisher) / USABLE))

    @property
    def shards(self) -> int:
        """Redis nodes that hold partitions; one more holds the publisher's keys, if they ask it."""
        together = self.redis_partitions + self.redis_publisher
        if together <= USABLE:
            return 1
        return max(1, math.ceil(self.redis_partitions / USABLE)) + 1


def need(load: Load, costs: Costs) -> Need:
    """What a load takes."""
    flushes, fields, readings = load.flushes_s, load.fields, load.readings
    inside = {"each": 1.0, "events": load.events_s / flushes, "fields": fields}
    told = {"each": 1.0, "readings": readings}
    held_s = 1.5 * load.horizon_s
    ids = min(load.events_s * held_s, load.partitions * IDS_MOST)
    return Need(
        workers=load.events_s * costs.event + flushes * _sum(costs.flush, inside),
        publisher=_sum(costs.tick, told) / load.tick_s + flushes * _sum(costs.follow, inside),
        redis_partitions=flushes * _sum(costs.redis_flush, inside),
        redis_publisher=_sum(costs.redis_tick, told) / load.tick_s,
        broker=load.events_s * costs.broker,
        ids=ids,
        ids_bytes=ids * costs.id_bytes,
        horizon_s=min(load.horizon_s, ids / load.events_s / 1.5),
    )


def _sum(costs: Mapping[str, float], amounts: Mapping[str, float]) -> float:
    return sum((cost * amounts[name] for name, cost in costs.items()), 0.0)


@dataclass(frozen=True)
class Limit:
    """Something that ends first.

    Attributes:
        name: what.
        events_s: at how many events a second, everything else being as it was.
    """

    name: str
    events_s: float


_MOST: Final = 1e8

LIMITS: Final[Mapping[str, Callable[[Load, Need], bool]]] = {
    "repeats are noticed within less than the horizon": lambda load, n: (
        n.horizon_s < load.horizon_s * 0.999
    ),
    "one worker's core": lambda _, n: n.workers + n.publisher > USABLE,
    "one Redis": lambda _, n: n.redis_partitions + n.redis_publisher > USABLE,
    "the publisher's core": lambda _, n: n.publisher > USABLE,
    "a worker for each partition": lambda load, n: n.processes > load.partitions,
}
"""By name whether a load is more than it bears."""


def limits(load: Load, costs: Costs) -> list[Limit]:
    """What ends at which rate, the first first; what never does is left out."""
    found = []
    for name, is_over in LIMITS.items():

        def over(rate: float, is_over: Callable[[Load, Need], bool] = is_over) -> bool:
            at = replace(load, events_s=rate)
            return is_over(at, need(at, costs))

        if over(1.0):
            found.append(Limit(name, 0.0))
        elif over(_MOST):
            found.append(Limit(name, _first(over)))
    return sorted(found, key=lambda limit: limit.events_s)


def _first(over: Callable[[float], bool]) -> float:
    low, high = 1.0, _MOST
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if over(middle) else (middle, high)
    return low


# -- the constants, from what was measured ------------------------------------------------------


def fitted(points: Sequence[Mapping[str, float]], of: str, by: Sequence[str]) -> dict[str, float]:
    """The constants of a sum that is linear in some columns, none of them negative.

    Relative errors are made small, so that small flushes count as much as large ones.

    Returns:
        By column what one of it costs, and ``each`` for what is always there; seconds.
    """
    columns = ["each", *by]
    while True:
        matrix = np.array([[1.0 if c == "each" else p[c] for c in columns] for p in points])
        wanted = np.array([p[of] for p in points])
        solution, *_ = np.linalg.lstsq(matrix / wanted[:, None], np.ones(len(points)), rcond=None)
        lowest = int(np.argmin(solution))
        if solution[lowest] >= 0 or len(columns) == 1:
            break
        columns.pop(lowest)  # it is within the noise of the others
    found = dict.fromkeys(("each", *by), 0.0)
    return {**found, **{c: max(0.0, float(s)) for c, s in zip(columns, solution, strict=True)}}


@dataclass(frozen=True)
class Check:
    """Something that was measured, and what the model says of it.

    Attributes:
        what: with its unit.
        measured: in a run that gave no constant.
        predicted: by the model.
    """

    what: str
    measured: float
    predicted: float

    @property
    def ratio(self) -> float:
        """Predicted of measured."""
        return self.predicted / self.measured


@dataclass(frozen=True)
class Points:
    """Everything that was measured, as `benchmarks.scaling` and `benchmarks.latency` write it.

    Attributes:
        runs: of one worker and of more over a log.
        flushes: what they cost.
        follows: the same, of reading them.
        ticks: the same, of publishing.
        id_bytes: of a worker for a remembered id.
        levels: loads of `benchmarks.latency`.
    """

    runs: Sequence[Mapping[str, Any]]
    flushes: Sequence[Mapping[str, float]]
    follows: Sequence[Mapping[str, float]]
    ticks: Sequence[Mapping[str, float]]
    id_bytes: float
    levels: Sequence[Mapping[str, Any]] = field(default=())

    def of(self, workers: int) -> list[Mapping[str, Any]]:
        """The runs of so many workers."""
        return [run for run in self.runs if run["workers"] == workers]


def constants(points: Points) -> Costs:
    """The model's constants: from runs of one worker, and from flushes and ticks by themselves."""
    follows = [
        {**p, "fields": p["fields"] / p["flushes"], "follow_s": p["follow_s"] / p["flushes"]}
        for p in points.follows
    ]
    found = Costs(
        event=0.0,
        idle=_median([run["idle_cores"]["worker 1"] for run in points.of(1)]),
        flush=fitted(points.flushes, "client_s", ("events", "fields")),
        redis_flush=fitted(points.flushes, "redis_s", ("events", "fields")),
        follow=fitted(follows, "follow_s", ("fields",)),
        tick=fitted(points.ticks, "publisher_s", ("readings",)),
        redis_tick=fitted(points.ticks, "redis_s", ("readings",)),
        broker=_median([run["cpu_s"]["Kafka"] / run["events"] for run in points.of(1)]),
        id_bytes=points.id_bytes,
    )
    events = [(_workers_s(run) - _beside_s(run, found)) / run["events"] for run in points.of(1)]
    return replace(found, event=max(0.0, _median(events)))


def _workers_s(run: Mapping[str, Any]) -> float:
    return float(sum(s for name, s in run["cpu_s"].items() if name.startswith("worker")))


def _as_load(run: Mapping[str, Any]) -> Load:
    """A run over a log as a load: as fast as it was counted."""
    events_s = run["events"] / run["wall_s"]
    return Load(
        events_s=events_s,
        partitions=run["partitions"],
        values=tuple(run["values"]),
        flush_interval_s=run["partitions"] * run["wall_s"] / run["flushes"],
        tick_s=run["wall_s"] / max(1, run["ticks"]),
        time_s=events_s / run["time_rate"],
    )


def _beside_s(run: Mapping[str, Any], costs: Costs) -> float:
    """What workers spend on all but events, in a run: flushes, ticks, and being there."""
    load = _as_load(run)
    found = need(load, replace(costs, event=0.0))
    cores = found.workers + found.publisher + int(run["workers"]) * costs.idle
    return cores * float(run["wall_s"])


def checks(points: Points, costs: Costs) -> list[Check]:
    """What the model says of runs that gave no constant of it."""
    found = []
    for workers in sorted({run["workers"] for run in points.runs} - {1}):
        runs = points.of(workers)
        predicted = [_beside_s(r, costs) / r["events"] + costs.event for r in runs]
        measured = [_workers_s(r) / r["events"] for r in runs]
        found.append(_check(f"CPU of {workers} workers, µs an event", measured, predicted))
    for workers in sorted({run["workers"] for run in points.runs}):
        runs = points.of(workers)
        needs = [need(_as_load(r), costs) for r in runs]
        predicted = [
            (n.redis_partitions + n.redis_publisher) * r["wall_s"] / r["events"]
            for n, r in zip(needs, runs, strict=True)
        ]
        measured = [r["cpu_s"]["Redis"] / r["events"] for r in runs]
        what = f"CPU of Redis, workers: {workers}, µs an event"
        found.append(_check(what, measured, predicted))
    for row in points.levels:
        load = Load(
            events_s=row["rate"],
            partitions=row["partitions"],
            values=tuple(row["values"]),
            flush_interval_s=row["partitions"] * row["seconds"] / max(1, row["flushes"]),
            tick_s=row["seconds"] / max(1, row["ticks"]),
        )
        n = need(load, costs)
        name = f"live, {row['rate']:,.0f} events/s, {row['settings']}"
        worker = row["cpu_s"]["worker"] / row["seconds"]
        redis = row["cpu_s"]["Redis"] / row["seconds"]
        found += [
            Check(f"{name}: cores of the worker", worker, n.workers + n.publisher + costs.idle),
            Check(f"{name}: cores of Redis", redis, n.redis_partitions + n.redis_publisher),
        ]
    return found


def _check(what: str, measured: Sequence[float], predicted: Sequence[float]) -> Check:
    return Check(what, _median(measured) * 1e6, _median(predicted) * 1e6)


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))
