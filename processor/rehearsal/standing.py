"""What the workers have stored, and the readings that it gives at a time."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from faust.types import TP
from redis.asyncio import Redis

from processor.core.config import EngineConfig
from processor.core.totals import RollingTotals
from processor.metrics.present import Presenter, Row
from processor.metrics.registry import Metric
from processor.rehearsal.errors import RehearsalError
from processor.state.keys import Keys
from processor.state.pipelines import read_each
from processor.state.reader import StateReader

Says = tuple[Any, ...]
"""What a reading said that makes the next one new or not."""

_FIRST_PAUSE_S: Final = 0.002
_LONGEST_PAUSE_S: Final = 0.05
STALLED_AFTER_S: Final = 120.0
"""So long nothing moves before it is said that nobody counts: rebalances take less."""


class _Presenter(Presenter):
    """A presenter whose memory can be stored and taken back."""

    def says(self, key: str) -> Says:
        """What the last reading of a key said."""
        return self._said[key]

    def remember(self, said: Mapping[str, Says]) -> None:
        """Go on behind readings that were taken already."""
        self.take_over(said)
        self._said.update(said)


class Standing:
    """Waits for workers, and takes readings of what they have stored.

    Args:
        redis: a client with bounded time-outs.
        keys: key names of the replay.
        topics: of all event types.
        session_topic: the one of sessions.
        config: the engine's configuration.
        metrics: the catalogue in use.
        low_sample_under: fewer observations than this are flagged.
        check: raises where it is in vain to wait.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        topics: tuple[str, ...],
        session_topic: str,
        config: EngineConfig,
        metrics: Mapping[str, Metric],
        low_sample_under: int,
        check: Callable[[], None],
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._topics = topics
        self._session_topic = session_topic
        self._config = config
        self._metrics = metrics
        self._low_sample_under = low_sample_under
        self._check = check
        self._open: dict[TP, int] = {}
        self._begin({})

    @property
    def with_open_sessions(self) -> set[TP]:
        """Partitions in which sessions were open when they were last waited for."""
        return {tp for tp, count in self._open.items() if count}

    @property
    def is_empty(self) -> bool:
        """Whether time alone cannot change any reading: all windows and sessions are empty."""
        totals = self._totals
        return (
            not self.with_open_sessions
            and not totals.samples.pane_count
            and all(window.is_empty for window in totals.totals)
        )

    def remember(self, said: Mapping[str, Says]) -> None:
        """Go on behind readings that were taken already."""
        self._presenter.remember(said)

    def said(self, rows: Mapping[str, Row]) -> dict[str, Says]:
        """What to remember of readings that were just taken."""
        return {key: self._presenter.says(key) for key in rows}

    async def learn_sessions(self, partitions: int) -> None:
        """Look where sessions are open: before an interrupted replay goes on."""
        for number in range(partitions):
            tp = TP(self._session_topic, number)
            count = await self._redis.hget(self._keys.partition(*tp).meta, "open_sessions")
            self._open[tp] = int(count or 0)

    async def reached(self, targets: Mapping[TP, int]) -> None:
        """Return when the partitions are stored up to these offsets.

        Raises:
            RehearsalError: nothing moves.
            redis.exceptions.RedisError: Redis is away.
        """
        waiting = dict(targets)
        pause_s, moved_at, seen = _FIRST_PAUSE_S, time.monotonic(), None
        while True:
            tps = list(waiting)
            replies = await read_each(
                self._redis,
                [
                    ("HMGET", self._keys.partition(*tp).meta, "offset", "open_sessions")
                    for tp in tps
                ],
            )
            for tp, (offset, open_sessions) in zip(tps, replies, strict=True):
                if int(offset or 0) >= waiting[tp]:
                    del waiting[tp]
                    if tp.topic == self._session_topic:
                        self._open[tp] = int(open_sessions or 0)
            if not waiting:
                return
            self._check()
            if replies != seen:
                seen, moved_at = replies, time.monotonic()
            elif time.monotonic() - moved_at > STALLED_AFTER_S:
                names = ", ".join(f"{tp.topic}-{tp.partition}" for tp in sorted(waiting))
                raise RehearsalError(
                    f"no worker has counted {names} for {STALLED_AFTER_S:.0f} s: start one that "
                    "replays under this prefix (worker.replay), or let the replay start its own"
                )
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def changed(self, time_ms: int, revision: int) -> dict[str, Row]:
        """Readings at a time that say something new since the last call, by key in order."""
        await self._follow()
        self._totals.advance(time_ms)
        return dict(sorted(self._presenter.changed(time_ms, revision).items()))

    async def final(self, revision: int) -> dict[str, Row]:
        """Every reading at the end of the log, by key in order; none without any event."""
        await self._follow()
        clock_ms = self._reader.clock_ms
        if not clock_ms:
            return {}
        self._totals.advance(clock_ms)
        rows = self._presenter.everything(clock_ms, revision)
        for row in rows.values():
            row["provisional"] = False  # nothing is to come any more
        return rows

    async def _follow(self) -> None:
        if not await self._reader.follow(self._totals):
            # So many flushes since the last reading that Redis has not kept them all.
            self._begin({key: self._presenter.says(key) for key in self._presenter.said})
            if not await self._reader.follow(self._totals):
                raise RehearsalError("the replay's state in Redis went away: replay from the start")
        if any(self._reader.complete_from_ms({}).values()) or self._reader.rebuilding:
            raise RehearsalError(
                "Redis or Kafka lost a part of the replay: begin it again, under another prefix"
            )

    def _begin(self, said: Mapping[str, Says]) -> None:
        self._totals = RollingTotals(self._config.windows)
        self._presenter = _Presenter(
            self._metrics,
            self._totals,
            lateness_ms=self._config.lateness_ms,
            low_sample_under=self._low_sample_under,
        )
        self._reader = StateReader(self._redis, self._keys, self._topics)
        self._presenter.remember(said)
