"""Silences in Redis: who is told nothing of which alerts, and until when.

A hash of id → JSON. What has expired is removed by whoever reads it next.
"""

import logging
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ReadOnlyError

from processor.alerting.silence import Silence
from processor.state.keys import Keys
from processor.state.replies import text
from schemas.timestamps import to_ms

log = logging.getLogger(__name__)

_ID_BYTES: Final = 4


class Silences:
    """The silences of a deployment.

    Args:
        redis: a client with bounded time-outs; its owner closes it.
        keys: key names of the deployment.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._key = keys.silences
        self._unreadable: set[str] = set()

    async def read(self, now_ms: int) -> list[Silence]:
        """Those in force, the one that ends first in front; expired ones are removed.

        One that cannot be read mutes nothing. It is logged once, and left where it is.

        Args:
            now_ms: the clock.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses to be read.
        """
        stored: Any = await self._redis.hgetall(self._key)
        silences: list[Silence] = []
        expired: list[str] = []
        for field, value in stored.items():
            silence = self._silence(text(field), text(value))
            if silence is None:
                continue
            if now_ms < to_ms(silence.until):
                silences.append(silence)
            else:
                expired.append(silence.id)
        if expired:
            await self._forget(expired)
        return sorted(silences, key=lambda one: (one.until, one.id))

    async def add(
        self,
        *,
        until: datetime,
        rule: str | None = None,
        labels: Mapping[str, str] | None = None,
        comment: str = "",
        created_by: str = "",
    ) -> Silence:
        """Store a silence under an id of its own.

        Args:
            until: when it expires, by the clock.
            rule: the name of a rule; any where ``None``.
            labels: labels that an alert must have.
            comment: why, for others.
            created_by: who, for others.

        Raises:
            pydantic.ValidationError: a text is too long.
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        while True:
            silence = Silence(
                id=secrets.token_hex(_ID_BYTES),
                rule=rule,
                labels=dict(labels or {}),
                until=until,
                comment=comment,
                created_by=created_by,
            )
            stored: Any = await self._redis.hsetnx(self._key, silence.id, silence.model_dump_json())
            if stored:  # else another has this id
                return silence

    async def remove(self, silence_id: str) -> bool:
        """End a silence before its time; whether there was one.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses.
        """
        removed: Any = await self._redis.hdel(self._key, silence_id)
        return bool(removed)

    def _silence(self, silence_id: str, value: str) -> Silence | None:
        try:
            silence = Silence.model_validate_json(value)
        except ValidationError as error:
            if silence_id not in self._unreadable:
                self._unreadable.add(silence_id)
                wrong = "; ".join(
                    f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
                    for problem in error.errors(include_url=False, include_input=False)
                )
                log.warning("silence %r cannot be read and mutes nothing: %s", silence_id, wrong)
            return None
        # The hash's field is what removes it.
        return silence.model_copy(update={"id": silence_id})

    async def _forget(self, expired: list[str]) -> None:
        try:
            await self._redis.hdel(self._key, *expired)
        except (NoPermissionError, ReadOnlyError):
            # They mute nothing any more: who may only read leaves them to the next one who may.
            log.debug("expired silences are left to others: %s", expired)
