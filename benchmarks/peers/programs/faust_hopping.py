"""NPS by channel with Faust: a hopping table, five minutes, a step apart.

``python faust_hopping.py BOOTSTRAP TOPIC EVENTS STEP_S``. The table is in memory, Faust's default,
and has a changelog. It is this process's alone: with more workers, `stream.group_by` would have to
bring each channel's answers to one of them, through a topic of its own.
"""

import os
import signal
import sys
import uuid
from datetime import datetime, timedelta
from typing import cast

import faust
from faust.types import FieldDescriptorT, StreamT
from measured import Measured, Window

bootstrap, topic, events = sys.argv[1], sys.argv[2], int(sys.argv[3])
step = timedelta(seconds=int(sys.argv[4]))
measured = Measured(events)

app = faust.App(
    f"faust-hopping-{uuid.uuid4().hex[:8]}",
    broker=f"kafka://{bootstrap}",
    store="memory://",
    topic_partitions=4,
    web_enabled=False,
    worker_redirect_stdouts=False,
    stream_wait_empty=False,
)


class Dimensions(faust.Record, serializer="json"):
    """What an answer can be told apart by."""

    channel: str


class Answer(faust.Record, serializer="json"):
    """A survey answer."""

    occurred_at: datetime
    score: int
    dimensions: Dimensions


answers = app.topic(topic, value_type=Answer)
counts = app.Table("counts", default=int, partitions=4).hopping(
    timedelta(minutes=5), step, expires=timedelta(days=1)
)
# On the class, the field is its descriptor; type checkers know only what instances have.
by_event_time = counts.relative_to_field(cast("FieldDescriptorT[datetime]", Answer.occurred_at))


@app.agent(answers)
async def count(stream: StreamT[Answer]) -> None:
    """Count promoters, passives and detractors of each channel."""
    async for answer in stream:
        kind = (
            "promoters" if answer.score >= 9 else "passives" if answer.score >= 7 else "detractors"
        )
        by_event_time[f"{answer.dimensions.channel} {kind}"] += 1
        if measured.one():
            measured.say(windows())
            os.kill(os.getpid(), signal.SIGTERM)


def windows() -> list[Window]:
    """All windows of the table."""
    found: dict[tuple[int, str], dict[str, int]] = {}
    for (key, (start, _end)), number in counts.table.data.items():
        channel, _, kind = key.partition(" ")
        found.setdefault((int(start * 1000), channel), {})[kind] = number
    return [
        (start, channel, *(kinds.get(kind, 0) for kind in ("promoters", "passives", "detractors")))
        for (start, channel), kinds in found.items()
    ]


if __name__ == "__main__":
    worker = faust.Worker(app, loglevel="error")
    worker.spinner = None  # it would have every debug record made, also in libraries
    worker.execute_from_commandline()
