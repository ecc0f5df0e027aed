"""NPS by channel with Bytewax: a sliding window, five minutes, a step apart.

``python bytewax_sliding.py BOOTSTRAP TOPIC EVENTS STEP_S``. One worker, without recovery. Each
partition is read as fast as it comes, so the wait for late answers is as long as the log: with a
shorter one some would be late by luck alone. In order of arrival is quicker than `ordered`, the
default, and counts the same.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, SlidingWindower
from bytewax.run import cli_main
from bytewax.testing import TestingSink
from measured import Measured

bootstrap, topic, events = sys.argv[1], sys.argv[2], int(sys.argv[3])
step = timedelta(seconds=int(sys.argv[4]))
measured = Measured(events)

MILLISECOND = timedelta(milliseconds=1)
Counts = tuple[int, int, int]
"""Promoters, passives, detractors."""


def parse(message: Any) -> tuple[str, tuple[datetime, int]]:
    """Channel, and when which score was given."""
    measured.first()
    answer = json.loads(message.value)
    at = datetime.fromisoformat(answer["occurred_at"])
    return answer["dimensions"]["channel"], (at, answer["score"])


def add(counts: Counts, answer: tuple[datetime, int]) -> Counts:
    """One more answer."""
    promoters, passives, detractors = counts
    score = answer[1]
    if score >= 9:
        return promoters + 1, passives, detractors
    if score >= 7:
        return promoters, passives + 1, detractors
    return promoters, passives, detractors + 1


def merge(one: Counts, other: Counts) -> Counts:
    """Sliding windows never merge, but the operator asks for it."""
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


flow = Dataflow("nps")
messages = kop.input("answers", flow, brokers=[bootstrap], topics=[topic], tail=False)
answers = op.map("parse", messages.oks, parse)
align_to = datetime(2020, 1, 1, tzinfo=UTC)
counted = win.fold_window(
    "count",
    answers,
    EventClock(ts_getter=lambda answer: answer[0], wait_for_system_duration=timedelta(days=1)),
    SlidingWindower(length=timedelta(minutes=5), offset=step, align_to=align_to),
    builder=lambda: (0, 0, 0),
    folder=add,
    merger=merge,
    ordered=False,
)
results: list[tuple[str, tuple[int, Counts]]] = []
op.output("results", counted.down, TestingSink(results))

if __name__ == "__main__":
    cli_main(flow)
    measured.end()
    begin_ms = int(align_to.timestamp() * 1000)
    measured.say(
        (begin_ms + number * step // MILLISECOND, channel, *counts)
        for channel, (number, counts) in results
    )
