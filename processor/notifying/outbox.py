"""The outbox in Redis: changes of alerts, who was told of which, and what could not be told."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from redis.asyncio import Redis

from processor.alerting.silence import Silence
from processor.notifying.notification import AlertRow, Notification, Told
from processor.state.keys import Keys
from processor.state.replies import text
from processor.state.scripts import Script, source
from processor.state.silences import Silences
from schemas.alerts import Alert

log = logging.getLogger(__name__)

PAGE: Final = 200
"""Entries read at once."""

UNDELIVERED_LENGTH: Final = 1_000
"""Notifications kept that were given up, about."""

_ALERTS_KEPT: Final = 100
"""Alerts of a notification that was given up."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A notification that could not be told.

    Attributes:
        receiver: who was to be told.
        at_ms: when it was given up.
        reason: why.
        count: alerts in it.
        alerts: the first of them.
    """

    receiver: str
    at_ms: int
    reason: str
    count: int
    alerts: list[AlertRow]


class Outbox:
    """What the publisher has for receivers, and what is kept of them.

    Args:
        redis: a client with bounded time-outs of more than a wait; its owner closes it.
        keys: key names of the deployment.

    All methods raise `redis.exceptions.RedisError` where Redis is away or refuses.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._keep = Script(redis, source("told"))
        self._silences = Silences(redis, keys)

    async def last_id(self) -> str:
        """The id of the last entry, ``0-0`` where there is none."""
        entries: Any = await self._redis.xrevrange(self._keys.outbox, count=1)
        return text(entries[0][0]) if entries else "0-0"

    async def wait(self, after: str, wait_ms: int) -> bool:
        """Whether there is an entry behind one; waits for it for a while."""
        return bool(await self._redis.xread({self._keys.outbox: after}, count=1, block=wait_ms))

    async def read(self, after: str) -> list[tuple[str, AlertRow | None]]:
        """The next entries and their alerts, oldest first; at most `PAGE`.

        One that is no alert is logged, and ``None``.
        """
        entries: Any = await self._redis.xrange(self._keys.outbox, f"({after}", count=PAGE)
        return [
            (text(entry_id), _alert(fields.get(b"alert", b""), f"entry {text(entry_id)}"))
            for entry_id, fields in entries
        ]

    async def current(self) -> dict[str, AlertRow]:
        """All stored alerts, by fingerprint."""
        stored: Any = await self._redis.hgetall(self._keys.alerts)
        found: dict[str, AlertRow] = {}
        for name, value in stored.items():
            if (alert := _alert(value, f"the stored alert {text(name)!r}")) is not None:
                found[text(name)] = alert
        return found

    async def silences(self, now_ms: int) -> list[Silence]:
        """Those in force now; one that cannot be read mutes nothing."""
        return await self._silences.read(now_ms)

    # -- receivers ------------------------------------------------------------------------------

    async def cursor(self, receiver: str) -> str | None:
        """The entry up to which a receiver knows everything, ``None`` for a new one."""
        stored: Any = await self._redis.hget(self._keys.cursors, receiver)
        return None if stored is None else text(stored)

    async def told(self, receiver: str) -> dict[str, Told]:
        """What a receiver was told last, by fingerprint."""
        stored: Any = await self._redis.hgetall(self._keys.told(receiver))
        found: dict[str, Told] = {}
        for name, value in stored.items():
            try:
                row = json.loads(value)
                found[text(name)] = Told(row["entry_id"], row["at_ms"], row["alert"])
            except (ValueError, KeyError, TypeError) as error:
                log.warning("what %s was told of %r is forgotten: %r", receiver, name, error)
        return found

    async def keep(
        self, receiver: str, cursor: str, told: Mapping[str, Told | None] | None = None
    ) -> None:
        """Store how far a receiver is, and what it was told; ``None`` forgets an alert."""
        arguments = [receiver, cursor]
        for fingerprint, one in (told or {}).items():
            arguments += (fingerprint, "" if one is None else _json(_told_row(one)))
        await self._keep(keys=[self._keys.cursors, self._keys.told(receiver)], args=arguments)

    async def give_up(
        self, receiver: str, reason: str, notification: Notification, now_ms: int
    ) -> None:
        """Put a notification that could not be told where people can look at it."""
        alerts = notification.alerts
        await self._redis.xadd(
            self._keys.undelivered,
            {
                "receiver": receiver,
                "at": now_ms,
                "reason": reason,
                "count": len(alerts),
                "alerts": _json(alerts[:_ALERTS_KEPT]),
            },
            maxlen=UNDELIVERED_LENGTH,
            approximate=True,
        )

    async def given_up(self, most: int = UNDELIVERED_LENGTH) -> list[GivenUp]:
        """The last notifications that were given up, newest first."""
        entries: Any = await self._redis.xrevrange(self._keys.undelivered, count=most)
        found = (
            {text(name): text(value) for name, value in fields.items()} for _, fields in entries
        )
        return [
            GivenUp(
                receiver=fields["receiver"],
                at_ms=int(fields["at"]),
                reason=fields["reason"],
                count=int(fields["count"]),
                alerts=json.loads(fields["alerts"]),
            )
            for fields in found
        ]


def _alert(value: bytes, what: str) -> AlertRow | None:
    try:
        Alert.model_validate_json(value)
    except ValidationError:
        log.warning("%s is no alert, and nobody is told of it", what)
        return None
    row: AlertRow = json.loads(value)
    return row


def _told_row(told: Told) -> dict[str, Any]:
    return {"entry_id": told.entry_id, "at_ms": told.at_ms, "alert": told.alert}


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
