"""Whatever a producer sends: it is counted or a dead letter, and the events behind it go on."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

from processor.core.panes import HOUR_MS
from schemas.errors import ErrorCode
from tests.harness.kafka import Record, end_offsets, producing, read_all, send
from tests.harness.state import StoredState
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment, WorkerProcess
from tests.streaming.owning import answer, now_ms

HEADERS = [("traceparent", b"00-1-2-03"), ("empty", b"")]


@pytest.fixture(scope="module")
def deployment(kafka_bootstrap: str, redis_url: str) -> Deployment:
    """Of all tests here: each counts under a channel of its own."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    return Deployment(kafka_bootstrap, redis_url, f"{name}.", name)


@pytest.fixture(scope="module", autouse=True)
def worker(
    deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerProcess]:
    """One worker that nothing here may end."""
    with WorkerProcess(deployment, tmp_path_factory.mktemp("worker")) as process:
        yield process
        assert process.running, process.log()


@pytest.fixture(autouse=True)
async def _ready(worker: WorkerProcess) -> None:
    if not worker.log_lines("ready, counting"):
        await worker.until_ready()


@pytest.fixture
def channel() -> str:
    """A test's own segment."""
    return f"c{uuid.uuid4().hex[:8]}"


def answers(channel: str, count: int) -> list[bytes]:
    """Events of one segment."""
    return [answer(n, event_id=f"{channel}-{n}", channel=channel) for n in range(count)]


async def counted(state: StoredState, channel: str, measure: str = "nps.9") -> int:
    """Answers of a segment in the stored minutes."""
    minutes = [by for (pane_ms, _), by in (await state.panes()).items() if pane_ms == 60_000]
    return sum(by[series][measure] for by in minutes if (series := f"channel={channel}") in by)


async def until_counted(state: StoredState, channel: str, count: int) -> None:
    await eventually(
        lambda: counted(state, channel), lambda n: n == count, what=f"{count} of {channel}"
    )


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_every_compression_is_read(
    deployment: Deployment, state: StoredState, channel: str, codec: str | None
) -> None:
    topic = deployment.topic("survey-response")
    records = (Record(topic, b"%d" % n, event) for n, event in enumerate(answers(channel, 500)))
    await send(deployment, records, compression_type=codec)
    await until_counted(state, channel, 500)


def survey(**fields: Any) -> bytes:
    """A survey answer that is wrong in these fields."""
    good = {"type": "survey_response", "event_id": "x", "survey": "nps", "score": 9}
    good["occurred_at"] = "2026-01-01T00:00:00Z"
    return json.dumps({k: v for k, v in (good | fields).items() if v is not None}).encode()


BAD: dict[str, tuple[bytes | None, ErrorCode, str]] = {
    "tombstone": (None, ErrorCode.EMPTY_VALUE, ""),
    "empty value": (b"", ErrorCode.EMPTY_VALUE, ""),
    "broken JSON": (b'{"type":', ErrorCode.INVALID_JSON, ""),
    "not UTF-8": (b'{"type":"\xff"}', ErrorCode.INVALID_JSON, ""),
    "not an object": (b"[1]", ErrorCode.NOT_AN_OBJECT, ""),
    "wrong type": (
        survey(type="session", session_id="s", action="end"),
        ErrorCode.WRONG_TYPE,
        "type",
    ),
    "missing field": (survey(score=None), ErrorCode.MISSING_FIELD, "score"),
    "invalid field": (survey(score="9"), ErrorCode.INVALID_FIELD, "score"),
    "oversize": (survey(comment="x" * 70_000), ErrorCode.TOO_LARGE, ""),
    "far future": (
        survey(occurred_at="2999-01-01T00:00:00Z"),
        ErrorCode.TOO_FAR_AHEAD,
        "occurred_at",
    ),
    "long ago": (
        survey(occurred_at="2001-01-01T00:00:00+02:00"),
        ErrorCode.TOO_LATE,
        "occurred_at",
    ),
    "impossible day": (
        survey(occurred_at="2026-02-30T00:00:00Z"),
        ErrorCode.INVALID_FIELD,
        "occurred_at",
    ),
}


