"""Event topics of a real Kafka in a log file."""

import asyncio
import base64
import gzip
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from processor.recording import (
    Progress,
    Reason,
    RecordingError,
    RequestError,
    record,
    recorder,
)
from processor.recording.spans import spans_of
from processor.replay import read_log
from processor.settings import KafkaSettings
from schemas.events import EventType
from tests.harness.events import LoggedEvent, Times, event_log
from tests.harness.kafka import Record, create_topics, producing, send, send_all
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment
from tests.replay.replays import run as replayed

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(60)]

TYPES = (EventType.SURVEY_RESPONSE, EventType.PURCHASE, EventType.SESSION)
SEED = 17
ONE: Final = (EventType.PURCHASE,)


@pytest.fixture
async def deployment(kafka_bootstrap: str, topic_prefix: str) -> Deployment:
    made = Deployment(kafka_bootstrap, "", topic_prefix, "")
    await create_topics(made, partitions=3)
    return made


@pytest.fixture
def kafka(deployment: Deployment) -> KafkaSettings:
    return KafkaSettings(
        bootstrap=deployment.bootstrap, topic_prefix=deployment.topic_prefix, types=TYPES
    )


@pytest.fixture
def began_ms() -> int:
    """Recent: retention goes by the records' timestamps."""
    return time.time_ns() // 1_000_000 - 3_600_000


def lines(path: Path) -> list[bytes]:
    return [line for chunk in read_log(path) for line in chunk.lines]


def purchase(number: int) -> bytes:
    return b'{"type":"purchase","event_id":"e%d"}' % number


def to_purchases(
    deployment: Deployment, values: Mapping[int, bytes | None], began_ms: int
) -> Iterator[Record]:
    """Records with keys that spread them over partitions."""
    for number, value in values.items():
        yield Record(deployment.topic("purchase"), b"%d" % number, value, began_ms + number)


def is_json(event: LoggedEvent) -> bool:
    return event.value not in {b"", b"{"}


async def test_a_recording_is_what_was_sent_in_its_order(
    deployment: Deployment, kafka: KafkaSettings, tmp_path: Path, began_ms: int
) -> None:
    log = event_log(4_000, SEED, Times.until(began_ms, began_ms))
    records = [
        Record(deployment.topic(event.topic), event.key, event.value, began_ms + number)
        for number, event in enumerate(log)
    ]
    for kind, part in (
        ("lz4", records[:1500]),
        ("zstd", records[1500:3000]),
        ("gzip", records[3000:]),
    ):
        await send(deployment, part, compression_type=kind)
    out, rejects, positions = (tmp_path / name for name in ("log.zst", "rejects", "positions.gz"))
    told: list[Progress] = []
    recording = await record(kafka, out, rejects=rejects, positions=positions, progress=told.append)

    misplaced = b'{"type":"purchase"}'  # on the topic of answers: a worker refuses it
    expected = [e.value for e in log if is_json(e) and e.value != misplaced]
    assert lines(out) == expected
    assert recording.lines == len(expected)
    assert recording.bytes == sum(map(len, expected)) + len(expected)
    assert recording.first_ms is not None
    assert recording.first_ms >= began_ms
    assert not recording.stopped
    assert told[-1].done == told[-1].total == len(log)

    kept = [json.loads(line) for line in rejects.read_bytes().splitlines()]
    assert Counter(row["reason"] for row in kept) == recording.rejected
    assert {row["timestamp"]: base64.b64decode(row["value"]) for row in kept} == {
        began_ms + number: event.value
        for number, event in enumerate(log)
        if not is_json(event) or event.value == misplaced
    }
    places = [json.loads(line) for line in gzip.decompress(positions.read_bytes()).splitlines()]
    assert [log[place["timestamp"] - began_ms].value for place in places] == expected
    in_partition: dict[tuple[str, int], int] = {}
    for place in places:
        before = in_partition.get((place["topic"], place["partition"]), -1)
        assert before < place["offset"]
        in_partition[place["topic"], place["partition"]] = place["offset"]
    assert len(in_partition) == 9
    assert sorted(os.listdir(tmp_path)) == ["log.zst", "positions.gz", "rejects"]  # noqa: PTH208 - quick

    # Replayed, it says what the events say.
    sent = tmp_path / "sent.jsonl"
    sent.write_bytes(b"".join(event.value + b"\n" for event in log))
    now_ms = began_ms + 60_000
    assert list(replayed(out, now_ms=now_ms, final=True)) == list(
        replayed(sent, now_ms=now_ms, final=True)
    )


async def test_only_what_was_committed(
    deployment: Deployment, kafka: KafkaSettings, tmp_path: Path, began_ms: int
) -> None:
    def part(first: int) -> Iterator[Record]:
        values = {number: purchase(number) for number in range(first, first + 20)}
        return to_purchases(deployment, values, began_ms)

    async with producing(deployment, transactional_id=deployment.topic_prefix) as producer:
        async with producer.transaction():
            await send_all(producer, part(0))
        await producer.begin_transaction()
        await send_all(producer, part(20))
        await producer.abort_transaction()
        async with producer.transaction():
            await send_all(producer, part(40))
        await producer.begin_transaction()
        await send_all(producer, part(60))
        # Left open: what comes behind it is not the past yet, and is not waited for.
        recording = await record(kafka, tmp_path / "log", types=ONE)
        await producer.abort_transaction()
    assert lines(tmp_path / "log") == [purchase(n) for n in (*range(20), *range(40, 60))]
    assert recording.lines == 40


