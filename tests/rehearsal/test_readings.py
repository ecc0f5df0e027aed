"""Readings of a replay through Kafka are those of one process, to the last byte."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from redis.asyncio import Redis

from processor.rehearsal import KafkaReplay, RehearsalError, replay_through_kafka
from processor.replay import Selection, to_line
from processor.settings import Settings
from schemas.events import EventType
from tests.harness.waiting import eventually
from tests.rehearsal.conftest import START_MS, Expected


def written(replay: KafkaReplay) -> str:
    return "".join(map(to_line, replay))


@pytest.mark.parametrize(
    ("counted_by", "options"),
    [
        pytest.param((1, 1), {"every_ms": 300_000}, id="one-worker"),
        pytest.param((3, 8), {"every_ms": 300_000, "speed": 500.0}, id="three-workers-paced"),
        pytest.param((1, 8), {"final": True}, id="only-at-the-end"),
        pytest.param((3, 8), {"final": True}, id="end-three-workers", marks=pytest.mark.soak),
        pytest.param((3, 1), {"every_ms": 10_000}, id="every-10s", marks=pytest.mark.soak),
        pytest.param(
            (1, 8), {"every_ms": 60_000, "speed": 10.0}, id="speed-10", marks=pytest.mark.soak
        ),
    ],
)
@pytest.mark.timeout(400)
def test_the_same_as_in_one_process(
    settings: Settings,
    log_file: Path,
    expected: Expected,
    counted_by: tuple[int, int],
    options: dict[str, Any],
) -> None:
    workers, partitions = counted_by
    replay = replay_through_kafka(
        [log_file], settings=settings, workers=workers, partitions=partitions, **options
    )
    options.pop("speed", None)
    assert written(replay) == expected(**options)
    summary = replay.summary
    assert summary.total("rejected") == 2
    assert summary.total("counted") + summary.total("repeats") + 2 == summary.lines
    assert len(summary.shown) == 2


async def test_nothing_is_left_behind(
    settings: Settings, redis_url: str, log_file: Path, kafka_bootstrap: str
) -> None:
    replay = replay_through_kafka(
        [log_file], settings=settings, final=True, selection=Selection(to_ms=START_MS + 60_000)
    )
    assert await asyncio.to_thread(written, replay)
    client = Redis.from_url(redis_url)
    try:
        assert not [k async for k in client.scan_iter(f"{replay.settings.redis.prefix}*")]
    finally:
        await client.aclose()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)

    async def topics() -> list[str]:
        names = await admin.list_topics()
        return [n for n in names if n.startswith(replay.settings.kafka.topic_prefix)]

    await admin.start()
    try:
        # A broker lists them for a little longer than its controller has them.
        await eventually(topics, lambda names: not names, what="no topics")
    finally:
        await admin.close()


def test_without_an_event_there_is_no_reading(settings: Settings, log_file: Path) -> None:
    replay = replay_through_kafka(
        [log_file],
        settings=settings,
        workers=0,
        selection=Selection(types=frozenset({EventType.SESSION}), to_ms=START_MS - 1),
    )
    assert written(replay) == ""


def test_a_prefix_of_its_own(settings: Settings, log_file: Path) -> None:
    with pytest.raises(RehearsalError, match="live topics"):
        replay_through_kafka([log_file], settings=settings, topic_prefix="cx.events.")
    with pytest.raises(RehearsalError, match="cannot be a topic prefix"):
        replay_through_kafka([log_file], settings=settings, topic_prefix="a b")


def test_another_replay_under_the_prefix_is_refused(
    settings: Settings, log_file: Path, topic_prefix: str
) -> None:
    first = replay_through_kafka(
        [log_file], settings=settings, topic_prefix=topic_prefix, final=True, workers=0
    )
    first.open()
    first.close()
    second = replay_through_kafka(
        [log_file], settings=settings, topic_prefix=topic_prefix, every_ms=1_000, workers=0
    )
    with pytest.raises(RehearsalError, match="another replay is under way"):
        list(second)
