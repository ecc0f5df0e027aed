"""What a worker counts of its own work, for Prometheus: by batch, flush and tick, never by record.

Each worker has a registry of its own, so two in one process do not add up. The event loop counts
here, and the threads of the health server read: prometheus_client locks each number.

A reader of PromQL sees the rise of a counter only once it knows the counter: those of known event
types and outcomes are there from the start, as zero.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from schemas.events import EventType

OUTCOMES: Final = ("counted", "repeats", "conflicts", "rejected", "late_dropped", "missed")
"""What can become of an event. ``conflicts`` are among the repeats, ``missed`` never arrived."""

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RECORDS: Final = (1, 10, 50, 100, 500, 1_000, 2_500, 5_000, 10_000, 25_000)
_READINGS: Final = (0, 1, 10, 50, 100, 500, 1_000, 5_000, 10_000, 50_000)


class WorkerCounters:
    """Counters and histograms of one worker process.

    Args:
        types: the event types that it consumes.

    Attributes:
        registry: where they all are.
    """

    def __init__(self, types: Iterable[EventType] = tuple(EventType)) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._events = Counter(
            "cxpulse_worker_events",
            "Events by what became of them, once that is stored in Redis.",
            ("type", "outcome"),
            registry=registry,
        )
        self._dead_letters = Counter(
            "cxpulse_worker_dead_letters",
            "Records acknowledged by a dead-letter topic, by the reason in their header.",
            ("type", "code"),
            registry=registry,
        )
        self._batches = Histogram(
            "cxpulse_worker_batch_records",
            "Records of a batch that was folded: as many as one fetch brought of a partition.",
            ("type",),
            buckets=_RECORDS,
            registry=registry,
        )
        self._stale = Counter(
            "cxpulse_worker_stale_batches",
            "Batches dropped, as they were fetched before a rebalance or a rewind.",
            registry=registry,
        )
        self._flushes = Histogram(
            "cxpulse_worker_flush_seconds",
            "From the start of a partition's flush until it is stored, with dead letters and tries "
            "that failed.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._ticks = Histogram(
            "cxpulse_worker_publish_seconds",
            "From the start of a tick until its readings are in Redis and Kafka, while this worker "
            "leads.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._readings = Histogram(
            "cxpulse_worker_published_readings",
            "Readings that one tick changed, while this worker leads.",
            buckets=_READINGS,
            registry=registry,
        )
        self._leads = Gauge(
            "cxpulse_worker_leads",
            "Whether this worker publishes the readings of all; one does.",
            registry=registry,
        )
        self._errors = Counter(
            "cxpulse_worker_errors",
            "Answers that did not come or were refusals, by who was asked and the error's class.",
            ("server", "kind"),
            registry=registry,
        )
        self._claims = Counter(
            "cxpulse_worker_rebalances",
            "Times that assigned partitions were claimed: after a rebalance, or again.",
            registry=registry,
        )
        self._lost = Counter(
            "cxpulse_worker_partitions_lost",
            "Partitions given up because another worker claimed them or Redis was set back.",
            registry=registry,
        )
        for event_type in types:
            for outcome in OUTCOMES:
                self._events.labels(event_type.value, outcome)
            self._batches.labels(event_type.value)

    def folded(self, event_type: EventType, records: int) -> None:
        """A batch was folded."""
        self._batches.labels(event_type.value).observe(records)

    def stale(self) -> None:
        """A batch was dropped: it is fetched again."""
        self._stale.inc()

    def flushed(
        self, event_type: EventType, stats: Mapping[str, int], codes: Iterable[str], seconds: float
    ) -> None:
        """A flush was stored.

        Args:
            event_type: of its partition.
            stats: events by outcome, as stored.
            codes: the reason of each dead letter.
            seconds: how long it took.
        """
        self._flushes.observe(seconds)
        for outcome, count in stats.items():
            if outcome in OUTCOMES and count:
                self._events.labels(event_type.value, outcome).inc(count)
        for code in codes:
            self._dead_letters.labels(event_type.value, code).inc()

    def ticked(self, readings: int | None, seconds: float) -> None:
        """A tick is over.

        Args:
            readings: how many it published, ``None`` where another worker leads.
            seconds: how long it took.
        """
        self._leads.set(readings is not None)
        if readings is not None:
            self._ticks.observe(seconds)
            self._readings.observe(readings)

    def failed(self, server: str, error: BaseException) -> None:
        """A server did not answer, or refused.

        Args:
            server: ``redis``, ``kafka`` or ``dead_letters``.
            error: what was raised; its class alone is kept, so there are few of them.
        """
        self._errors.labels(server, type(error).__name__).inc()

    def claimed(self) -> None:
        """All assigned partitions were claimed."""
        self._claims.inc()

    def lost(self) -> None:
        """A partition went to another worker, or its store went back."""
        self._lost.inc()