@pytest.mark.parametrize("fault", BAD)
async def test_a_refused_record_is_a_dead_letter_and_the_next_one_counts(
    deployment: Deployment, state: StoredState, channel: str, fault: str
) -> None:
    value, code, field = BAD[fault]
    topic, key = deployment.topic("survey-response"), channel.encode()
    sent_ms = now_ms() - 5_000
    before, after = answers(channel, 2)
    records = (
        Record(topic, key, before),
        Record(topic, key, value, timestamp_ms=sent_ms, headers=HEADERS),
        Record(topic, key, after),
    )
    await send(deployment, records)
    await until_counted(state, channel, 2)
    # It is written before its offset is stored, so it is there by now.
    (letter,) = await letters_of(deployment, topic, key)
    assert letter.value == value
    assert letter.timestamp == sent_ms
    assert list(letter.headers[: len(HEADERS)]) == HEADERS
    (source,) = [
        r for r in await read_all(deployment, topic) if r.key == key and r.timestamp == sent_ms
    ]
    found = {name: text.decode() for name, text in letter.headers[len(HEADERS) :]}
    message = found.pop("cx.error.message")
    assert message
    assert found == {
        "cx.error.code": code,
        "cx.error.field": field,
        "cx.error.topic": topic,
        "cx.error.partition": str(source.partition),
        "cx.error.offset": str(source.offset),
    }


async def letters_of(deployment: Deployment, topic: str, key: bytes) -> list[Any]:
    """The dead letters of one key."""
    return [r for r in await read_all(deployment, f"{topic}.dlq") if r.key == key]


@pytest.mark.parametrize("large", ["value", "key"])
async def test_a_record_too_large_for_a_dead_letter_does_not_stop_the_events_behind_it(
    deployment: Deployment, state: StoredState, channel: str, large: str
) -> None:
    """Compressed it was small enough for its own topic."""
    topic, key = deployment.topic("survey-response"), channel.encode()
    before, after = answers(channel, 2)
    sent_ms = now_ms() - HOUR_MS  # at no other test's time
    bad = Record(
        topic,
        key + b"k" * 3_000_000 if large == "key" else key,
        b"x" * 3_000_000 if large == "value" else b"{",
        timestamp_ms=sent_ms,
        headers=HEADERS,
    )
    limits = {"max_request_size": 10_000_000, "max_batch_size": 10_000_000}
    records = (Record(topic, key, before), bad, Record(topic, key, after))
    await send(deployment, records, compression_type="gzip", **limits)
    await until_counted(state, channel, 2)
    letter = await letter_at(deployment, topic, sent_ms)
    headers = dict(letter.headers)
    assert headers["cx.error.code"] == (b"too_large" if large == "value" else b"invalid_json")
    assert headers["cx.error.truncated"] == (b"3000000" if large == "value" else b"1")
    assert letter.key == (key if large == "value" else None)
    assert ("traceparent" in headers) is (large == "value")
    assert bad.value is not None
    assert letter.value == bad.value[:16_384]


async def test_a_broker_that_takes_no_large_dead_letters_gets_the_start_of_it(
    deployment: Deployment, state: StoredState, channel: str
) -> None:
    topic, sent_ms = deployment.topic("purchase"), now_ms() - 8_000
    admin = AIOKafkaAdminClient(bootstrap_servers=deployment.bootstrap)
    await admin.start()
    limit = {"max.message.bytes": "30000"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, f"{topic}.dlq", limit)])
    await admin.close()
    await eventually(
        lambda: takes_large(deployment, f"{topic}.dlq"),
        lambda takes: takes == [],
        what="the limit in force, a moment after it was set",
    )
    await send(deployment, [Record(topic, b"k", b"y" * 200_000, timestamp_ms=sent_ms)])
    small = [Record(topic, b"k", b"{", timestamp_ms=sent_ms + n) for n in range(1, 30)]
    await send(deployment, small)
    order = {"type": "purchase", "event_id": channel, "customer_id": "c", "order_id": "o"}
    order |= {"occurred_at": datetime.now(UTC).isoformat(), "amount": "1", "currency": "USD"}
    event = json.dumps(order | {"dimensions": {"channel": channel}}).encode()
    await send(deployment, [Record(topic, b"k", event)])
    await eventually(
        lambda: counted(state, channel, "order.n.USD"), lambda n: n == 1, what="the order counted"
    )
    cut = await letter_at(deployment, topic, sent_ms)
    assert dict(cut.headers)["cx.error.truncated"] == b"200000"
    for n in range(1, 30):
        whole = await letter_at(deployment, topic, sent_ms + n)
        assert whole.value == b"{"


