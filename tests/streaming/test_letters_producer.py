"""The producer of dead letters on a real broker, after a time without a leader."""

import pytest
from aiokafka.errors import KafkaError, LeaderNotAvailableError, OutOfOrderSequenceNumber

from processor.settings import KafkaSettings
from processor.streaming.bounded import start_producer, stop_producer
from processor.streaming.deadletter import SUFFIX, DeadLetter, DeadLetters
from processor.streaming.kafka import durable_producer
from schemas.errors import ErrorCode
from schemas.validators import InvalidEvent
from tests.harness.kafka import create_topics, read_all
from tests.harness.waiting import PATIENCE, eventually
from tests.harness.worker import Deployment
from tests.streaming.owning import LoggedRecord, now_ms


def letter(deployment: Deployment, offset: int) -> DeadLetter:
    """Of the record at an offset."""
    record = LoggedRecord(offset, b"letter %d" % offset, timestamp=now_ms())
    error = InvalidEvent(ErrorCode.INVALID_JSON, "not JSON")
    return DeadLetter(deployment.topic("survey-response"), 0, record, error)


async def test_letters_are_taken_again_after_a_time_without_a_leader(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was given up meanwhile leaves a gap in the numbers, and those after it are refused.

    They were refused for as long as the worker lived.
    """
    await create_topics(deployment)
    producer = durable_producer(KafkaSettings(bootstrap=deployment.bootstrap))
    letters = DeadLetters(producer)
    await start_producer(producer, 30 * PATIENCE)
    try:
        await letters.send([letter(deployment, 0)])
        with monkeypatch.context() as without_leader:
            # As the broker's metadata say until there is another one.
            without_leader.setattr(
                producer.client.cluster, "leader_for_partition", lambda _partition: -1
            )
            # Else it is given up when a request would be.
            without_leader.setattr(producer._message_accumulator, "_batch_ttl", 0.2)
            with pytest.raises(LeaderNotAvailableError):
                await letters.send([letter(deployment, 1)])
        refused: list[KafkaError] = []

        async def sent() -> bool:
            try:
                await letters.send([letter(deployment, 2)])
            except KafkaError as error:
                refused.append(error)
                return False
            return True

        await eventually(sent, what="a letter taken")
        assert OutOfOrderSequenceNumber in map(type, refused), "nothing was to be made good"
        await letters.send([letter(deployment, 3)])
    finally:
        await stop_producer(producer, 30 * PATIENCE)
    kept = await read_all(deployment, deployment.topic("survey-response") + SUFFIX)
    assert [record.value for record in kept] == [b"letter 0", b"letter 2", b"letter 3"]
