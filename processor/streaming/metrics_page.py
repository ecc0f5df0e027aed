"""``/metrics`` of a worker: its counters, and what its event loop shows, for Prometheus.

Everything is read in a thread of the health server from what is there anyway: the last snapshot and
the counters. So it is answered while the event loop hangs, and tells that it does.
"""

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from processor.streaming.counters import WorkerCounters
from processor.streaming.health import Health
from processor.streaming.health_server import Page
from processor.streaming.progress import PartitionProgress, Snapshot

_PARTITION: Final = ("topic", "partition")


def metrics_route(health: Health, counters: WorkerCounters) -> dict[str, Callable[[], Page]]:
    """``/metrics`` in the text format that every Prometheus reads."""
    collector = HealthCollector(health)

    def page() -> Page:
        shown = CollectorRegistry()
        shown.register(collector)
        body = generate_latest(counters.registry) + generate_latest(shown)
        return Page(HTTPStatus.OK, CONTENT_TYPE_PLAIN_0_0_4, body)

    return {"/metrics": page}


class HealthCollector:
    """What a worker shows of itself, as gauges.

    Args:
        health: where it is shown.
    """

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """The families, made anew."""
        live, ready = self._health.live(), self._health.ready()
        yield InfoMetricFamily(
            "cxpulse_worker_build", "The version that runs.", {"version": version("cxpulse")}
        )
        yield _gauge("cxpulse_worker_live", "Whether the process works.", live.ok)
        yield _gauge("cxpulse_worker_ready", "Whether it counts what arrives.", ready.ok)
        checks = GaugeMetricFamily(
            "cxpulse_worker_check",
            "Whether one thing that readiness depends on is as it should be.",
            labels=("check",),
        )
        for check in ready.checks:
            checks.add_metric((check.name,), check.ok)
        yield checks
        yield _gauge(
            "cxpulse_worker_event_loop_age_seconds",
            "Since the event loop last ran.",
            self._health.beat_age_s,
        )
        snapshot = self._health.snapshot
        if snapshot is not None:
            yield from _of_snapshot(snapshot)


def _of_snapshot(snapshot: Snapshot) -> Iterator[Metric]:
    counted = [p for p in snapshot.partitions if not p.lost]
    partitions = GaugeMetricFamily(
        "cxpulse_worker_partitions", "Partitions by their state here.", labels=("state",)
    )
    partitions.add_metric(("claimed",), len(counted))
    partitions.add_metric(("lost",), len(snapshot.partitions) - len(counted))
    partitions.add_metric(("unclaimed",), len(snapshot.unclaimed))
    yield partitions
    yield _gauge(
        "cxpulse_worker_rebalancing", "Whether partitions are being assigned.", snapshot.settling
    )
    yield _gauge(
        "cxpulse_worker_waiting_writes",
        "Writes and claims that wait for an answer for long, or were refused.",
        len(snapshot.attempts),
    )
    yield _gauge(
        "cxpulse_worker_open_sessions",
        "Sessions that are not closed, in the partitions counted here.",
        sum(p.open_sessions for p in counted),
    )
    yield _by_partition(
        "cxpulse_worker_lag_records",
        "Records of the log that are not stored yet.",
        ((p, p.lag) for p in counted),
    )
    yield _by_partition(
        "cxpulse_worker_unstored_records",
        "Records that are fetched and not stored yet: in a queue, counted, or in a flush.",
        ((p, max(0, p.fetched - (p.stored or 0))) for p in counted),
    )


def _by_partition(
    name: str, documentation: str, values: Iterable[tuple[PartitionProgress, int]]
) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=_PARTITION)
    for partition, value in values:
        family.add_metric((partition.topic, str(partition.partition)), value)
    return family


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=float(value))
