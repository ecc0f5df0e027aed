"""What the monitor exports for Prometheus: readings and the processor's progress, as families.

Pure: it is given what was read. Names follow Prometheus's conventions:

- A reading is a gauge of its own metric, ``cxpulse_reading_<metric>_<unit>``; the ends of its
  interval are ``cxpulse_lower_bound_…`` and ``cxpulse_upper_bound_…``. Base units: a percentage is
  exported as a ratio (45 % is 0.45), durations are in seconds. A count has no unit.
- Its labels are ``window``, ``segment`` (the key of the segment, ``all`` for the whole),
  ``dimensions`` (their names, empty for the whole), one ``dim_<name>`` for each dimension, and
  ``currency`` for money.
- What nothing was observed of is absent: neither 0 nor NaN.

So ``cxpulse_reading_nps_points{window="24h", dimensions="channel"}`` are all channels, each with
its ``dim_channel``.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)

from processor.metrics.registry import Metric as CatalogueMetric
from processor.monitor.prometheus_series import Series
from processor.state.live import DEAD_LETTERS, Snapshot, Status
from schemas.events import EventType
from schemas.readings import Unit
from schemas.timestamps import parse_rfc3339

READING: Final = "cxpulse_reading"
LOWER_BOUND: Final = "cxpulse_lower_bound"
UPPER_BOUND: Final = "cxpulse_upper_bound"

_SUFFIX: Final = {
    Unit.POINTS: "_points",
    Unit.PERCENT: "_ratio",
    Unit.SCORE: "_score",
    Unit.SECONDS: "_seconds",
    Unit.MONEY: "_money",
    Unit.COUNT: "",
    Unit.RATIO: "_ratio",
}
_PER_CENT: Final = 0.01

OUTCOMES: Final = ("counted", "repeats", "conflicts", "rejected", "late_dropped", "missed")
"""What can become of an event; see the worker's counters of the same name."""

_FLAGS: Final = {
    "low_sample": "Whether a reading has fewer observations than the configured minimum.",
    "provisional": "Whether late events may still change a reading.",
    "incomplete": "Whether events of a reading's window may be missing.",
}


def reading_names(catalogue: Iterable[CatalogueMetric]) -> dict[str, str]:
    """The stem and unit that a metric's families are called by, by the metric's name.

    ``nps_points`` for ``nps``: behind `READING` and the bounds. No two are the same.
    """
    names: dict[str, str] = {}
    for metric in catalogue:
        name = metric.name + _SUFFIX[metric.unit]
        while name in names.values():  # a count may be named like another metric with its unit
            name += "_own"
        names[metric.name] = name
    return names


def reading_families(
    catalogue: Mapping[str, CatalogueMetric],
    rows: Mapping[str, Mapping[str, Any]],
    series: Sequence[Series],
    left_out: Mapping[str, int],
) -> Iterator[Metric]:
    """Readings as gauges.

    Args:
        catalogue: the metrics in use.
        rows: readings by key.
        series: which of them to export, sorted by metric.
        left_out: by metric how many series the limit left out.
    """
    names = reading_names(catalogue.values())
    observations = GaugeMetricFamily(
        "cxpulse_observations", "Observations behind a reading, its denominator."
    )
    ends = GaugeMetricFamily(
        "cxpulse_window_end_timestamp_seconds", "Event time at which a reading's window ends."
    )
    flags = {
        flag: GaugeMetricFamily(f"cxpulse_{flag}", documentation)
        for flag, documentation in _FLAGS.items()
    }
    by_metric: dict[str, list[Series]] = {}
    for one in series:
        if one.key in rows:
            by_metric.setdefault(one.metric, []).append(one)
    for name, exported in by_metric.items():
        metric = catalogue[name]
        yield from _values(metric, names[name], [(one, rows[one.key]) for one in exported])
        for one in exported:
            row, labels = rows[one.key], {"metric": name, **one.labels}
            _add(observations, labels, row["n"])
            _add(ends, labels, parse_rfc3339(row["window_end"]) / 1000)
            for flag, family in flags.items():
                _add(family, labels, float(row[flag]))
    yield from (observations, ends, *flags.values())
    excess = GaugeMetricFamily(
        "cxpulse_series_left_out",
        "Series of a metric that monitor.prometheus_series_max left out of this page.",
        labels=("metric",),
    )
    for name in catalogue:
        excess.add_metric((name,), left_out.get(name, 0))
    yield excess


