"""More than anybody expects: values, ids, bytes, depth.

::

    23  log      |v1 v2 v3 ...            v100000|        each value once
        segments |v1 ... v1000 | __other__ ......|
        memory   |___/-----------------------------       bounded

Expected: the first values keep their own series, all others share one; what is too large or too
deep is refused unread; the worker's memory stays within a bound.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.errors import ErrorCode
from tests.faults.conftest import NewScenario
from tests.faults.refusals import event
from tests.faults.scenario import PARTITIONS, Scenario
from tests.harness.kafka import Record, read_all, send
from tests.harness.running import say
from tests.harness.worker import WorkerProcess
from tests.streaming.owning import answer

CAP = 1_000
MB = 1 << 20


class Memory:
    """The resident memory of a worker, in bytes.

    Attributes:
        before: at the beginning.
        peak: the most that was seen.
    """

    def __init__(self, worker: WorkerProcess) -> None:
        self._process = psutil.Process(worker.pid)
        self.before = self.peak = self.look()

    def look(self) -> int:
        """What it has now."""
        resident: int = self._process.memory_info().rss
        return resident

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.peak = max(self.peak, self.look())
            await asyncio.sleep(0.02)


@asynccontextmanager
async def watched(worker: WorkerProcess) -> AsyncIterator[Memory]:
    """Watch a worker's memory meanwhile."""
    memory = Memory(worker)
    watching = asyncio.create_task(memory.watch())
    try:
        yield memory
    finally:
        watching.cancel()


def values(topic: str, count: int) -> Iterator[Record]:
    """So many answers, each with an id, a channel and a product of its own."""
    template = json.dumps(
        event("survey-response", event_id="@", dimensions={"channel": "c@", "product": "p@"})
    )
    for number in range(count):
        yield Record(topic, b"%d" % number, template.replace("@", str(number)).encode())


async def bounded_by_the_cap(scenario: Scenario, count: int, growth_mb: int) -> None:
    """One run: the counters of each set, and the memory that it took."""
    await scenario.create_topics()
    topic = scenario.deployment.topic("survey-response")
    with scenario.worker() as worker:
        await worker.until_ready()
        async with watched(worker) as memory:
            await send(scenario.deployment, values(topic, count))
            await scenario.until_counted(count, within_s=300)
        grown_mb = (memory.peak - memory.before) / MB
        say(
            f"{count:,} values in two sets, as many ids: {memory.before / MB:.0f} MB before, "
            f"{memory.peak / MB:.0f} MB at most, {grown_mb:.0f} MB more"
        )
        assert worker.running
    totals: dict[str, int] = {}
    for (pane_ms, _), by_series in (await scenario.state.panes()).items():
        if pane_ms == 60_000:
            for series, counts in by_series.items():
                totals[series] = totals.get(series, 0) + counts["nps.9"]
    assert totals.pop("all") == count
    for name in ("channel", "product"):
        of_set = {series: n for series, n in totals.items() if series.startswith(f"{name}=")}
        assert of_set.pop(f"{name}=__other__") == count - CAP
        assert len(of_set) == CAP
        assert set(of_set.values()) == {1}
    assert grown_mb < growth_mb


@pytest.mark.timeout(180)
async def test_f23_a_hundred_thousand_values_share_what_the_cap_leaves(scenario: Scenario) -> None:
    await bounded_by_the_cap(scenario, 100_000, growth_mb=300)


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_f23_a_million_values_and_ids(scenario: Scenario) -> None:
    await bounded_by_the_cap(scenario, 1_000_000, growth_mb=500)


@pytest.mark.timeout(120)
async def test_f23_what_is_too_large_is_refused_unread_and_what_follows_counts(
    scenario: Scenario,
) -> None:
    topic = scenario.deployment.topic("survey-response")
    admin = AIOKafkaAdminClient(bootstrap_servers=scenario.deployment.bootstrap)
    await admin.start()
    # From the beginning: a limit that is altered is in force some time later.
    limit = {"max.message.bytes": str(12 * MB)}
    await admin.create_topics([NewTopic(topic, PARTITIONS, 1, topic_configs=limit)])
    await admin.close()
    await scenario.create_topics()
    large = json.dumps(event("survey-response", comment="x" * 10 * MB)).encode()
    records = [
        Record(topic, b"k", answer(0)),
        *[Record(topic, b"k", large)] * 5,
        Record(topic, b"k", answer(1)),
    ]
    limits = {"max_request_size": 12 * MB, "max_batch_size": 12 * MB, "compression_type": None}
    with scenario.worker() as worker:
        await worker.until_ready()
        async with watched(worker) as memory:
            await send(scenario.deployment, records, **limits)
            await scenario.until_counted(len(records))
        grown_mb = (memory.peak - memory.before) / MB
        say(f"five records of 10 MB: {grown_mb:.0f} MB more")
        assert grown_mb < 250
    assert await scenario.state.stat("counted") == 2
    letters = await read_all(scenario.deployment, f"{topic}.dlq")
    headers = [dict(letter.headers) for letter in letters]
    assert [h["cx.error.code"] for h in headers] == [ErrorCode.TOO_LARGE.encode()] * 5
    assert {h["cx.error.truncated"] for h in headers} == {str(len(large)).encode()}


@pytest.mark.parametrize("settings", [{}, {"ENGINE__MAX_RECORD_BYTES": "1000000"}])
@pytest.mark.timeout(60)
async def test_f23_what_is_too_deep_is_refused_and_what_follows_counts(
    new_scenario: NewScenario, settings: dict[str, str]
) -> None:
    """A parser that calls itself for every level would end the worker."""
    scenario = new_scenario(settings=settings)
    await scenario.create_topics()
    topic = scenario.deployment.topic("survey-response")
    good = json.dumps(event("survey-response", deep="@")).encode()
    records = [Record(topic, b"k", answer(0))]
    for depth in (1_000, 100_000):
        for begin, end in ((b"[", b"]"), (b'{"a":', b"}")):
            nested = begin * depth + b"1" + end * depth
            records += [
                Record(topic, b"k", good.replace(b'"@"', nested)),
                Record(topic, b"k", nested),
                Record(topic, b"k", begin * depth),  # not closed
            ]
    records.append(Record(topic, b"k", answer(1)))
    with scenario.worker() as worker:
        await worker.until_ready()
        await send(scenario.deployment, records)
        await scenario.until_counted(len(records))
        assert worker.running
    assert await scenario.state.stat("counted") == 2
    letters = await read_all(scenario.deployment, f"{topic}.dlq")
    codes = [dict(letter.headers)["cx.error.code"].decode() for letter in letters]
    limit = int(settings.get("ENGINE__MAX_RECORD_BYTES", "65536"))
    assert codes == [
        ErrorCode.TOO_LARGE if len(record.value or b"") > limit else ErrorCode.INVALID_JSON
        for record in records[1:-1]
    ]
