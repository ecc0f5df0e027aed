"""The words of fault tests: a log is sent, workers count it, a fault, all is equal."""

import asyncio
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from tests.harness.equality import check
from tests.harness.events import MINUTE_MS, TOPICS, LoggedEvent, Times, event_log
from tests.harness.expected import ExpectedCounts
from tests.harness.kafka import Record, create_topics, end_offsets, send, send_paced
from tests.harness.running import say
from tests.harness.state import StoredState
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment, WorkerProcess

Part = tuple[str, int]
"""A topic and the number of one of its partitions."""

PARTITIONS = 4
"""Of each topic."""


class Scenario:
    """One test's deployment, the log that is sent to it, and what has to come out.

    Args:
        deployment: servers, and names in them.
        state: what its workers store, read past every proxy.
        folder: for the workers' logs.
        seed: of the log and of whatever happens at random.

    Attributes:
        random: for the moments of faults.
        log: the records sent so far or to be sent, in order.
    """

    def __init__(self, deployment: Deployment, state: StoredState, folder: Path, seed: int) -> None:
        self.deployment = deployment
        self.state = state
        self.seed = seed
        self.random = random.Random(seed)
        self.log: list[LoggedEvent] = []
        self._folder = folder
        self._times: Times | None = None

    def worker(
        self,
        name: str = "worker",
        settings: Mapping[str, str] | None = None,
        deployment: Deployment | None = None,
    ) -> WorkerProcess:
        """A worker, not started yet; ``with`` starts it and ends it with the test.

        Args:
            name: of its log and its membership; the same one after a kill is the same member.
            settings: ``CX_`` variables of its own, without the prefix.
            deployment: where it sees another one: behind a proxy.
        """
        return WorkerProcess(deployment or self.deployment, self._folder, name, settings)

    # -- the log --------------------------------------------------------------------------------

    def write_log(
        self, count: int, *, over_s: float = 0.0, span_s: float = 0.0
    ) -> list[LoggedEvent]:
        """Write a log that ends a minute before the time at which all of it is sent.

        Its latest event closes every session that has to be closed: no worker has to be idle for
        that, and none is, as a slow machine would else decide which events come late.

        Args:
            count: records.
            over_s: how long sending takes, about.
            span_s: the log's own time from its first event to its last, forty minutes at least.
        """
        now_ms = time.time_ns() // 1_000_000
        over_ms = int(over_s * 1000)
        end_ms = now_ms + over_ms - MINUTE_MS
        span_ms = int(max(over_s, span_s) * 1000)
        self._times = Times.until(end_ms, looked_at_ms=now_ms + over_ms, over_ms=span_ms)
        self.log = event_log(count, self.seed, self._times)
        return self.log

    def expected(self) -> ExpectedCounts:
        """The log counted the long way."""
        assert self._times is not None, "write_log first"
        return ExpectedCounts(self.log, self._times)

    def records(self, log: Iterable[LoggedEvent]) -> list[Record]:
        """The log's records with this deployment's topics."""
        return [Record(self.deployment.topic(e.topic), e.key, e.value) for e in log]

    async def create_topics(self) -> None:
        """The deployment's topics, before a worker needs them."""
        await create_topics(self.deployment, PARTITIONS)

    async def send(self, log: Sequence[LoggedEvent] | None = None) -> None:
        """Send the log, or a part of it, as fast as it goes."""
        await send(self.deployment, self.records(self.log if log is None else log))

    def sending(
        self, over_s: float, log: Sequence[LoggedEvent] | None = None, **options: Any
    ) -> "asyncio.Task[int]":
        """Begin to send the log, evenly over a time.

        A fault that needs more to come after it holds a part of the log back until then: else all
        might be sent and counted before it, where workers or the fault take their time.

        Args:
            over_s: how long sending takes, at least.
            log: the part to send; what comes before it has been sent.
            options: the producer's.
        """
        part = self.log if log is None else log
        return asyncio.create_task(send_paced(self.deployment, part, over_s, **options))

    # -- what has come of it --------------------------------------------------------------------

    @property
    def partitions(self) -> list[Part]:
        """All partitions of the topics that the log has."""
        topics = map(self.deployment.topic, TOPICS)
        return [(topic, number) for topic in topics for number in range(PARTITIONS)]

    async def counted(self) -> int:
        """Records that are counted, refused ones included: the stored offsets together."""
        return sum((await self.state.offsets(self.partitions)).values())

    async def until_counted(self, records: float, within_s: float = 60.0) -> int:
        """Returns when so many records are counted: how many are."""
        return await eventually(
            self.counted,
            lambda n: n >= records,
            within_s=within_s,
            what=f"{records:.0f} records counted",
        )

    async def until_more_counted(self, records: int = 1, within_s: float = 60.0) -> int:
        """Returns when more records are counted than now: how many are."""
        return await self.until_counted(await self.counted() + records, within_s)

    async def until_all_counted(self, within_s: float = 60.0) -> dict[Part, int]:
        """Returns when every partition is counted to its log's end: the ends."""
        ends = await end_offsets(self.deployment, map(self.deployment.topic, TOPICS))
        return await eventually(
            lambda: self.state.offsets(ends),
            lambda stored: stored == ends,
            within_s=within_s,
            what=f"all counted up to {ends}",
        )

    async def equal(self) -> None:
        """Stored panes, last readings and the readings topic are those of plain counting.

        Raises:
            AssertionError: they differ.
        """
        ends = await self.until_all_counted()
        assert sum(ends.values()) == len(self.log), "the log in Kafka is not the one written"
        began = time.monotonic()
        expected = self.expected()
        await check(self.deployment, self.state, expected)
        stats = {name: await self.state.stat(name) for name in ("counted", "repeats")}
        assert stats == {
            "counted": len(self.log) - expected.refused - expected.repeats,
            "repeats": expected.repeats,
        }
        say(f"equal: {len(self.log):,} records, compared in {time.monotonic() - began:.1f} s")

    async def owners(self) -> dict[Part, int]:
        """The process id of each claimed partition's owner."""
        found = {part: await self.state.meta(*part) for part in self.partitions}
        return {part: int(meta["owner"].split(":")[1]) for part, meta in found.items() if meta}

    async def until_owned(self, *workers: WorkerProcess, within_s: float = 60.0) -> None:
        """Returns when each of these has partitions, and nobody else has any."""
        pids = {worker.pid for worker in workers}

        async def shared() -> set[int]:
            owners = await self.owners()
            return set(owners.values()) if len(owners) == len(self.partitions) else set()

        await eventually(shared, pids.__eq__, within_s=within_s, what=f"partitions with {pids}")

    async def committed(self) -> dict[Part, int]:
        """Kafka's committed offset of each partition that has one."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.deployment.bootstrap)
        await admin.start()
        try:
            group = f"{self.deployment.topic_prefix}group"
            found: Mapping[Any, Any] = await admin.list_consumer_group_offsets(group)
        finally:
            await admin.close()
        return {
            (part.topic, part.partition): offset.offset
            for part, offset in found.items()
            if offset.offset >= 0
        }

    async def stored_and_committed(self) -> tuple[dict[Part, int], dict[Part, int]]:
        """The offsets in Redis and in Kafka; the latter were asked for first."""
        committed = await self.committed()
        return await self.state.offsets(self.partitions), committed
