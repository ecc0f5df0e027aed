"""Simulated events in a real Kafka: every one, on its topic, with its key."""

import asyncio
import math
import os
import socket
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from processor.embedded.kafka import EmbeddedKafka
from processor.simulation import (
    SimulationError,
    encode,
    publish,
    simulate,
)
from schemas.events import EventType, kafka_key
from tests.harness.waiting import PATIENCE
from tests.simulation.streams import START_MS, stream


@pytest.fixture(scope="module")
def bootstrap() -> Iterator[str]:
    running = os.environ.get("KAFKA_BOOTSTRAP")
    if running:
        yield running
        return
    with EmbeddedKafka() as kafka:
        yield kafka.bootstrap


@pytest.fixture
def prefix() -> str:
    """A topic prefix of the test's own: the broker may be one that lives on."""
    return f"simulation-{uuid.uuid4().hex[:8]}."


async def records(
    bootstrap: str, prefix: str, kinds: Iterable[EventType]
) -> list[ConsumerRecord[bytes | None, bytes]]:
    """Returns everything that stands in the topics of some types."""
    found: list[ConsumerRecord[bytes | None, bytes]] = []
    topics = [prefix + kind.topic for kind in kinds]
    # Without a group it is assigned all partitions when it starts.
    async with AIOKafkaConsumer(
        *topics, bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while len(found) < sum(ends.values()):
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                found.extend(batch)
    return found


@pytest.mark.kafka
async def test_every_event_arrives_on_its_topic_with_its_key(bootstrap: str, prefix: str) -> None:
    events = stream(rate=100)
    told: list[tuple[int, float]] = []
    sent = await publish(
        events,
        bootstrap=bootstrap,
        topic_prefix=prefix,
        speed=math.inf,
        progress=lambda count, seconds: told.append((count, seconds)),
    )
    assert sent == len(events)
    assert told[-1][0] == sent
    assert told[-1][1] > 0
    expected = Counter(
        (prefix + EventType(event["type"]).topic, kafka_key(event).encode(), encode(event))
        for event in events
    )
    found = Counter(
        (record.topic, record.key, record.value)
        for record in await records(bootstrap, prefix, EventType)
    )
    assert found == expected
    assert {topic for topic, _, _ in found} == {prefix + kind.topic for kind in EventType}


@pytest.mark.kafka
async def test_poison_without_an_identity_is_published_too(bootstrap: str, prefix: str) -> None:
    events = stream("poison@0s", rate=100, only="survey_response")
    assert any("event_id" not in event for event in events)
    sent = await publish(events, bootstrap=bootstrap, topic_prefix=prefix, speed=math.inf)
    arrived = await records(bootstrap, prefix, [EventType.SURVEY_RESPONSE])
    assert sent == len(arrived) == len(events)


@pytest.mark.kafka
async def test_a_cancelled_run_stops_and_what_it_told_has_arrived(
    bootstrap: str, prefix: str
) -> None:
    endless = simulate(seed=7, rate=2000, start_ms=START_MS, duration_s=None, mix={"social": 1.0})
    told, begun = [0], asyncio.Event()

    def progress(count: int, _: float) -> None:
        told.append(count)
        # What is told first may be one event, where making the topic took the first second.
        if count > 500:
            begun.set()

    run = asyncio.create_task(
        publish(endless, bootstrap=bootstrap, topic_prefix=prefix, progress=progress)
    )
    await begun.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(run, timeout=15 * PATIENCE)
    found = await records(bootstrap, prefix, [EventType.SOCIAL])
    assert len(found) >= told[-1] > 500


async def test_a_broker_out_of_reach_is_one_clear_error() -> None:
    # Bound but not listening: nobody else gets the port, and connections are refused.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SimulationError, match=f"Kafka at {address}") as failure:
            await publish(stream(rate=1), bootstrap=address)
    assert "check that it runs" in str(failure.value)


@pytest.mark.kafka
@pytest.mark.soak
async def test_a_broker_that_dies_on_the_way_is_one_clear_error(prefix: str) -> None:
    endless = simulate(seed=7, rate=500, start_ms=START_MS, duration_s=None)
    with EmbeddedKafka() as kafka:
        with pytest.raises(SimulationError, match=f"Kafka at {kafka.bootstrap}"):
            await publish(
                endless,
                bootstrap=kafka.bootstrap,
                topic_prefix=prefix,
                progress=lambda _count, _seconds: kafka.kill(),
                producer_options={"request_timeout_ms": 1500},
            )
        assert not kafka.running
