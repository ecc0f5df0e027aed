"""Streams to look at, and metrics computed from them the long way round."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from statistics import fmean
from typing import Any

from processor.simulation import parse_incident, simulate

START_MS = 1_772_355_600_000
"""2026-03-01T09:00:00Z."""

Event = dict[str, Any]


@cache
def stream(
    *incidents: str,
    rate: float = 250.0,
    duration_s: float = 120.0,
    only: str | None = None,
) -> tuple[Event, ...]:
    """Returns the events of a run from :data:`START_MS`; tests read them only.

    Args:
        incidents: as on the command line.
        rate: events per second.
        duration_s: seconds.
        only: the one type of event; by default all.
    """
    return tuple(
        simulate(
            seed=7,
            rate=rate,
            start_ms=START_MS,
            duration_s=duration_s,
            incidents=[parse_incident(text) for text in incidents],
            mix=None if only is None else {only: 1.0},
        )
    )


def ms(text: str) -> int:
    """Returns the epoch milliseconds of a timestamp."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def seconds(event: Event) -> float:
    """Returns when an event occurred, in seconds after :data:`START_MS`."""
    return (ms(event["occurred_at"]) - START_MS) / 1000


def of_type(events: Iterable[Event], kind: str) -> list[Event]:
    return [event for event in events if event["type"] == kind]


def within(events: Iterable[Event], start_s: float, end_s: float) -> list[Event]:
    return [event for event in events if start_s <= seconds(event) < end_s]


def where(events: Iterable[Event], **dimensions: str) -> list[Event]:
    return [event for event in events if dimensions.items() <= event.get("dimensions", {}).items()]


def sessions(events: Iterable[Event]) -> Mapping[str, list[Event]]:
    """Returns the actions of each session, in order."""
    found: dict[str, list[Event]] = defaultdict(list)
    for event in of_type(events, "session"):
        found[event["session_id"]].append(event)
    return found


def actions(events: Iterable[Event], action: str) -> list[Event]:
    return [event for event in events if event.get("action") == action]


def nps(events: Iterable[Event]) -> float:
    answers = [event for event in events if event.get("survey") == "nps"]
    signs: list[int] = []
    for answer in answers:
        promoter, detractor = (5, 3) if answer.get("scale") == 5 else (9, 6)
        signs.append((answer["score"] >= promoter) - (answer["score"] <= detractor))
    return 100 * fmean(signs)


def csat(events: Iterable[Event]) -> float:
    satisfied = {5: 4, 7: 6, 10: 8}
    answers: list[bool] = [
        event["score"] >= satisfied[event.get("scale", 5)]
        for event in events
        if event.get("survey") == "csat"
    ]
    return 100 * sum(answers) / len(answers)


def ctr(events: Iterable[Event]) -> float:
    acts = of_type(events, "session")
    return 100 * len(actions(acts, "click")) / len(actions(acts, "impression"))


def bounce_rate(events: Iterable[Event], *, begun: tuple[float, float]) -> float:
    """Returns the percentage of bounces of the closed sessions begun in a span of seconds."""
    views = [
        len(actions(acts, "page_view"))
        for acts in sessions(events).values()
        if begun[0] <= seconds(acts[0]) < begun[1] and acts[-1]["action"] == "end"
    ]
    return 100 * sum(view == 1 for view in views) / len(views)


def mean_delay(events: Iterable[Event], action: str) -> float:
    """Returns the mean seconds since the opening of tickets that reach a state."""
    delays = [
        (ms(event["occurred_at"]) - ms(event["opened_at"])) / 1000
        for event in actions(of_type(events, "support_ticket"), action)
    ]
    return fmean(delays)
