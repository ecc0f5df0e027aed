"""How far a replay is, kept in Redis beside what its workers count.

One hash, and each reading one command: either a reading was taken with all that follows from it,
or it was not, and is taken again.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import Redis

from processor.rehearsal.errors import RehearsalError
from processor.rehearsal.standing import Says
from processor.replay.log import STDIN, read_log
from processor.state.keys import Keys
from processor.state.replies import text

_SKIP: Final = "skip:"
_SAID: Final = "said:"


def identity_of(paths: Sequence[str]) -> list[list[Any]]:
    """What tells whether logs are still the same: size, time of change and first line of each."""
    found: list[list[Any]] = []
    for path in paths:
        if path == STDIN:
            found.append([path])
            continue
        stat = os.stat(path)  # noqa: PTH116 - a path as it was named
        chunk = next(iter(read_log(path, lines_per_chunk=1)), None)
        first = b"" if chunk is None else chunk.lines[0]
        found.append([stat.st_size, stat.st_mtime_ns, hashlib.sha256(first).hexdigest()])
    return found


@dataclass(slots=True)
class Past:
    """What an interrupted replay has done.

    Attributes:
        number: of the last reading, 0 before the first.
        position: where the readings end in what they were written to.
        now_ms: what events were compared with; ``None`` for the clock.
        shift_to_ms: where the first event was moved to; ``None`` for nowhere.
        skips: by number of a reading how many were left out behind it, as nothing could change.
        said: what the last readings said, by key.
        is_done: it came to its end.
    """

    number: int = 0
    position: int = 0
    now_ms: int | None = None
    shift_to_ms: int | None = None
    skips: dict[int, int] = field(default_factory=dict)
    said: dict[str, Says] = field(default_factory=dict)
    is_done: bool = False


class Progress:
    """Stores and finds how far a replay is.

    Args:
        redis: a client with bounded time-outs.
        keys: key names of the replay.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._key = f"{keys.prefix}{{rehearsal}}:progress"

    async def begin(
        self, identity: str, *, now_ms: int | None, shift_to_ms: int | None
    ) -> Past | None:
        """Find what was done, or note that the replay begins.

        Args:
            identity: logs and options: what the readings follow from.
            now_ms: what events are compared with.
            shift_to_ms: where the first event is moved to.

        Returns:
            ``None`` where it begins.

        Raises:
            RehearsalError: another replay is under way under this prefix, or this one is done.
        """
        stored = {text(k): text(v) for k, v in (await self._redis.hgetall(self._key)).items()}
        if not stored:
            times = {"now": now_ms, "shift": shift_to_ms}
            begun: dict[Any, Any] = {"identity": identity}
            begun |= {name: ms for name, ms in times.items() if ms is not None}
            await self._redis.hset(self._key, mapping=begun)
            return None
        if stored["identity"] != identity:
            raise RehearsalError(
                "under this prefix another replay is under way: of other logs, of logs that have "
                "changed since, or with other options; choose another prefix"
            )
        if "done" in stored:
            raise RehearsalError("the replay under this prefix is done: choose another prefix")
        return Past(
            number=int(stored.get("number", 0)),
            position=int(stored.get("position", 0)),
            now_ms=int(stored["now"]) if "now" in stored else None,
            shift_to_ms=int(stored["shift"]) if "shift" in stored else None,
            skips={int(k.removeprefix(_SKIP)): int(n) for k, n in _named(stored, _SKIP)},
            said={k.removeprefix(_SAID): tuple(json.loads(n)) for k, n in _named(stored, _SAID)},
        )

    async def took(
        self, number: int, said: Mapping[str, Says], *, skip: int, position: int
    ) -> None:
        """Note that a reading was taken and written."""
        fields: dict[Any, Any] = {"number": number, "position": position}
        if skip:
            fields[f"{_SKIP}{number}"] = skip
        fields |= {f"{_SAID}{key}": json.dumps(says) for key, says in said.items()}
        await self._redis.hset(self._key, mapping=fields)

    async def end(self) -> None:
        """Note that the replay is done."""
        await self._redis.hset(self._key, "done", "1")


def _named(stored: Mapping[str, str], prefix: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in stored.items() if name.startswith(prefix)]
