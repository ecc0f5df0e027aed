"""Webhooks: Alertmanager's JSON, version 4, signed."""

import json
from typing import Any

from processor.notifying.http import HttpClient
from processor.notifying.notification import Notification
from processor.notifying.signing import HEADER, sign
from processor.notifying.told_as import common, group_key, webhook_alert
from processor.settings import WebhookReceiver

_VERSION = "4"


class WebhookSender:
    """Sends notifications to a webhook.

    Args:
        receiver: its settings.
        external_url: where the monitor's page is; empty where that is not known.
    """

    def __init__(self, receiver: WebhookReceiver, external_url: str) -> None:
        self._receiver = receiver
        self._external_url = external_url
        self._client = HttpClient(receiver)

    async def send(self, notification: Notification, now_ms: int) -> None:
        """Send it once, signed with the time of this try.

        Raises:
            DeliveryError: it was not taken.
        """
        message = webhook_message(self._receiver.name, notification, self._external_url)
        body = json.dumps(message, ensure_ascii=False).encode()
        headers = {}
        if self._receiver.secret is not None:
            secret = self._receiver.secret.get_secret_value().encode()
            headers[HEADER] = sign(secret, body, now_ms // 1000)
        await self._client.post(body, headers)

    async def close(self) -> None:
        """End the connections."""
        await self._client.close()


def webhook_message(receiver: str, notification: Notification, external_url: str) -> dict[str, Any]:
    """A notification as Alertmanager's webhooks have it."""
    alerts = [webhook_alert(alert, external_url) for alert in notification.alerts]
    return {
        "version": _VERSION,
        "groupKey": group_key(receiver, notification.group),
        "truncatedAlerts": notification.left_out,
        "status": notification.status,
        "receiver": receiver,
        "groupLabels": dict(notification.group),
        "commonLabels": common([one["labels"] for one in alerts]),
        "commonAnnotations": common([one["annotations"] for one in alerts]),
        "externalURL": external_url,
        "alerts": alerts,
    }
