"""What happened in the hour that the page shows: events that are known to the last one.

They are of its last part, so that the window of an hour holds all of them while the tests last.
"""

import json
import random
import time
from typing import Any, Final

from schemas.timestamps import format_rfc3339
from tests.harness.kafka import Record
from tests.harness.worker import Deployment

MARKUP: Final = "<script>window.broken = 1</script>"
QUOTES: Final = "\"'><img src=x onerror='window.broken=2'>, a: b*%"
EMOJI: Final = "🦊 café"
LONGEST: Final = "x" * 64
ODD: Final = (MARKUP, QUOTES, EMOJI, LONGEST)
"""Values of a dimension that are nothing but text."""

_SEED: Final = 7
_MINUTE_MS: Final = 60_000
_OLDEST_MS: Final = 25 * _MINUTE_MS
_CHANNELS: Final = {"web": 120, "email": 90, "app": 60, "fax": 12}
_PEOPLE: Final = dict.fromkeys(ODD, 40)
_TOPICS: Final = {"survey_response": "survey-response", "session": "session"}


def hour(now_ms: int | None = None) -> list[dict[str, Any]]:
    """Answers and visits of the last 25 minutes, in order of time; the same for the same now."""
    chance = random.Random(_SEED)
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    made: list[tuple[int, dict[str, Any]]] = []
    for channel, people in {**_CHANNELS, **_PEOPLE}.items():
        for person in range(people):
            at_ms = now_ms - chance.randint(_MINUTE_MS, _OLDEST_MS)
            made += [(at_ms, answer) for answer in answers(chance, channel)]
            made += visit(chance, channel, f"{channel}-{person}", at_ms)
    made.sort(key=lambda each: each[0])
    return [
        {"event_id": f"e{number}", "occurred_at": format_rfc3339(at_ms), **event}
        for number, (at_ms, event) in enumerate(made)
    ]


def answers(chance: random.Random, channel: str) -> list[dict[str, Any]]:
    """One answer to each of three questions."""
    about = {"type": "survey_response", "dimensions": {"channel": channel}}
    return [
        {**about, "survey": "nps", "score": chance.choice((2, 6, 7, 8, 9, 9, 10, 10))},
        {**about, "survey": "csat", "score": chance.choice((1, 3, 4, 4, 5, 5))},
        {**about, "survey": "ces", "score": chance.randint(3, 7)},
    ]


def visit(
    chance: random.Random, channel: str, name: str, at_ms: int
) -> list[tuple[int, dict[str, Any]]]:
    """A session that ends: what it is counted as is known at once."""
    actions = ["page_view", "impression"]
    if chance.random() < 0.6:
        actions += ["page_view", "click"]
    about = {"type": "session", "session_id": name, "dimensions": {"channel": channel}}
    return [
        (at_ms + 1000 * step, {**about, "action": action})
        for step, action in enumerate([*actions, "end"])
    ]


def praise(count: int, channel: str = "web") -> list[dict[str, Any]]:
    """Answers of promoters, just now; each call others."""
    now_ms = time.time_ns() // 1_000_000
    return [
        {
            "event_id": f"praise-{now_ms}-{number}",
            "type": "survey_response",
            "occurred_at": format_rfc3339(now_ms),
            "survey": "nps",
            "score": 10,
            "dimensions": {"channel": channel},
        }
        for number in range(count)
    ]


def records(deployment: Deployment, events: list[dict[str, Any]]) -> list[Record]:
    """The events as they are sent."""
    return [
        Record(
            deployment.topic(_TOPICS[event["type"]]),
            event.get("session_id", event["event_id"]).encode(),
            json.dumps(event).encode(),
        )
        for event in events
    ]
