"""Publishes readings as the publisher does, without what computes them."""

import json
import time
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

from processor.state.keys import Keys
from schemas.readings import reading_key
from schemas.timestamps import format_rfc3339

Reading = dict[str, Any]


def reading(
    metric: str = "nps",
    value: float | None = 42.0,
    *,
    window: str = "24h",
    segment: Mapping[str, str] | None = None,
    **fields: Any,
) -> Reading:
    """A reading as it is published, all of whose fields are valid."""
    return {
        "metric": metric,
        "window": window,
        "segment": dict(segment or {}),
        "value": value,
        "unit": "points",
        "n": 0 if value is None else 100,
        "low": None if value is None else value - 5,
        "high": None if value is None else value + 5,
        "confidence": 0.95,
        "low_sample": False,
        "window_start": "2026-02-28T12:00:00Z",
        "window_end": "2026-03-01T12:00:00Z",
        "previous": None,
        "change": None,
        "significant": None,
        "provisional": False,
        "incomplete": False,
        "revision": 0,
        "as_of": "2026-03-01T12:00:00Z",
        **fields,
    }


class Publishing:
    """Writes ticks: status, readings and the stream's entry in one transaction."""

    def __init__(self, redis: Redis, keys: Keys, leader: str = "1:worker") -> None:
        self._redis = redis
        self._keys = keys
        self.leader = leader
        self.revision = 1000

    async def tick(self, *readings: Reading, age_s: float = 0.0, **status: Any) -> int:
        """Publish a tick: its revision."""
        self.revision += 1
        rows = [{**one, "revision": self.revision} for one in readings]
        now_ms = int((time.time() - age_s) * 1000)
        fields = {
            "revision": self.revision,
            "as_of": format_rfc3339(now_ms),
            "clock": now_ms,
            "published_at": now_ms,
            "open_sessions": 3,
            "leader": self.leader,
            "rebuilding": 0,
            "unclaimed": 0,
            **status,
        }
        pipeline: Any = self._redis.pipeline(transaction=True)
        pipeline.hset(self._keys.status, mapping=fields)
        encoded = [json.dumps(row, ensure_ascii=False) for row in rows]
        for row, text in zip(rows, encoded, strict=True):
            key = reading_key(row["metric"], row["window"], row["segment"], row.get("currency"))
            pipeline.hset(self._keys.readings, key, text)
        if rows:
            entry = {"revision": self.revision, "readings": f"[{','.join(encoded)}]"}
            pipeline.xadd(self._keys.updates, entry, maxlen=1000)
        await pipeline.execute()
        return self.revision
