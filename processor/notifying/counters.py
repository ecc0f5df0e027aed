"""What a worker counts of its notifications, for Prometheus."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

OUTCOMES: Final = ("delivered", "retried", "given_up")
"""What can become of a try: ``given_up`` notifications are kept under ``undelivered``."""


class NotifyingCounters:
    """Counters of each receiver.

    Args:
        receivers: their names.
        registry: where they are; a registry of their own unless given.
    """

    def __init__(
        self, receivers: Iterable[str] = (), registry: CollectorRegistry | None = None
    ) -> None:
        registry = CollectorRegistry() if registry is None else registry
        self._notifications = Counter(
            "cxpulse_worker_notifications",
            "Tries to tell a receiver of alerts, by what became of them.",
            ("receiver", "outcome"),
            registry=registry,
        )
        self._waiting = Gauge(
            "cxpulse_worker_notifications_waiting",
            "Changes of alerts that a receiver is still to be told of, while this worker leads.",
            ("receiver",),
            registry=registry,
        )
        for receiver in receivers:
            self._waiting.labels(receiver)
            for outcome in OUTCOMES:
                self._notifications.labels(receiver, outcome)

    def tried(self, receiver: str, outcome: str) -> None:
        """A try is over: one of `OUTCOMES`."""
        self._notifications.labels(receiver, outcome).inc()

    def waits(self, receiver: str, changes: int) -> None:
        """So many changes wait."""
        self._waiting.labels(receiver).set(changes)
