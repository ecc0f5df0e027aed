"""The alerts for Prometheus: those that fire one by one, the rest as numbers.

Pure: it is given what the board shows.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric

from schemas.readings import segment_key

_LABELS = ("alertname", "severity", "metric", "window", "segment", "currency", "silenced")


def alert_families(shown: Mapping[str, Any], most: int) -> Iterator[Metric]:
    """Alerts as gauges.

    Args:
        shown: as `AlertBoard.shown` has them.
        most: series of firing alerts there are to be; the rest is counted.
    """
    firing = GaugeMetricFamily(
        "cxpulse_alert_firing", "1 for each alert that fires; else absent.", labels=_LABELS
    )
    exported = shown["firing"][:most]
    for alert in exported:
        firing.add_metric(
            (
                alert["name"],
                alert["severity"],
                alert["metric"],
                alert["window"] or "",
                segment_key(alert["segment"]),
                alert["currency"] or "",
                "no" if alert["silence"] is None else "yes",
            ),
            1,
        )
    yield firing
    totals = shown["totals"]
    alerts = GaugeMetricFamily("cxpulse_alerts", "Alerts by state.", labels=("state",))
    for name, state in (("firing", "firing"), ("pending", "pending"), ("recent", "resolved")):
        alerts.add_metric((state,), totals[name])
    yield alerts
    yield GaugeMetricFamily(
        "cxpulse_alerts_silenced", "Alerts that fire and are silenced.", value=totals["silenced"]
    )
    yield GaugeMetricFamily(
        "cxpulse_alerts_left_out",
        "Alerts that fire and that monitor.prometheus_series_max left out of this page.",
        value=totals["firing"] - len(exported),
    )
