"""Prometheus's Alertmanager, by its API version 2."""

import json
from itertools import islice
from typing import Any, Final

from processor.core.panes import parse_duration_ms
from processor.notifying.http import HttpClient
from processor.notifying.notification import RESOLVED, AlertRow, Notification
from processor.notifying.told_as import link, texts_of
from processor.settings import AlertmanagerReceiver
from schemas.timestamps import format_rfc3339, parse_rfc3339

LIVES: Final = 4
"""An alert that is not sent again for so many intervals is over for Alertmanager: a few lost
requests, or a new leader, end nothing."""

_AT_ONCE: Final = 200


class AlertmanagerSender:
    """Posts alerts to Alertmanager.

    Args:
        receiver: its settings.
        external_url: where the monitor's page is; empty where that is not known.
    """

    def __init__(self, receiver: AlertmanagerReceiver, external_url: str) -> None:
        self._external_url = external_url
        self._lives_ms = LIVES * parse_duration_ms(receiver.resend_every)
        self._client = HttpClient(receiver, "/api/v2/alerts")

    async def send(self, notification: Notification, now_ms: int) -> None:
        """Post its alerts, a few hundred at a time.

        Raises:
            DeliveryError: some were not taken; all are posted again, which does no harm.
        """
        alerts = iter(notification.alerts)
        while some := list(islice(alerts, _AT_ONCE)):
            rows = [self._alert(alert, now_ms) for alert in some]
            await self._client.post(json.dumps(rows, ensure_ascii=False).encode())

    async def close(self) -> None:
        """End the connections."""
        await self._client.close()

    def _alert(self, alert: AlertRow, now_ms: int) -> dict[str, Any]:
        starts_ms = parse_rfc3339(alert["starts_at"] or alert["since"])
        if alert["state"] == RESOLVED:
            # An end that is still to come would mean that it fires until then.
            ends_ms = max(starts_ms, min(parse_rfc3339(alert["ends_at"] or alert["since"]), now_ms))
        else:
            ends_ms = max(starts_ms, now_ms) + self._lives_ms
        posted = {
            "labels": dict(alert["labels"]),
            "annotations": texts_of(alert),
            "startsAt": format_rfc3339(starts_ms),
            "endsAt": format_rfc3339(ends_ms),
        }
        if page := link(self._external_url, alert):
            posted["generatorURL"] = page
        return posted
