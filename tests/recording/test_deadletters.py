"""Dead letters of a real Kafka, looked at and sent again."""

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from processor.recording.deadletters import GROUP_SUFFIX, letters, retry
from processor.settings import KafkaSettings
from processor.streaming.deadletter import SUFFIX, DeadLetter, DeadLetters
from schemas.errors import ErrorCode, InvalidEvent
from schemas.events import EventType
from tests.harness.kafka import create_topics, producing, read_all
from tests.harness.worker import Deployment

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(60)]

NOW_MS = time.time_ns() // 1_000_000
OLD_MS = NOW_MS - 3 * 86_400_000


class Refused(NamedTuple):
    """A record as a worker gives it to the dead letters."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@pytest.fixture
async def deployment(kafka_bootstrap: str, topic_prefix: str) -> Deployment:
    made = Deployment(kafka_bootstrap, "", topic_prefix, "")
    await create_topics(made, partitions=3)
    return made


@pytest.fixture
def kafka(deployment: Deployment) -> KafkaSettings:
    return KafkaSettings(
        bootstrap=deployment.bootstrap,
        topic_prefix=deployment.topic_prefix,
        group=f"{deployment.topic_prefix}group",
        types=(EventType.PURCHASE, EventType.SOCIAL),
    )


async def refuse(deployment: Deployment, records: Iterable[tuple[str, Refused, ErrorCode]]) -> None:
    async with producing(deployment) as producer:
        await DeadLetters(producer).send(
            [
                DeadLetter(
                    deployment.topic(topic),
                    record.offset % 3,
                    record,
                    InvalidEvent(code, "it is not so", field="amount"),
                )
                for topic, record, code in records
            ]
        )


def numbered(number: int) -> Refused:
    return Refused(number, NOW_MS + number, b"k%d" % number, b"v%d" % number, (("mine", b"1"),))


def sent(records: Iterable[Any]) -> list[int]:
    """The numbers of records, in order of time."""
    return sorted(int(record.value[1:]) for record in records)


async def test_letters_go_back_as_they_were(deployment: Deployment, kafka: KafkaSettings) -> None:
    old = Refused(7, OLD_MS, None, b"v7")
    await refuse(
        deployment,
        [
            ("purchase", numbered(4), ErrorCode.MISSING_FIELD),
            ("purchase", old, ErrorCode.TOO_LATE),
            ("social", Refused(5, NOW_MS, b"k", None), ErrorCode.EMPTY_VALUE),
        ],
    )
    found = [letter async for letter in letters(kafka)]
    assert {(one.topic, one.code, one.field, one.source_offset, one.time_ms) for one in found} == {
        (deployment.topic("purchase"), "missing_field", "amount", 4, NOW_MS + 4),
        (deployment.topic("purchase"), "too_late", "amount", 7, OLD_MS),
        (deployment.topic("social"), "empty_value", "amount", 5, NOW_MS),
    }

    retried = await retry(kafka, dry_run=True)
    assert retried.sent.total() == 3
    assert await read_all(deployment, deployment.topic("purchase")) == []
    assert (await retry(kafka)).sent == retried.sent
    purchases = await read_all(deployment, deployment.topic("purchase"))
    back = {record.value: record for record in purchases}
    assert [(r.key, r.partition, r.timestamp, r.headers) for r in (back[b"v4"], back[b"v7"])] == [
        (b"k4", 1, NOW_MS + 4, (("mine", b"1"),)),
        (None, 1, OLD_MS, ()),
    ]
    (tombstone,) = await read_all(deployment, deployment.topic("social"))
    assert (tombstone.key, tombstone.value, tombstone.partition) == (b"k", None, 2)


async def test_each_is_sent_once_however_often_and_by_whatever_code(
    deployment: Deployment, kafka: KafkaSettings
) -> None:
    codes = (ErrorCode.MISSING_FIELD, ErrorCode.TOO_LATE)
    await refuse(deployment, [("purchase", numbered(n), codes[n % 2]) for n in range(20)])
    topic = deployment.topic("purchase")

    even = await retry(kafka, codes=[ErrorCode.MISSING_FIELD], limit=3)
    assert even.sent == {topic: 3}
    assert len(await read_all(deployment, topic)) == 3
    assert (await retry(kafka, codes=[ErrorCode.MISSING_FIELD])).sent == {topic: 7}
    assert sent(await read_all(deployment, topic)) == list(range(0, 20, 2))
    assert (await retry(kafka, codes=[ErrorCode.MISSING_FIELD])).sent == {}

    assert (await retry(kafka, limit=4)).sent == {topic: 4}
    assert (await retry(kafka)).sent == {topic: 6}
    assert sent(await read_all(deployment, topic)) == list(range(20))
    assert (await retry(kafka)).sent == {}
    await refuse(deployment, [("purchase", numbered(20), codes[0])])
    assert (await retry(kafka, codes=[ErrorCode.TOO_LATE])).sent == {}
    assert (await retry(kafka)).sent == {topic: 1}


async def test_a_value_that_was_cut_stays(deployment: Deployment, kafka: KafkaSettings) -> None:
    large = Refused(1, NOW_MS, b"k", b"x" * 1_048_400)
    records = [("purchase", large, ErrorCode.TOO_LARGE)]
    await refuse(deployment, [*records, ("purchase", numbered(2), ErrorCode.MISSING_FIELD)])
    cut = [letter async for letter in letters(kafka, codes=[ErrorCode.TOO_LARGE])]
    assert [(letter.is_cut, letter.size) for letter in cut] == [(True, 1_048_400)]
    retried = await retry(kafka)
    assert (retried.sent.total(), retried.cut) == (1, 1)
    assert sent(await read_all(deployment, deployment.topic("purchase"))) == [2]
    assert (await retry(kafka)).cut == 0


async def test_a_position_behind_the_end_is_of_another_topic(
    deployment: Deployment, kafka: KafkaSettings
) -> None:
    await refuse(deployment, [("purchase", numbered(1), ErrorCode.TOO_LATE)])
    place = TopicPartition(deployment.topic("purchase") + SUFFIX, 0)
    async with AIOKafkaConsumer(
        bootstrap_servers=deployment.bootstrap,
        group_id=kafka.group + GROUP_SUFFIX,
        enable_auto_commit=False,
    ) as consumer:
        consumer.assign([place])
        await consumer.commit({place: (500, "not ours")})
    assert (await retry(kafka)).sent.total() == 1
