"""Alerts, and what the publisher writes of them: state and outbox in one."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from pydantic import TypeAdapter
from redis.asyncio import Redis

from processor.notifying.counters import NotifyingCounters
from processor.notifying.dispatcher import Dispatcher
from processor.settings import AnyReceiver
from processor.state.cancelling import cancel_until_done
from processor.state.keys import Keys
from schemas.alerts import Alert
from schemas.timestamps import format_rfc3339

START_MS: Final = 1_772_000_000_000
MINUTE_MS: Final = 60_000

_RECEIVER: Final[TypeAdapter[AnyReceiver]] = TypeAdapter(AnyReceiver)


def now_ms() -> int:
    """The clock."""
    return time.time_ns() // 1_000_000


def alert(
    state: str = "firing",
    channel: str = "web",
    *,
    name: str = "NPS low",
    severity: str = "critical",
    began: int = 0,
    ended: int = 1,
    summary: str = "NPS is low",
) -> dict[str, Any]:
    """An alert of a channel.

    Args:
        state: where it is.
        channel: its segment.
        name: of its rule.
        severity: of its rule.
        began: minutes after `START_MS`.
        ended: minutes after it began.
        summary: its text.
    """
    starts_ms = START_MS + began * MINUTE_MS
    over = state in {"resolved", "inactive"}
    before = {
        "firing": "pending",
        "pending": "inactive",
        "resolved": "firing",
        "inactive": "pending",
    }
    at = format_rfc3339(starts_ms + (ended * MINUTE_MS if over else 0))
    row = {
        "fingerprint": hashlib.sha256(f"{name}|{channel}".encode()).hexdigest()[:16],
        "name": name,
        "state": state,
        "previous_state": before[state],
        "severity": severity,
        "metric": "nps",
        "window": "24h",
        "segment": {"channel": channel},
        "currency": None,
        "condition": "below 30",
        "labels": {
            "alertname": name,
            "severity": severity,
            "metric": "nps",
            "window": "24h",
            "channel": channel,
        },
        "annotations": {"summary": summary},
        "value": 12.5,
        "reading": None,
        "since": at,
        "starts_at": format_rfc3339(starts_ms),
        "ends_at": at if over else None,
        "recovering_since": None,
    }
    Alert.model_validate_json(json.dumps(row))
    return row


def receiver(kind: str, url: str, **settings: Any) -> AnyReceiver:
    """A receiver that may be on this machine, and has little patience."""
    defaults = {"name": "ops", "allow_private": True, "retry_after_s": 0.05, "retry_max_s": 0.2}
    if kind != "alertmanager":
        defaults |= {"group_wait_s": 0.05, "group_interval_s": 0.05}
    return _RECEIVER.validate_python({"type": kind, "url": url, **defaults, **settings})


class Outboxes:
    """Writes what a publisher writes."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self.redis = redis
        self.keys = keys

    async def change(self, *alerts: Mapping[str, Any]) -> None:
        """Alerts changed at one tick."""
        async with self.redis.pipeline(transaction=True) as pipe:
            for row in alerts:
                text = json.dumps(row)
                if row["state"] == "inactive":
                    pipe.hdel(self.keys.alerts, row["fingerprint"])
                else:
                    pipe.hset(self.keys.alerts, row["fingerprint"], text)
                pipe.xadd(self.keys.outbox, {"alert": text}, maxlen=10_000, approximate=True)
            await pipe.execute()

    async def silence(self, name: str, seconds: float, **fields: Any) -> None:
        """Silence what has the labels, or the rule, for some seconds."""
        until = format_rfc3339(now_ms() + int(seconds * 1000))
        row = {"id": name, "until": until, **fields}
        await self.redis.hset(self.keys.silences, name, json.dumps(row))

    async def undelivered(self) -> list[dict[str, str]]:
        """What was given up."""
        entries: Any = await self.redis.xrange(self.keys.undelivered)
        return [{k.decode(): v.decode() for k, v in fields.items()} for _, fields in entries]

    async def told(self, receiver: str = "ops") -> dict[str, str]:
        """Channel and state of what is kept of a receiver, from which the next leader goes on.

        What a receiver has taken is not yet here: who leads has to hear of it, and to store it.
        """
        stored: Any = await self.redis.hgetall(self.keys.told(receiver))
        alerts = [json.loads(value)["alert"] for value in stored.values()]
        return {one["segment"]["channel"]: one["state"] for one in alerts}

    @asynccontextmanager
    async def dispatching(
        self,
        *receivers: AnyReceiver,
        reconcile_s: float = 0.3,
        counters: NotifyingCounters | None = None,
        others: Any = (),
    ) -> AsyncIterator[Dispatcher]:
        """A dispatcher that leads."""
        dispatcher = Dispatcher(
            receivers,
            redis=self.redis,
            keys=self.keys,
            now_ms=now_ms,
            external_url="https://cx.example.org",
            counters=counters,
            others=others,
            reconcile_s=reconcile_s,
        )
        task = asyncio.create_task(dispatcher.run_forever(lambda: True, asyncio.sleep))
        try:
            yield dispatcher
        finally:
            await cancel_until_done([task])
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
