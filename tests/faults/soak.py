"""A long run of faults at random: what is hurt, for how long, and how soon counting goes on."""

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis
from tests.faults.scenario import Part, Scenario
from tests.harness.running import say
from tests.harness.waiting import eventually
from tests.harness.worker import WorkerProcess

RESUME_WITHIN_S: Final = 90.0
"""A worker that lost its broker in the midst of a rebalance may wait for a time-out or two."""

_PAUSE_S: Final = 4.0
"""Between two faults, at most."""

_SLEEP_S: Final = 9.0
"""A suspended process sleeps so long at most: longer than the workers' session timeout."""

_DOWN_S: Final = 5.0
"""A killed process stays away so long at most."""


class RandomFaults:
    """Hurts workers and servers until the time is over.

    Args:
        scenario: whose log is being sent.
        kafka: the broker, with nobody else on it.
        redis: the store, with nobody else on it.
        workers: all of them, running.
        sending: the log on its way; without it nothing is counted further.

    Attributes:
        resumed_s: seconds from the end of each fault until every partition that it hurt was
            counted further, by kind.
        gave_up_starting: how often a worker ended because a server was away when it started; it
            was started again at once, as whoever supervises it does.
    """

    def __init__(
        self,
        scenario: Scenario,
        kafka: EmbeddedKafka,
        redis: EmbeddedRedis,
        workers: Iterable[WorkerProcess],
        sending: "asyncio.Task[int]",
    ) -> None:
        self._scenario = scenario
        self._random = scenario.random
        self._kafka = kafka
        self._redis = redis
        self._workers = tuple(workers)
        self._sending = sending
        self.resumed_s: dict[str, list[float]] = defaultdict(list)
        self.gave_up_starting = 0
        self._faults: dict[str, Callable[[], Awaitable[list[Part]]]] = {
            "worker killed": self._kill_worker,
            "worker suspended": self._suspend_worker,
            "broker killed": self._kill_broker,
            "broker suspended": lambda: self._suspend(self._kafka),
            "Redis killed": self._kill_redis,
            "Redis suspended": lambda: self._suspend(self._redis),
        }

    async def run(self, for_s: float) -> None:
        """One fault after the other, each kind as often as any other, in random order."""
        until = time.monotonic() + for_s
        kinds: list[str] = []
        while time.monotonic() < until:
            if not kinds:
                kinds = self._random.sample(sorted(self._faults), len(self._faults))
            kind = kinds.pop()
            hurt = await self._faults[kind]()
            ended = time.monotonic()
            await self._until_counted_further(kind, hurt)
            self.resumed_s[kind].append(time.monotonic() - ended)
            await self._a_moment(_PAUSE_S)

    def report(self) -> None:
        """Say how many there were of each kind, and the seconds to resume."""
        for kind, seconds in sorted(self.resumed_s.items()):
            say(
                f"{kind}: {len(seconds)} times, counted further after: "
                f"median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s"
            )
        say(f"workers that could not start, and were started again: {self.gave_up_starting}")

    async def _a_moment(self, most_s: float) -> None:
        # A fault's length and its moment are what is random; no condition says them.
        await asyncio.sleep(self._random.uniform(0, most_s))

    async def _until_counted_further(self, kind: str, hurt: list[Part]) -> None:
        before = await self._scenario.state.offsets(hurt)

        async def offsets() -> dict[Part, int]:
            self._supervise()
            return await self._scenario.state.offsets(before)

        await eventually(
            offsets,
            lambda now: self._sending.done() or all(now[part] > before[part] for part in now),
            within_s=RESUME_WITHIN_S,
            what=f"every partition counted further than {before} after: {kind}",
        )

    def _supervise(self) -> None:
        for worker in self._workers:
            if not worker.running:
                assert not worker.was_ready, f"ended by itself\n{worker.log()}"
                self.gave_up_starting += 1
                worker.start()

    async def until_all_count(self) -> None:
        """Returns when each worker has partitions, also one that has to be started again."""

        async def each_has_some() -> bool:
            self._supervise()
            owners = set((await self._scenario.owners()).values())
            return owners == {worker.pid for worker in self._workers}

        await eventually(each_has_some, within_s=RESUME_WITHIN_S, what="partitions for each worker")

    async def _kill_worker(self) -> list[Part]:
        self._supervise()  # it may have given up starting since
        victim = self._random.choice(self._workers)
        owners = await self._scenario.owners()
        hurt = [part for part, pid in owners.items() if pid == victim.pid]
        victim.kill()
        victim.start()
        return hurt

    async def _suspend_worker(self) -> list[Part]:
        self._supervise()
        victim = self._random.choice(self._workers)
        owners = await self._scenario.owners()
        victim.suspend()
        await self._a_moment(_SLEEP_S)
        victim.resume()
        return [part for part, pid in owners.items() if pid == victim.pid]

    async def _kill_broker(self) -> list[Part]:
        await asyncio.to_thread(self._kafka.kill)
        await self._a_moment(_DOWN_S)
        await asyncio.to_thread(self._kafka.start)
        return self._scenario.partitions

    async def _kill_redis(self) -> list[Part]:
        await asyncio.to_thread(self._redis.kill)
        await self._a_moment(_DOWN_S)
        await asyncio.to_thread(self._redis.start)
        return self._scenario.partitions

    async def _suspend(self, server: EmbeddedKafka | EmbeddedRedis) -> list[Part]:
        server.suspend()
        await self._a_moment(_SLEEP_S)
        server.resume()
        return self._scenario.partitions
