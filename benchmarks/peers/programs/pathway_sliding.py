"""NPS by channel with Pathway: a sliding window, five minutes, a step apart.

``python pathway_sliding.py BOOTSTRAP TOPIC EVENTS STEP_S``. One worker, without persistence; the
log is read to its end.
"""

import sys
from datetime import timedelta
from typing import Any

import pathway as pw
from measured import Measured

bootstrap, topic, events = sys.argv[1], sys.argv[2], int(sys.argv[3])
step = timedelta(seconds=int(sys.argv[4]))
measured = Measured(events)


class Answer(pw.Schema):
    """A survey answer."""

    occurred_at: str
    score: int
    channel: str


answers = pw.io.kafka.read(
    {"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"},
    topic=topic,
    format="json",
    schema=Answer,
    json_field_paths={"channel": "/dimensions/channel"},
    mode="static",
)
answers = answers.with_columns(at=answers.occurred_at.dt.strptime("%Y-%m-%dT%H:%M:%S%.fZ"))
counted = answers.windowby(
    answers.at,
    window=pw.temporal.sliding(hop=step, duration=timedelta(minutes=5)),
    instance=answers.channel,
).reduce(
    start=pw.this._pw_window_start,  # noqa: SLF001 - its documented name
    channel=pw.this._pw_instance,  # noqa: SLF001 - the same
    answers=pw.reducers.count(),
    promoters=pw.reducers.sum(pw.cast(int, pw.this.score >= 9)),
    detractors=pw.reducers.sum(pw.cast(int, pw.this.score <= 6)),
)
windows: dict[Any, tuple[int, str, int, int, int]] = {}


def keep(key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
    """Keep the latest result of each window."""
    del time
    if is_addition:
        start_ms = round(row["start"].timestamp() * 1000)
        passives = row["answers"] - row["promoters"] - row["detractors"]
        windows[key] = start_ms, row["channel"], row["promoters"], passives, row["detractors"]


pw.io.subscribe(counted, keep)

if __name__ == "__main__":
    measured.begin()
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    measured.end()
    measured.say(windows.values())
