"""Dead letters that cannot be written.

::

    17  log      |=====[p]==============================|      p: a poisoned record, partition 0
        letters      |xxxxxxxxxxxxxxxxxxxxx|                   refused by the broker
        part. 0  |---|.....................|---------------    waits: its offset stays before p
        others   |--------------------------------------- - -  go on

Expected: no offset is stored or committed past a letter that is not written; nothing is lost,
nothing counts twice.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner

from processor.embedded.kafka import EmbeddedKafka
from schemas.errors import ErrorCode
from tests.faults.conftest import NewScenario
from tests.faults.refusals import (
    Refusal,
    check_counts,
    check_letters,
    key_of,
    record_of,
    until_stored,
)
from tests.faults.scenario import PARTITIONS, Part, Scenario
from tests.harness.events import LoggedEvent
from tests.harness.kafka import Record, end_offsets, producing, read_all, send
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment
from tests.streaming.owning import answer

POISON: Final = [Refusal("survey-response", b"{", ErrorCode.INVALID_JSON)]


@asynccontextmanager
async def administering(deployment: Deployment) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for the topics' settings."""
    admin = AIOKafkaAdminClient(bootstrap_servers=deployment.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def take_up_to(deployment: Deployment, topic: str, size: int) -> None:
    """How large a record a topic takes."""
    limit = {"max.message.bytes": str(size)}
    async with administering(deployment) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, limit)])


async def takes_some(deployment: Deployment, topic: str) -> bool:
    """Whether a partition of a topic takes a record."""
    taken = 0
    async with producing(deployment) as producer:
        for number in await producer.partitions_for(topic):
            with suppress(MessageSizeTooLargeError):
                await producer.send_and_wait(topic, b"is this taken?", partition=number)
                taken += 1
    return taken > 0


@asynccontextmanager
async def refusing(deployment: Deployment, topic: str) -> AsyncIterator[None]:
    """While inside, the broker refuses every record for a topic."""
    await take_up_to(deployment, topic, 1)
    try:
        await eventually(
            lambda: takes_some(deployment, topic),
            lambda takes: not takes,
            what="the limit in force, a moment after it was set",
        )
        yield
    finally:
        await take_up_to(deployment, topic, 1_048_588)


@asynccontextmanager
async def missing(deployment: Deployment, topic: str) -> AsyncIterator[None]:
    """While inside, there is no such topic."""
    async with administering(deployment) as admin:
        await admin.delete_topics([topic])

        async def is_gone() -> bool:
            return topic not in await admin.list_topics()

        await eventually(is_gone, what="the topic gone")
        try:
            yield
        finally:

            async def made_again() -> bool:
                answered = await admin.create_topics([NewTopic(topic, 1, 1)])
                return all(code == 0 for _, code, *_ in answered.topic_errors)

            await eventually(made_again, what="the topic made again")


Unavailable = Callable[[Deployment, str], AbstractAsyncContextManager[None]]


@pytest.fixture(scope="module")
def strict_kafka() -> Iterator[EmbeddedKafka]:
    """A broker that makes no topic because somebody writes to it."""
    with EmbeddedKafka(config={"auto.create.topics.enable": "false"}) as server:
        yield server


async def place_of_poison(scenario: Scenario) -> tuple[Part, int]:
    """Where the poisoned record is."""
    topic = scenario.deployment.topic("survey-response")
    (found,) = [r for r in await read_all(scenario.deployment, topic) if r.value == b"{"]
    return (topic, found.partition), found.offset


def is_good(event: LoggedEvent) -> bool:
    """Whether an event is none of the log's own refusals, which would wait for letters, too."""
    return b"occurred_at" in event.value and b'"2999-01-01T' not in event.value


async def held_at(scenario: Scenario, part: Part) -> tuple[int, int]:
    """The stored offset of a partition, and the one committed in Kafka."""
    return (await scenario.state.offsets([part]))[part], (await scenario.committed()).get(part, 0)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("unavailable", [missing, pytest.param(refusing, marks=pytest.mark.soak)])
