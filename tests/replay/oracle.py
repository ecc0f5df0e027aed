"""The contract computed the long way, from its text alone: nothing of the processor is used.

Slow and plain on purpose. Every reading is computed anew from all events: those in its window
are looked for one by one, and sessions are cut from the sorted actions of each id.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from tests.replay import oracle_relations
from tests.replay.oracle_buyers import BUYERS
from tests.replay.oracle_relations import RELATIONS, Asked

Event = dict[str, Any]
Said = tuple[float | None, int]
"""Value and n."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SESSION_TIMEOUT_MS = 30 * 60_000
SESSION_LONGEST_MS = 24 * 3_600_000
MINOR_DIGITS = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}

ELSEWHERE: Mapping[str, Callable[[Asked], Said]] = {**RELATIONS, **BUYERS}


@dataclass(frozen=True)
class Closed:
    first_ms: int
    last_ms: int
    actions: tuple[str, ...]
    dimensions: tuple[tuple[str, str], ...]


def to_ms(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


def valid_events(lines: Iterable[bytes]) -> list[Event]:
    """Valid events without repeats, in order of arrival."""
    events: dict[str, Event] = {}
    for line in lines:
        event = valid(line)
        if event is not None:
            events.setdefault(event["event_id"], event)
    return list(events.values())


def valid(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or not _common(event):
        return None
    check = CHECKS.get(str(event.get("type")))
    if check is None or not check(event):
        return None
    return {"dimensions": {}, **event, "at": to_ms(event["occurred_at"])}


def _common(event: Event) -> bool:
    identity, time = event.get("event_id"), event.get("occurred_at")
    return (
        isinstance(identity, str)
        and 1 <= len(identity) <= 128
        and isinstance(time, str)
        and (time.endswith("Z") or time[-6:-5] in {"+", "-"})
    )


def _survey(event: Event) -> bool:
    score, scale = event.get("score"), event.get("scale")
    match event.get("survey"):
        case "nps":
            return _within(score, *((0, 10) if scale is None else (1, 5)))
        case "csat":
            low = {None: 0, 5: 0, 7: 1, 10: 1}.get(scale)
            return low is not None and _within(score, low, 5 if scale is None else int(scale))
        case "ces":
            return _within(score, 1, 7)
        case "cli":
            answers: Event = event.get("answers", {})
            return all(
                _within(answers.get(question), 1, 6)
                for question in ("recommend", "repurchase", "try_other")
            )
        case "emotion":
            return str(event.get("emotion")) in {"positive", "neutral", "negative"}
    return False


def _within(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _purchase(event: Event) -> bool:
    return (
        isinstance(event.get("customer_id"), str)
        and isinstance(event.get("order_id"), str)
        and event.get("currency") in MINOR_DIGITS
        and type(event.get("amount")) in {int, float, str}
    )


ACTIONS = {
    "page_view", "impression", "click", "interaction", "cart_add", "order", "conversion", "end",
}  # fmt: skip


def _session(event: Event) -> bool:
    return isinstance(event.get("session_id"), str) and event.get("action") in ACTIONS


CHECKS: Mapping[str, Callable[[Event], bool]] = {
    **oracle_relations.CHECKS,
    "survey_response": _survey,
    "purchase": _purchase,
    "session": _session,
}


def closed_sessions(events: Iterable[Event], at_ms: int | None) -> list[Closed]:
    """Sessions closed at a time, or at the end of the log where there is none."""
    by_id: dict[str, list[Event]] = {}
    for event in events:
        if event["type"] == "session":
            by_id.setdefault(event["session_id"], []).append(event)
    closed: list[Closed] = []
    for actions in by_id.values():
        actions.sort(key=lambda e: (e["at"], e["action"] == "end"))
        sessions: list[list[Event]] = []
        for action in actions:
            if not sessions or _begins_another(sessions[-1], action):
                sessions.append([])
            sessions[-1].append(action)
        for i, session in enumerate(sessions):
            is_over = (
                at_ms is None
                or i < len(sessions) - 1
                or session[-1]["action"] == "end"
                or session[-1]["at"] + SESSION_TIMEOUT_MS <= at_ms
                or session[0]["at"] + SESSION_LONGEST_MS < at_ms
            )
            if is_over:
                closed.append(
                    Closed(
                        session[0]["at"],
                        session[-1]["at"],
                        tuple(e["action"] for e in session),
                        tuple(session[0]["dimensions"].items()),
                    )
                )
    return closed


def _begins_another(session: list[Event], action: Event) -> bool:
    first_ms: int = session[0]["at"]
    last_ms: int = session[-1]["at"]
    at_ms: int = action["at"]
    is_over: bool = session[-1]["action"] == "end"
    return is_over or at_ms - last_ms >= SESSION_TIMEOUT_MS or at_ms - first_ms > SESSION_LONGEST_MS


class World:
    """What is known at one time: all readings follow from it.

    Args:
        events: valid events without repeats.
        at_ms: only events up to here, included; ``None`` for the end of the log.
    """

    def __init__(self, events: Iterable[Event], at_ms: int | None = None) -> None:
        self._events = [e for e in events if at_ms is None or e["at"] <= at_ms]
        self._sessions = closed_sessions(self._events, at_ms)

    def reading(self, row: Mapping[str, Any]) -> tuple[Said, Said]:
        """What a reading must say of its own window, and of the one before."""
        start, end = to_ms(row["window_start"]), to_ms(row["window_end"])
        before = start - (end - start)
        what = (row["metric"], row["segment"], row.get("currency"))
        return self.said(*what, start, end), self.said(*what, before, start)

    def spent(self, segment: Mapping[str, str], currency: str | None, start: int, end: int) -> int:
        """How many times money of a currency went into marketing."""
        asked = Asked(self._events, segment, currency, start, end)
        return sum(e["currency"] == currency for e in asked.of("marketing_spend"))

    def said(
        self, metric: str, segment: Mapping[str, str], currency: str | None, start: int, end: int
    ) -> Said:
        if metric in ELSEWHERE:
            return ELSEWHERE[metric](Asked(self._events, segment, currency, start, end))
        events = [
            e
            for e in self._events
            if start <= e["at"] < end and segment.items() <= e["dimensions"].items()
        ]
        sessions = [
            s
            for s in self._sessions
            if start <= s.first_ms < end and segment.items() <= dict(s.dimensions).items()
        ]
        if metric in SURVEYS:
            return SURVEYS[metric]([e for e in events if e["type"] == "survey_response"])
        if metric in MONEY:
            purchases = [e for e in events if e["type"] == "purchase"]
            return MONEY[metric]([e for e in purchases if e["currency"] == currency])
        if metric in SESSIONS:
            return SESSIONS[metric](sessions)
        if metric == "ctr":
            actions = [e["action"] for e in events if e["type"] == "session"]
            return _ratio(100 * actions.count("click"), actions.count("impression"))
        kind = {"orders": "order", "refunds": "refund"}[metric]
        n = sum(e["type"] == "purchase" and e.get("kind", "order") == kind for e in events)
        return n, n


def _ratio(part: int | Fraction, whole: int) -> Said:
    return (float(Fraction(part) / whole) if whole else None), whole


def _share(part: int, whole: int) -> Said:
    return _ratio(100 * part, whole)


def _nps(answers: list[Event]) -> Said:
    asked = [e for e in answers if e["survey"] == "nps"]
    groups = [
        (e["score"] >= 9) - (e["score"] <= 6)
        if "scale" not in e
        else (e["score"] == 5) - (e["score"] <= 3)
        for e in asked
    ]
    return _ratio(100 * sum(groups), len(groups))


def _csat(answers: list[Event]) -> Said:
    least = {5: 4, 7: 6, 10: 8}
    asked = [e["score"] >= least[e.get("scale", 5)] for e in answers if e["survey"] == "csat"]
    return _share(sum(asked), len(asked))


def _ces(answers: list[Event]) -> Said:
    scores = [e["score"] for e in answers if e["survey"] == "ces"]
    return _ratio(sum(scores), len(scores))


def _cli(answers: list[Event]) -> Said:
    means = [Fraction(sum(e["answers"].values()), 3) for e in answers if e["survey"] == "cli"]
    return _ratio(sum(means, Fraction()), len(means))


def _emotion(answers: list[Event]) -> Said:
    felt = [e["emotion"] for e in answers if e["survey"] == "emotion"]
    return _ratio(100 * (felt.count("positive") - felt.count("negative")), len(felt))


SURVEYS: Mapping[str, Callable[[list[Event]], Said]] = {
    "nps": _nps,
    "csat": _csat,
    "ces": _ces,
    "cli": _cli,
    "net_emotional_value": _emotion,
}


def _bounce(sessions: list[Closed]) -> Said:
    views = [s.actions.count("page_view") for s in sessions]
    return _share(sum(v == 1 for v in views), sum(v >= 1 for v in views))


def _duration(sessions: list[Closed]) -> Said:
    total = sum(s.last_ms - s.first_ms for s in sessions)
    return _ratio(Fraction(total, 1000), len(sessions))


def _conversion(sessions: list[Closed]) -> Said:
    converted = sum("order" in s.actions or "conversion" in s.actions for s in sessions)
    return _share(converted, len(sessions))


def _abandonment(sessions: list[Closed]) -> Said:
    carted = [s for s in sessions if "cart_add" in s.actions]
    return _share(sum("order" not in s.actions for s in carted), len(carted))


SESSIONS: Mapping[str, Callable[[list[Closed]], Said]] = {
    "bounce_rate": _bounce,
    "avg_session_duration": _duration,
    "conversion_rate": _conversion,
    "cart_abandonment_rate": _abandonment,
}


def _amounts(purchases: list[Event], kind: str) -> list[Fraction]:
    return [Fraction(str(e["amount"])) for e in purchases if e.get("kind", "order") == kind]


def _revenue(purchases: list[Event]) -> Said:
    orders, refunds = _amounts(purchases, "order"), _amounts(purchases, "refund")
    return float(sum(orders) - sum(refunds)), len(orders) + len(refunds)


def _average(purchases: list[Event]) -> Said:
    orders, refunds = _amounts(purchases, "order"), _amounts(purchases, "refund")
    return _ratio(Fraction(sum(orders) - sum(refunds)), len(orders))


MONEY: Mapping[str, Callable[[list[Event]], Said]] = {
    "revenue": _revenue,
    "average_purchase_value": _average,
}
