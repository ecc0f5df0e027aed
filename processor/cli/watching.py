"""The readings looked at again and again, until somebody has seen enough."""

import asyncio
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from redis.exceptions import RedisError
from rich.console import Console, RenderableType
from rich.live import Live

from processor.cli.board import TITLES, Extras, Pulse, as_text, board, wanted
from processor.cli.errors import explain
from processor.cli.terminal import say
from processor.metrics.registry import Metric
from processor.monitor.filters import FilterError
from processor.monitor.history import History, HistoryTooSlowError, Query
from processor.settings import Settings
from processor.state.keys import Keys
from processor.state.live import LiveReadings, Snapshot
from processor.state.redis_url import async_client
from schemas.readings import WHOLE
from schemas.timestamps import parse_rfc3339

_PLAIN_WIDTH: Final = 150
_POINTS: Final = 24
_PAST_EVERY_S: Final = 5.0
"""The past changes slowly: it is looked at less often than the readings."""

_RATE_OVER_S: Final = 5.0
_STALE_TICKS: Final = 3


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown.

    Attributes:
        window: its name.
        dimension: what the lower table is segmented by; empty for none.
        metrics: their names, in order.
    """

    window: str
    dimension: str
    metrics: tuple[str, ...]


class Watching:
    """One board, drawn again at an interval.

    Args:
        settings: the configuration.
        catalogue: the metrics in use.
        shown: what is shown.
        interval_s: seconds between two looks.
        once: whether one look is enough; then a Redis that is away is an error.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Mapping[str, Metric],
        shown: Shown,
        *,
        interval_s: float,
        once: bool,
    ) -> None:
        self._settings = settings
        self._shown = shown
        self._interval_s = interval_s
        self._once = once
        self._titles = {
            name: TITLES.get(name, catalogue[name].summary.partition(":")[0])
            for name in shown.metrics
        }
        redis = settings.redis
        keys = Keys(redis.prefix)
        self._client = async_client(
            redis.url.get_secret_value(), timeout_s=redis.timeout_s, retries=0
        )
        self._live = LiveReadings(self._client, keys)
        self._history = History(self._client, keys, settings, catalogue)
        self._extras = Extras(targets=settings.monitor.targets)
        self._past_at = float("-inf")
        self._seen: deque[tuple[float, int]] = deque()
        self._snapshot = Snapshot()
        self._trouble: str | None = None

    def run(self) -> None:
        """Watch until SIGINT or SIGTERM asks to end, or once.

        Raises:
            redis.exceptions.RedisError: Redis is away, where one look is enough.
        """
        asyncio.run(self._run())

    async def _run(self) -> None:
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, told.set)
        try:
            if self._once:
                await self._look()
                self._print()
            elif sys.stdout.isatty():
                with Live(console=Console(), auto_refresh=False) as live:
                    while not told.is_set():
                        await self._look_again()
                        live.update(self._board(), refresh=True)
                        await self._rest(told)
            else:
                while not told.is_set():
                    await self._look_again()
                    self._print()
                    await self._rest(told)
        finally:
            await self._client.aclose()

    async def _rest(self, told: asyncio.Event) -> None:
        try:
            await asyncio.wait_for(told.wait(), self._interval_s)
        except TimeoutError:
            return
        say("ended")

    def _print(self) -> None:
        sys.stdout.write(f"{as_text(self._board(), _PLAIN_WIDTH)}\n\n")
        sys.stdout.flush()

    async def _look_again(self) -> None:
        """Look; where Redis does not answer, say so and keep what was seen."""
        try:
            await self._look()
        except (RedisError, OSError, HistoryTooSlowError) as error:
            explained = explain(error)
            self._trouble = str(error) if explained is None else str(explained)
        else:
            self._trouble = None

    async def _look(self) -> None:
        shown = self._shown
        self._snapshot = await self._live.read(
            lambda key: wanted(shown.window, shown.dimension, key, shown.metrics)
        )
        now = time.monotonic()
        self._seen.append((now, self._snapshot.records))
        while now - self._seen[0][0] > _RATE_OVER_S + self._interval_s:
            self._seen.popleft()
        if now - self._past_at >= _PAST_EVERY_S:
            await self._look_back()
            self._past_at = now

    async def _look_back(self) -> None:
        past: dict[str, list[float | None]] = {}
        seconds = 0
        for key, row in self._snapshot.rows.items():
            metric, window, segment, *_ = key.split("|")
            if segment != WHOLE:
                continue
            query = Query(metric, window, currency=row.get("currency"), points=_POINTS)
            try:
                found = await self._history.past(query)
            except FilterError:
                continue  # published by a worker of other settings
            past[key] = [point["value"] for point in found.points]
            seconds = max(seconds, found.step_ms // 1000 * len(found.points))
        self._extras = Extras(past, _span(seconds), self._settings.monitor.targets)

    def _board(self) -> RenderableType:
        shown = self._shown
        return board(
            self._snapshot,
            self._pulse(),
            window=shown.window,
            dimension=shown.dimension,
            heading=self._heading(),
            titles=self._titles,
            extras=self._extras,
        )

    def _heading(self) -> str:
        status = self._snapshot.status
        heading = "cxpulse top"
        if status is None:
            heading += " · nothing is published yet"
        else:
            age_s = max(0.0, time.time() - status.published_at_ms / 1000)
            heading += f" · as of {status.as_of} · published {age_s:.0f} s ago"
            if age_s > max(3.0, _STALE_TICKS * self._settings.publisher.interval_s):
                heading += " (stale)"
            if status.rebuilding or status.unclaimed:
                heading += " · incomplete: partitions are rebuilt, or not claimed yet"
        return heading if self._trouble is None else f"{heading}\n{self._trouble}; trying again"

    def _pulse(self) -> Pulse:
        snapshot, status = self._snapshot, self._snapshot.status
        rate = 0.0
        if len(self._seen) > 1:
            (began, before), (now, records) = self._seen[0], self._seen[-1]
            rate = (records - before) / (now - began) if now > began else 0.0
        return Pulse(
            rate=rate,
            lag=snapshot.lag,
            watermark_age_s=(
                None if status is None else time.time() - parse_rfc3339(status.as_of) / 1000
            ),
            open_sessions=0 if status is None else status.open_sessions,
            dead_letters=snapshot.dead_letters,
            repeats=snapshot.stats["repeats"],
        )


def _span(seconds: int) -> str:
    """A time in its largest unit.

    >>> _span(90), _span(7200), _span(53 * 86_400), _span(0)
    ('90 s', '2 h', '53 d', '')
    """
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {unit}"
    return f"{seconds} s" if seconds else ""
