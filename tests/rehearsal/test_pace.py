"""How fast events come, looked at by a consumer of the replay's topics."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from processor.rehearsal import KafkaReplay, replay_through_kafka
from processor.settings import Settings
from schemas.timestamps import format_rfc3339
from tests.rehearsal.conftest import START_MS


def evenly(path: Path, over_ms: int, count: int) -> Path:
    """A log of so many likes at equal distances."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count + 1):
            event = {
                "type": "social",
                "event_id": f"e{number}",
                "occurred_at": format_rfc3339(START_MS + over_ms * number // count),
                "action": "like",
            }
            file.write(json.dumps(event) + "\n")
    return path


@contextmanager
def played(replay: KafkaReplay) -> Iterator[None]:
    """The replay in a thread of its own, to its end."""
    playing = threading.Thread(target=lambda: list(replay))
    playing.start()
    try:
        yield
    finally:
        playing.join()


@pytest.mark.parametrize(
    ("speed", "seconds", "tolerance"),
    [
        pytest.param(10.0, 5, 0.25, id="short"),
        pytest.param(1.0, 60, 0.01, id="as-it-was", marks=pytest.mark.soak),
        pytest.param(60.0, 60, 0.01, id="a-minute-a-second", marks=pytest.mark.soak),
    ],
)
@pytest.mark.timeout(200)
async def test_events_come_at_the_speed(
    settings: Settings, tmp_path: Path, speed: float, seconds: int, tolerance: float
) -> None:
    count = 20 * seconds
    log = evenly(tmp_path / "even.jsonl", int(seconds * speed * 1000), count)
    # Workers have no part in it.
    replay = replay_through_kafka(
        [log], settings=settings, final=True, speed=speed, partitions=1, topic_prefix=None
    )
    topic = f"{replay.settings.kafka.topic_prefix}social"
    came: list[float] = []
    replay_thread = played(replay)
    with replay_thread:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka.bootstrap,
            auto_offset_reset="earliest",
            metadata_max_age_ms=200,
        )
        await consumer.start()
        try:
            consumer.subscribe([topic])
            while len(came) < count + 1:
                async with asyncio.timeout(100):
                    record = await consumer.getone()
                if record.value is not None:
                    came.append(time.monotonic())
        finally:
            await consumer.stop()
    # The first few were in the log before the consumer had found it.
    begin = count // 5
    expected_s = seconds * (count - begin) / count
    assert came[-1] - came[begin] == pytest.approx(expected_s, rel=tolerance)
