"""What is in Redis, read plainly: not by the code under test."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from processor.state.keys import Keys
from processor.state.pipelines import read_at_once
from processor.state.replies import text
from processor.streaming.publisher import SLICE
from tests.harness.waiting import eventually

Panes = dict[tuple[int, int], dict[str, Counter[str]]]
"""(pane length, pane start) in ms → series → measure → count."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Readings of one instant.

    Attributes:
        revision: of the publisher's last tick.
        leader: who published it.
        clock_ms: the event clock of that tick.
        rows: the last reading of each series.
    """

    revision: int
    leader: str
    clock_ms: int
    rows: dict[str, dict[str, Any]]


class StoredState:
    """The state of one deployment.

    Args:
        redis: a client.
        prefix: of its keys.
    """

    def __init__(self, redis: Redis, prefix: str) -> None:
        self.redis = redis
        self.keys = Keys(prefix)

    async def meta(self, topic: str, partition: int) -> dict[str, str]:
        """The meta hash of a partition."""
        found = await self.redis.hgetall(self.keys.partition(topic, partition).meta)
        return {text(field): text(value) for field, value in found.items()}

    async def offsets(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The stored next offset of each partition, 0 where there is none."""
        return {part: int((await self.meta(*part)).get("offset") or 0) for part in list(partitions)}

    async def stat(self, name: str) -> int:
        """One statistic, over all partitions."""
        total = 0
        for topic, partition in await self.partitions():
            total += int((await self.meta(topic, partition)).get(f"stat:{name}", 0))
        return total

    async def partitions(self) -> list[tuple[str, int]]:
        """Every partition that was ever claimed."""
        found = []
        for member in await self.redis.smembers(self.keys.partitions):
            topic, _, number = text(member).rpartition(" ")
            found.append((topic, int(number)))
        return sorted(found)

    async def panes(self) -> Panes:
        """The panes of all partitions together, without counters that are 0."""
        merged: Panes = defaultdict(lambda: defaultdict(Counter))
        for topic, partition in await self.partitions():
            keys = self.keys.partition(topic, partition)
            for name in await self.redis.smembers(keys.panes):
                pane_ms, start = map(int, text(name).split(":"))
                for field, count in (await self.redis.hgetall(keys.pane(text(name)))).items():
                    name_of = text(field)
                    if name_of.startswith("~"):
                        continue  # a sample of what was observed
                    series, _, measure = name_of.rpartition("|")
                    merged[pane_ms, start][series][measure] += int(count)
        return {
            cell: nonzero
            for cell, by_series in merged.items()
            if (nonzero := without_zeros(by_series))
        }

    async def clock_ms(self) -> int:
        """The latest event clock of any partition."""
        clocks = [int((await self.meta(*p)).get("clock", 0)) for p in await self.partitions()]
        return max(clocks, default=0)

    async def status(self) -> dict[str, str]:
        """The publisher's status."""
        found = await self.redis.hgetall(self.keys.status)
        return {text(field): text(value) for field, value in found.items()}

    async def revision(self) -> int:
        """The last revision published, 0 before the first."""
        return int((await self.status()).get("revision", 0))

    async def tick(self) -> Tick:
        """The last tick: what stands of all readings, as of one instant."""
        status, readings = await read_at_once(
            self.redis,
            self.keys.status,
            [("HGETALL", self.keys.status), ("HGETALL", self.keys.readings)],
        )
        return Tick(
            revision=int(status.get(b"revision", 0)),
            leader=text(status.get(b"leader", b"")),
            clock_ms=int(status.get(b"clock", 0)),
            rows={text(key): json.loads(row) for key, row in readings.items()},
        )

    async def until_ticked(self) -> Tick:
        """What stands of all readings after a whole tick that began later than this call.

        A revision alone does not tell: a new leader's follow the clock, and its first tick may
        have read what is stored some time ago. A tick of many readings comes in slices.
        """
        seen: list[tuple[str, str]] = []

        async def ticked() -> bool:
            status = await self.status()
            latest = status.get("leader", ""), status.get("revision", "")
            if not seen or seen[-1][0] != latest[0]:
                seen[:] = [latest]
            elif seen[-1] != latest:
                seen.append(latest)
            slices = await self.redis.hlen(self.keys.readings) // SLICE + 1
            # What is left of the tick on its way, and all of the one after it.
            return bool(latest[0]) and len(seen) > 2 * slices

        await eventually(ticked, within_s=60, what="a whole further tick")
        return await self.tick()

    async def readings(self) -> dict[str, dict[str, Any]]:
        """The last reading of each series."""
        return (await self.tick()).rows


def without_zeros(by_series: dict[str, Counter[str]]) -> dict[str, Counter[str]]:
    """The counters that are not 0, of the series that have any."""
    kept = {
        series: Counter({measure: n for measure, n in counts.items() if n})
        for series, counts in by_series.items()
    }
    return {series: counts for series, counts in kept.items() if counts}