async def test_a_time_range_is_exact_though_timestamps_are_in_disorder(
    deployment: Deployment, kafka: KafkaSettings, tmp_path: Path, began_ms: int
) -> None:
    order = [n ^ 5 for n in range(64)]
    values = {number: purchase(number) for number in order}
    await send(deployment, to_purchases(deployment, values, began_ms))
    for first, end in ((10, 30), (None, 7), (50, None), (64, None)):
        recording = await record(
            kafka,
            tmp_path / "log",
            from_ms=None if first is None else began_ms + first,
            to_ms=None if end is None else began_ms + end,
            types=ONE,
        )
        wanted = range(first or 0, 64 if end is None else end)
        assert sorted(lines(tmp_path / "log")) == sorted(map(purchase, wanted))
        assert recording.lines == len(wanted)
    with pytest.raises(RequestError, match="not after its start"):
        await record(kafka, tmp_path / "log", from_ms=7, to_ms=7)


async def test_following_until_told(
    deployment: Deployment, kafka: KafkaSettings, tmp_path: Path, began_ms: int
) -> None:
    stop, told = asyncio.Event(), [0]

    def progress(how: Progress) -> None:
        assert how.following
        told.append(how.lines)

    async def lines_so_far() -> int:
        return told[-1]

    await send(deployment, to_purchases(deployment, {0: purchase(0)}, began_ms))
    out = tmp_path / "log"
    run = asyncio.create_task(
        record(kafka, out, follow=True, stop=stop, progress=progress, types=ONE)
    )
    for number in (1, 2):
        await eventually(lines_so_far, number.__eq__, what=f"{number} lines")
        await send(deployment, to_purchases(deployment, {number: purchase(number)}, began_ms))
    await eventually(lines_so_far, lambda n: n == 3, what="the last line")
    assert not out.exists()
    assert lines(tmp_path / "log.partial") == [purchase(n) for n in range(3)]
    stop.set()
    recording = await run
    assert (recording.lines, recording.stopped) == (3, False)
    assert lines(out) == [purchase(n) for n in range(3)]
    assert not (tmp_path / "log.partial").exists()


async def test_following_to_a_time_that_is_to_come(
    deployment: Deployment, kafka: KafkaSettings, tmp_path: Path
) -> None:
    now_ms = time.time_ns() // 1_000_000
    values = {n: purchase(n) for n in (0, 1, 2_999, 3_000)}
    await send(deployment, to_purchases(deployment, values, now_ms))
    recording = await record(kafka, tmp_path / "log", to_ms=now_ms + 3_000, types=ONE)
    assert time.time_ns() // 1_000_000 >= now_ms + 3_000
    assert sorted(lines(tmp_path / "log")) == sorted(map(purchase, (0, 1, 2_999)))
    assert (recording.outside, recording.stopped) == (1, False)


async def test_a_missing_topic_is_said_and_not_created(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    elsewhere = kafka.model_copy(update={"topic_prefix": f"{kafka.topic_prefix}none."})
    for _ in range(2):
        with pytest.raises(RecordingError, match=r"no topic .*none\.purchase in Kafka"):
            await record(elsewhere, tmp_path / "log", types=ONE)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - quick


async def test_what_retention_takes_away_meanwhile_is_counted(
    deployment: Deployment,
    kafka: KafkaSettings,
    tmp_path: Path,
    began_ms: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = {number: purchase(number) for number in range(30)}
    await send(deployment, to_purchases(deployment, values, began_ms))
    deleted = 0

    async def and_then_delete(*arguments: Any) -> Any:
        nonlocal deleted
        spans = await spans_of(*arguments)
        admin = AIOKafkaAdminClient(bootstrap_servers=deployment.bootstrap)
        await admin.start()
        try:
            part, span = next((p, s) for p, s in spans.items() if s.end > 3)
            deleted = 3
            await admin.delete_records({part: RecordsToDelete(before_offset=3)})
        finally:
            await admin.close()
        del span
        return spans

    monkeypatch.setattr(recorder, "spans_of", and_then_delete)
    recording = await record(kafka, tmp_path / "log", types=ONE)
    assert recording.lost == deleted == 3
    assert recording.lines == 27


async def test_records_without_a_value_and_over_several_lines(
    deployment: Deployment, kafka: KafkaSettings, tmp_path: Path, began_ms: int
) -> None:
    spread = b'{\r\n  "type": "purchase",\n  "comment": "a\\nb"\n}'
    values: dict[int, bytes | None] = {
        0: spread,
        1: None,
        2: b"\xff{}",
        3: b"{} {}",
        4: b'{"type":"session"}',
        5: b" \n",
    }
    await send(deployment, to_purchases(deployment, values, began_ms))
    recording = await record(kafka, tmp_path / "log", rejects=tmp_path / "rejects.gz", types=ONE)
    (line,) = lines(tmp_path / "log")
    assert json.loads(line) == json.loads(spread)
    assert len(line) == len(spread)
    assert recording.rejected == Counter(
        {Reason.NO_VALUE: 1, Reason.NOT_UTF8: 1, Reason.NOT_JSON: 2, Reason.WRONG_TOPIC: 1}
    )
    kept = [json.loads(line) for line in lines(tmp_path / "rejects.gz")]
    assert [row["value"] for row in kept][:2] == [None, base64.b64encode(b"\xff{}").decode()]
    assert [base64.b64decode(row["key"]) for row in kept] == [b"1", b"2", b"3", b"4", b"5"]
    assert TopicPartition(kept[0]["topic"], 0).topic == deployment.topic("purchase")


def test_files_are_of_their_own(tmp_path: Path) -> None:
    async def run() -> None:
        await record(KafkaSettings(), tmp_path / "log", rejects=tmp_path / "." / "log")

    with pytest.raises(RequestError, match="files of their own"):
        asyncio.run(run())