async def takes_large(deployment: Deployment, topic: str) -> list[int]:
    """The partitions that take more than 30 kB at once."""
    taken = []
    async with producing(deployment, compression_type=None) as producer:
        for number in sorted(await producer.partitions_for(topic)):
            with suppress(MessageSizeTooLargeError):
                await producer.send_and_wait(topic, b"z" * 40_000, partition=number)
                taken.append(number)
    return taken


async def letter_at(deployment: Deployment, topic: str, sent_ms: int) -> Any:
    """The dead letter of a record by its time; its partition may be behind the others."""

    async def find() -> list[Any]:
        letters = await read_all(deployment, f"{topic}.dlq")
        return [r for r in letters if r.timestamp == sent_ms]

    (letter,) = await eventually(find, what="the dead letter")
    return letter


async def test_a_committed_transaction_counts_and_leaves_no_lag(
    deployment: Deployment, state: StoredState, channel: str
) -> None:
    topic, key = deployment.topic("survey-response"), channel.encode()
    async with producing(deployment, transactional_id=channel) as producer:
        for event in answers(channel, 3):
            async with producer.transaction():
                await producer.send(topic, key=key, value=event)
    await until_counted(state, channel, 3)
    await eventually(
        lambda: lag(deployment, state),
        lambda found: found == 0,
        what="no lag behind control records",
    )


async def lag(deployment: Deployment, state: StoredState) -> int:
    """What the workers say of how far they are behind."""
    parts = await end_offsets(deployment, [deployment.topic("survey-response")])
    return sum([int((await state.meta(*part)).get("lag", 0)) for part in parts])


async def test_an_aborted_transaction_never_happened(
    deployment: Deployment, state: StoredState, channel: str
) -> None:
    topic, key = deployment.topic("survey-response"), channel.encode()
    kept, dropped = answers(channel, 1), answers(f"{channel}x", 5)
    async with producing(deployment, transactional_id=channel) as producer:
        await producer.begin_transaction()
        for event in dropped:
            await producer.send(topic, key=key, value=event)
        await producer.flush()
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send(topic, key=key, value=kept[0])
    await until_counted(state, channel, 1)
    assert await counted(state, f"{channel}x") == 0
    assert await letters_of(deployment, topic, key) == []


async def test_a_repeat_of_an_aborted_event_counts(
    deployment: Deployment, state: StoredState, channel: str
) -> None:
    """A producer whose transaction failed sends its events again, under the same ids."""
    topic, key = deployment.topic("survey-response"), channel.encode()
    events = answers(channel, 5)
    async with producing(deployment, transactional_id=channel) as producer:
        await producer.begin_transaction()
        for event in events[:3]:
            await producer.send(topic, key=key, value=event)
        await producer.abort_transaction()
        async with producer.transaction():
            for event in events:
                await producer.send(topic, key=key, value=event)
    await until_counted(state, channel, 5)


async def test_records_of_other_topics_are_left_alone(
    deployment: Deployment, state: StoredState, channel: str
) -> None:
    """Events of types that are not counted yet wait in their topics."""
    event = {"type": "loyalty", "event_id": channel, "customer_id": "c", "action": "activity"}
    event["occurred_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    await send(deployment, [Record(deployment.topic("loyalty"), b"c", json.dumps(event).encode())])
    (counted_one,) = answers(channel, 1)
    await send(deployment, [Record(deployment.topic("survey-response"), b"c", counted_one)])
    await until_counted(state, channel, 1)
    assert await read_all(deployment, deployment.topic("loyalty.dlq")) == []
