"""The alerts as they are stored, for the API and the stream."""

import json
from typing import Any, Final

from pydantic_core import to_json
from redis.asyncio import Redis

from processor.state.keys import Keys
from processor.state.replies import text

_RECENT_MAX: Final = 200


class AlertBoard:
    """What is firing, and what was lately.

    Args:
        redis: a client with bounded time-outs; its owner closes it.
        keys: key names of the deployment.

    Attributes:
        shown: as the API tells it: ``firing``, ``recent`` and ``silences``.
        json: the same, encoded.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._stored: dict[str, str] = {}
        self._show([])

    @property
    def empty(self) -> bool:
        """Whether there are none."""
        return not self._stored

    async def read(self) -> bool:
        """Read them; whether they have changed.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        fields = await self._redis.hgetall(self._keys.alerts)
        stored = {text(fingerprint): text(value) for fingerprint, value in fields.items()}
        if stored == self._stored:
            return False
        self._show([json.loads(value) for value in stored.values()])
        self._stored = stored
        return True

    def _show(self, alerts: list[dict[str, Any]]) -> None:
        def since(alert: dict[str, Any]) -> str:
            return str(alert.get("since") or "")

        alerts = sorted(alerts, key=since, reverse=True)
        self.shown = {
            "firing": [a for a in alerts if a.get("state") == "firing"],
            "recent": [a for a in alerts if a.get("state") != "firing"][:_RECENT_MAX],
            "silences": [],
        }
        self.json = to_json(self.shown)
