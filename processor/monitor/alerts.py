"""The alerts and silences as they are stored, for the API, the stream and Prometheus."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from redis.asyncio import Redis

from processor.alerting.signals import SIGNALS
from processor.alerting.silence import Silence, silenced_by
from processor.metrics.registry import Metric
from processor.monitor.rows import encode
from processor.monitor.status import now_ms
from processor.monitor.titles import title_of
from processor.state.keys import Keys
from processor.state.replies import text
from processor.state.silences import Silences
from schemas.alerts import Alert
from schemas.readings import Unit

log = logging.getLogger(__name__)

MOST: Final = 200
"""Alerts that are told of each state; the totals count the others, too."""

_STATES: Final = {"firing": "firing", "pending": "pending", "recent": "resolved"}


class AlertBoard:
    """What is firing, what is about to, and what was lately.

    Args:
        redis: a client with bounded time-outs; its owner closes it.
        keys: key names of the deployment.
        catalogue: the metrics in use, by name.

    Attributes:
        shown: as the API tells it: ``firing``, ``pending`` and ``recent`` with the latest first,
            ``silences``, and ``totals``.
        json: the same, encoded.
    """

    def __init__(self, redis: Redis, keys: Keys, catalogue: Mapping[str, Metric]) -> None:
        self._redis = redis
        self._key = keys.alerts
        self._catalogue = catalogue
        self._silences = Silences(redis, keys)
        self._stored: dict[str, str] = {}
        self._alerts: list[dict[str, Any]] = []
        self._muting: list[Silence] = []
        self._unreadable: set[str] = set()
        self.shown: dict[str, Any] = {}
        self.json = b""
        self._show(now_ms())

    async def read(self) -> bool:
        """Read them; whether they have changed.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        fields: Any = await self._redis.hgetall(self._key)
        stored = {text(fingerprint): text(value) for fingerprint, value in fields.items()}
        at_ms = now_ms()
        # Those that have expired are not among them: a silence's end is a change as well.
        muting = await self._silences.read(at_ms)
        if stored == self._stored and muting == self._muting:
            return False
        if stored != self._stored:
            found = (self._alert(*item) for item in stored.items())
            self._alerts = [alert for alert in found if alert is not None]
            self._alerts.sort(key=lambda alert: str(alert["since"]), reverse=True)
        self._stored, self._muting = stored, muting
        self._show(at_ms)
        return True

    def _show(self, at_ms: int) -> None:
        by_state = {
            name: [
                alert | {"silence": _told(silenced_by(alert, self._muting, at_ms))}
                for alert in self._alerts
                if alert["state"] == state
            ]
            for name, state in _STATES.items()
        }
        totals = {name: len(alerts) for name, alerts in by_state.items()}
        totals["silenced"] = sum(alert["silence"] is not None for alert in by_state["firing"])
        # The loud ones first where there are too many, else in the order of time.
        by_state["firing"].sort(key=lambda alert: alert["silence"] is not None)
        self.shown = {
            **{name: alerts[:MOST] for name, alerts in by_state.items()},
            "silences": [_told(silence) for silence in self._muting],
            "totals": totals,
        }
        self.json = encode(self.shown)

    def _alert(self, fingerprint: str, value: str) -> dict[str, Any] | None:
        """An alert with the title and unit of what it is about; ``None`` where it is not one."""
        try:
            alert = Alert.model_validate_json(value)
        except ValidationError as error:
            if fingerprint not in self._unreadable:
                self._unreadable.add(fingerprint)
                wrong = error.errors(include_url=False, include_input=False)[0]
                where = ".".join(map(str, wrong["loc"]))
                log.warning("the alert %r is not shown: %s: %s", fingerprint, where, wrong["msg"])
            return None
        self._unreadable.discard(fingerprint)
        title, unit = self._about(alert.metric)
        return {**alert.model_dump(mode="json"), "title": title, "unit": unit}

    def _about(self, metric: str) -> tuple[str, Unit | None]:
        if (known := self._catalogue.get(metric)) is not None:
            return title_of(known.summary), known.unit
        if (signal := SIGNALS.get(metric)) is not None:
            return signal.summary.rstrip("."), signal.unit
        return metric, None  # of a rule for a metric that is no longer configured


def _told(silence: Silence | None) -> dict[str, Any] | None:
    return None if silence is None else silence.model_dump(mode="json")