async def test_f17_what_cannot_be_a_dead_letter_yet_holds_up_its_partition_only(
    new_scenario: NewScenario, strict_kafka: EmbeddedKafka, unavailable: Unavailable
) -> None:
    scenario = new_scenario(strict_kafka.bootstrap)
    letters = scenario.deployment.topic("survey-response.dlq")
    scenario.log = [e for e in scenario.write_log(12_000) if is_good(e)]
    await scenario.create_topics()
    third = len(scenario.log) // 3
    await scenario.send(scenario.log[:third])
    with scenario.worker() as worker:
        await worker.until_ready()
        await scenario.until_all_counted()
        async with unavailable(scenario.deployment, letters):
            await send(scenario.deployment, [record_of(scenario, 0, POISON[0])])
            part, offset = await place_of_poison(scenario)
            await scenario.send(scenario.log[third:])
            ends = await end_offsets(scenario.deployment, {p[0] for p in scenario.partitions})
            assert ends[part] > offset + 1, "nothing behind the poisoned record"
            others = {other: end for other, end in ends.items() if other != part}
            await eventually(
                lambda: scenario.state.offsets(others),
                lambda stored: stored == others,
                what="all other partitions counted to their ends",
            )
            stored, committed = await held_at(scenario, part)
            assert stored <= offset
            assert committed <= offset
            assert worker.running
        await until_stored(scenario)
        await check_counts(scenario, POISON)
        await check_letters(scenario, POISON)


@pytest.mark.timeout(120)
async def test_f17_a_worker_that_ends_meanwhile_leaves_the_letter_to_the_next(
    scenario: Scenario,
) -> None:
    letters = scenario.deployment.topic("survey-response.dlq")
    await scenario.create_topics()
    topic = scenario.deployment.topic("survey-response")
    key = key_of_partition(partition_of(key_of(0)))
    answers = [Record(topic, key, answer(n)) for n in range(500)]
    with scenario.worker() as worker:
        await worker.until_ready()
        async with refusing(scenario.deployment, letters):
            await send(scenario.deployment, answers[:200])
            await scenario.until_counted(200)
            await send(scenario.deployment, [record_of(scenario, 0, POISON[0]), *answers[200:]])
            await eventually(
                lambda: asyncio.to_thread(worker.log_lines, "trying again"),
                what="the refusal is told",
            )
            code, took_s = await asyncio.to_thread(worker.terminate, 15)
            assert (code, took_s < 10) == (0, True), worker.log()
            part, offset = await place_of_poison(scenario)
            stored, committed = await held_at(scenario, part)
            assert stored <= offset
            assert committed <= offset
        worker.start()
        await until_stored(scenario)
        stats = {name: await scenario.state.stat(name) for name in ("counted", "rejected")}
    assert stats == {"counted": len(answers), "rejected": 1}
    await check_letters(scenario, POISON)


@pytest.mark.timeout(180)
async def test_f17_a_partition_that_waits_takes_in_only_so_much(scenario: Scenario) -> None:
    """More than it may hold comes behind the letter: memory has an end, the others go on."""
    letters = scenario.deployment.topic("survey-response.dlq")
    await scenario.create_topics()
    topic = scenario.deployment.topic("survey-response")
    waiting, other = key_of_partition(0), key_of_partition(1)
    with scenario.worker() as worker:
        await worker.until_ready()
        async with refusing(scenario.deployment, letters):
            await send(scenario.deployment, [Record(topic, waiting, b"{")])
            behind = (Record(topic, waiting, answer(n)) for n in range(150_000))
            await send(scenario.deployment, behind)
            await send(scenario.deployment, [Record(topic, other, answer(n)) for n in range(300)])
            await eventually(
                lambda: scenario.state.stat("counted"), lambda n: n == 300, what="the other's"
            )
        await until_stored(scenario)
        assert await scenario.state.stat("counted") == 150_300
        assert worker.running


def partition_of(key: bytes) -> int:
    """Where the records of a key go."""
    parts = list(range(PARTITIONS))
    number: int = DefaultPartitioner()(key, parts, parts)
    return number


def key_of_partition(number: int) -> bytes:
    """A key whose records go to a partition of this number."""
    return next(key for n in range(1_000) if partition_of(key := b"%d" % n) == number)
