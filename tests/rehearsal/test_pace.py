"""How fast events come, by the clock of the broker."""

import asyncio
import json
from pathlib import Path
from typing import Final

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from processor.rehearsal import replay_through_kafka
from processor.rehearsal.naming import fresh_prefix
from processor.settings import Settings
from schemas.timestamps import format_rfc3339
from tests.harness.kafka import read_all
from tests.harness.worker import Deployment
from tests.rehearsal.conftest import START_MS

LOG_APPEND_TIME: Final = 1


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


async def create_stamped(bootstrap: str, topic: str) -> None:
    """A topic whose records say when the broker got them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        configs = {"message.timestamp.type": "LogAppendTime"}
        await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=configs)])
    finally:
        await admin.close()


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
    count, topic_prefix = 20 * seconds, fresh_prefix()
    log = evenly(tmp_path / "even.jsonl", int(seconds * speed * 1000), count)
    topic = f"{topic_prefix}social"
    await create_stamped(settings.kafka.bootstrap, topic)
    replay = replay_through_kafka(
        [log],
        settings=settings,
        final=True,
        speed=speed,
        partitions=1,
        topic_prefix=topic_prefix,
        keep=True,
    )
    await asyncio.to_thread(list, replay)
    deployment = Deployment(settings.kafka.bootstrap, "", topic_prefix, "")
    events = [one for one in await read_all(deployment, topic) if one.value is not None]
    assert {one.timestamp_type for one in events} == {LOG_APPEND_TIME}
    assert len(events) == count + 1
    # A machine that stops for a moment makes some late, and those behind them come in time again:
    # the least late of each half tell the speed.
    late_s = [one.timestamp / 1000 - number * seconds / count for number, one in enumerate(events)]
    earlier, later = min(late_s[: count // 2]), min(late_s[count // 2 :])
    assert later - earlier == pytest.approx(0, abs=tolerance * seconds / 2)
