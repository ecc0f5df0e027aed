"""The publisher's stream of ticks, for readers that keep all readings in memory.

Load everything once, then follow from there. Each entry holds the readings that changed at one
tick; a tick at which none did leaves no entry. A reader that was away asks whether the entry it
knows is :meth:`still there <Updates.holds>`: if not, entries may have been trimmed meanwhile, or
Redis went back to an earlier state, and only loading afresh is right.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from processor.state.keys import Keys
from processor.state.live import Status, status_of
from processor.state.pipelines import read_at_once
from processor.state.replies import text

START: Final = "0-0"
"""The id before the first entry."""

_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Update:
    """One tick at which readings changed.

    Attributes:
        entry_id: its id in the stream.
        revision: the tick's number.
        readings: the readings that changed, as JSON-ready fields.
    """

    entry_id: str
    revision: int
    readings: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything at one instant.

    Attributes:
        readings: every reading, as JSON-ready fields.
        status: of the last tick, ``None`` before the first.
        entry_id: the stream's last entry then, `START` where it has none.
        revision: that entry's revision, 0 where there is none.
    """

    readings: tuple[Mapping[str, Any], ...]
    status: Status | None
    entry_id: str
    revision: int


class Updates:
    """Loads and follows what is published.

    Args:
        redis: a client with bounded time-outs of more than a wait; its owner closes it.
        keys: key names of the deployment.

    All methods raise `redis.exceptions.RedisError` where Redis is away or refuses.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def load(self) -> Loaded:
        """Read all there is, and the place to follow from."""
        keys = self._keys
        readings, status, last = await read_at_once(
            self._redis,
            keys.status,
            [
                ("HGETALL", keys.readings),
                ("HGETALL", keys.status),
                ("XREVRANGE", keys.updates, "+", "-", "COUNT", 1),
            ],
        )
        entry_id, revision = START, 0
        for found, fields in last:
            entry_id, revision = text(found), int(fields[b"revision"])
        return Loaded(
            tuple(map(json.loads, readings.values())), status_of(status), entry_id, revision
        )

    async def after(self, entry_id: str, *, wait_ms: int) -> list[Update]:
        """The updates behind an entry, oldest first; waits for one, and returns none after that."""
        streams: dict[Any, Any] = {self._keys.updates: entry_id}
        replies: Any = await self._redis.xread(streams, count=_AT_ONCE, block=wait_ms)
        if not replies:
            return []
        # By name, or as pairs of name and entries: that depends on the protocol's version.
        entries = next(iter(replies.values()))[0] if isinstance(replies, dict) else replies[0][1]
        return _updates(entries)

    async def before(self, entry_id: str, count: int) -> list[Update]:
        """The last updates before an entry, newest first, and that one."""
        entries: Any = await self._redis.xrevrange(self._keys.updates, entry_id, count=count)
        return _updates(entries)

    async def holds(self, entry_id: str, revision: int) -> bool:
        """Whether an entry is still in the stream, and the one that is meant."""
        found: Any = await self._redis.xrange(self._keys.updates, entry_id, entry_id)
        return any(int(fields[b"revision"]) == revision for _, fields in found)


def _updates(entries: Iterable[tuple[bytes, Mapping[bytes, bytes]]]) -> list[Update]:
    return [
        Update(text(found), int(fields[b"revision"]), tuple(json.loads(fields[b"readings"])))
        for found, fields in entries
    ]