def _values(
    metric: CatalogueMetric, name: str, readings: Collection[tuple[Series, Mapping[str, Any]]]
) -> Iterator[Metric]:
    scale = _PER_CENT if metric.unit is Unit.PERCENT else 1
    families = {"value": (READING, metric.summary + ".")}
    if metric.interval is not None:
        families["low"] = (LOWER_BOUND, f"Lower end of the 0.95 interval of {metric.name}.")
        families["high"] = (UPPER_BOUND, f"Upper end of the 0.95 interval of {metric.name}.")
    for field, (prefix, documentation) in families.items():
        family = GaugeMetricFamily(f"{prefix}_{name}", documentation)
        for one, row in readings:
            value = row[field]
            if value is not None:
                # Rounded to what is published: 9 of 10 is 0.9, and not 0.9000000000000001.
                _add(family, one.labels, value if scale == 1 else round(value * scale, 12))
        yield family


def _add(family: Metric, labels: Mapping[str, str], value: float) -> None:
    family.add_sample(family.name, dict(labels), value)


def progress_families(
    snapshot: Snapshot, topics: Mapping[str, EventType], now_ms: int
) -> Iterator[Metric]:
    """How far the processor is.

    Args:
        snapshot: what was read.
        topics: event type by topic, of the types that are consumed.
        now_ms: wall clock in milliseconds.
    """
    yield from _events(snapshot, topics)
    partitions = [p for p in snapshot.partitions if p.topic in topics]
    where = ("topic", "partition")
    lag = GaugeMetricFamily(
        "cxpulse_lag_records", "Records behind the log's end at the last flush.", labels=where
    )
    offset = GaugeMetricFamily(
        "cxpulse_next_offset", "The next offset that a partition counts.", labels=where
    )
    behind = GaugeMetricFamily(
        "cxpulse_partition_watermark_lag_seconds",
        "How far a partition's event-time watermark is behind the clock.",
        labels=where,
    )
    for partition in partitions:
        labels = (partition.topic, str(partition.partition))
        lag.add_metric(labels, partition.lag)
        offset.add_metric(labels, partition.offset)
        if partition.watermark_ms:
            behind.add_metric(labels, (now_ms - partition.watermark_ms) / 1000)
    yield from (lag, offset, behind)
    if snapshot.status is not None:
        yield from _publisher(snapshot.status, now_ms)


def _events(snapshot: Snapshot, topics: Mapping[str, EventType]) -> Iterator[Metric]:
    events = CounterMetricFamily(
        "cxpulse_events",
        "Events by what became of them, since the state in Redis began.",
        labels=("type", "outcome"),
    )
    letters = CounterMetricFamily(
        "cxpulse_dead_letters",
        "Events that went to a dead-letter topic, since the state in Redis began.",
        labels=("type",),
    )
    for topic, event_type in topics.items():
        stats = [p.stats for p in snapshot.partitions if p.topic == topic]
        totals = {name: sum(s.get(name, 0) for s in stats) for name in OUTCOMES}
        for outcome, count in totals.items():
            events.add_metric((event_type.value, outcome), count)
        letters.add_metric((event_type.value,), sum(totals[name] for name in DEAD_LETTERS))
    yield from (events, letters)


def _publisher(status: Status, now_ms: int) -> Iterator[Metric]:
    epoch, _, holder = status.leader.partition(":")
    if not epoch.isdecimal():  # not named as a lease names its holder
        epoch, holder = "", status.leader
    yield InfoMetricFamily("cxpulse_publisher", "Which worker publishes.", {"holder": holder})
    gauges: dict[str, tuple[str, float]] = {
        "cxpulse_publisher_revision": ("Number of the last tick.", status.revision),
        "cxpulse_published_timestamp_seconds": (
            "When the last tick was published.",
            status.published_at_ms / 1000,
        ),
        "cxpulse_readings_age_seconds": (
            "Since the last tick was published.",
            (now_ms - status.published_at_ms) / 1000,
        ),
        "cxpulse_open_sessions": ("Sessions that are not closed.", status.open_sessions),
        "cxpulse_rebuilding_partitions": (
            "Partitions whose lost counts are being made again.",
            status.rebuilding,
        ),
        "cxpulse_unclaimed_partitions": (
            "Partitions that no worker has stored anything of yet.",
            status.unclaimed,
        ),
    }
    if epoch:
        gauges["cxpulse_publisher_epoch"] = (
            "Number of the publisher's lease: +1 a takeover.",
            int(epoch),
        )
    if watermark_ms := parse_rfc3339(status.as_of):
        gauges["cxpulse_watermark_timestamp_seconds"] = (
            "The event-time watermark behind the readings.",
            watermark_ms / 1000,
        )
        gauges["cxpulse_watermark_lag_seconds"] = (
            "How far the readings' event-time watermark is behind the clock.",
            (now_ms - watermark_ms) / 1000,
        )
    for name, (documentation, value) in gauges.items():
        yield GaugeMetricFamily(name, documentation, value=value)
