"""NPS by channel with Quix Streams: a hopping window, five minutes, a step apart.

``python quix_hopping.py BOOTSTRAP TOPIC EVENTS STEP_S``. State is in RocksDB, with changelog
topics, as by default. Windows are by the message's key, so the answers are grouped by channel
first: through a topic of its own, unless the log has one partition.
"""

import sys
import uuid
from datetime import datetime, timedelta
from typing import Any

from measured import Measured
from quixstreams import Application
from quixstreams.dataframe.windows import Reduce

bootstrap, topic, events = sys.argv[1], sys.argv[2], int(sys.argv[3])
step = timedelta(seconds=int(sys.argv[4]))
measured = Measured(events)
windows: dict[tuple[int, str], list[int]] = {}


def occurred_at(value: Any, _headers: Any, _timestamp: float, _type: Any) -> int:
    """When it happened, in ms."""
    return round(datetime.fromisoformat(value["occurred_at"]).timestamp() * 1000)


def first(answer: Any) -> list[int]:
    """Promoters, passives and detractors of one answer."""
    return added([0, 0, 0], answer)


def added(counts: list[int], answer: Any) -> list[int]:
    """And of one more."""
    score = answer["score"]
    counts[0 if score >= 9 else 1 if score >= 7 else 2] += 1
    return counts


def processed(name: str, _partition: int, _offset: int) -> None:
    """Stop after the last answer that came to its window."""
    measured.first()
    if name.startswith(counted_in) and measured.one():
        app.stop()


app = Application(
    broker_address=bootstrap,
    consumer_group=f"quix-hopping-{uuid.uuid4().hex[:8]}",
    auto_offset_reset="earliest",
    on_message_processed=processed,
    loglevel="WARNING",
)
answers = app.topic(topic, value_deserializer="json", timestamp_extractor=occurred_at)
sdf = app.dataframe(answers)
sdf = sdf.group_by(lambda answer: answer["dimensions"]["channel"], name="channel")
counted_in = "repartition__" if answers.broker_config.num_partitions > 1 else topic
sdf = (
    sdf.hopping_window(
        duration_ms=timedelta(minutes=5),
        step_ms=step,
        grace_ms=timedelta(hours=1),
    )
    .agg(counts=Reduce(added, first))
    .current()
)


def keep(value: Any, key: Any, _timestamp: int, _headers: Any) -> None:
    """Keep the latest result of each window."""
    windows[value["start"], key if isinstance(key, str) else key.decode()] = value["counts"]


sdf.update(keep, metadata=True)

if __name__ == "__main__":
    app.run()
    measured.say((start, channel, *counts) for (start, channel), counts in windows.items())
