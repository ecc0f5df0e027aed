"""What a log of events comes to, counted the long way: every event by itself, in plain Python."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from tests.harness.events import LoggedEvent, Times
from tests.harness.expected_buyers import ExpectedBuyers
from tests.harness.state import Panes

_TYPES: Final = {"survey-response": "survey_response", "purchase": "purchase", "session": "session"}
_DECIMALS: Final = {"USD": 2, "EUR": 2, "JPY": 0}
_SESSION_TIMEOUT_MS: Final = 30 * 60_000
_DAY_MS: Final = 86_400_000
_NO_COUNTS: Final[Counter[str]] = Counter()

Event = dict[str, Any]


class ExpectedCounts:
    """The counters of a log.

    Args:
        log: the records in the order they were sent.
        times: what decides which sessions are open still.

    Attributes:
        times: as given.
        refused: records that belong to the dead letters.
        repeats: events that came before.
        open_sessions: sessions without a close.
    """

    def __init__(self, log: Iterable[LoggedEvent], times: Times) -> None:
        self.times = times
        self._cells: Counter[tuple[int, str | None, str | None, str]] = Counter()
        self._actions: dict[str, list[tuple[int, bool, Event]]] = defaultdict(list)
        self._buyers = ExpectedBuyers()
        self.refused = self.repeats = self.open_sessions = 0
        seen: set[tuple[str, str]] = set()
        for record in log:
            event = self._parse(record)
            if event is None:
                self.refused += 1
            elif (identity := (record.topic, event["event_id"])) in seen:
                self.repeats += 1
            else:
                seen.add(identity)
                self._count(event)
        for actions in self._actions.values():
            self._count_sessions(actions)
        self._by_second = self._spread()

    def panes(self, pane_ms: int) -> Panes:
        """All panes of one length."""
        found: Panes = defaultdict(lambda: defaultdict(Counter))
        for series, seconds in self._by_second.items():
            for second_ms, counts in seconds.items():
                found[pane_ms, second_ms - second_ms % pane_ms][series].update(counts)
        return {cell: dict(by_series) for cell, by_series in found.items()}

    def window(self, series: str, start_ms: int, end_ms: int) -> Counter[str]:
        """What is known of a series in ``[start_ms, end_ms)``: counters, and buyers."""
        total = self._buyers.window(series, start_ms, end_ms)
        for second_ms, counts in self._by_second.get(series, {}).items():
            if start_ms <= second_ms < end_ms:
                total.update(counts)
        return total

    # -- how ------------------------------------------------------------------------------------

    def _parse(self, record: LoggedEvent) -> Event | None:
        try:
            event: Event = json.loads(record.value)
        except ValueError:
            return None
        if event["type"] != _TYPES[record.topic] or "event_id" not in event:
            return None
        event["at_ms"] = _at_ms(event["occurred_at"])
        return None if event["at_ms"] > self.times.end_ms + _DAY_MS else event

    def _count(self, event: Event) -> None:
        if event["type"] == "session":
            at_ms, is_end = event["at_ms"], event["action"] == "end"
            self._actions[event["session_id"]].append((at_ms, is_end, event))
        self._add(event, _measures(event))
        self._buyers.add(event, _series(*_placed(event)))

    def _add(self, event: Event, measures: Iterable[tuple[str, int]]) -> None:
        channel, product = _placed(event)
        second_ms = event["at_ms"] // 1000 * 1000
        for measure, n in measures:
            self._cells[second_ms, channel, product, measure] += n

    def _count_sessions(self, actions: list[tuple[int, bool, Event]]) -> None:
        actions.sort(key=lambda action: action[:2])
        session: list[Event] = []
        for at_ms, _, event in actions:
            if session and (
                session[-1]["action"] == "end"
                or at_ms - session[-1]["at_ms"] >= _SESSION_TIMEOUT_MS
            ):
                self._add(session[0], _outcome(session))
                session = []
            session.append(event)
        last = session[-1]
        if last["action"] != "end" and last["at_ms"] >= self.times.open_from_ms:
            self.open_sessions += 1
            return
        assert last["action"] == "end" or last["at_ms"] < self.times.closed_until_ms
        self._add(session[0], _outcome(session))

    def _spread(self) -> dict[str, dict[int, Counter[str]]]:
        spread: dict[str, dict[int, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        for (second_ms, channel, product, measure), n in self._cells.items():
            if not n:
                continue
            for series in _series(channel, product):
                spread[series][second_ms][measure] += n
        return spread


def _placed(event: Event) -> tuple[str | None, str | None]:
    dimensions: Mapping[str, str] = event.get("dimensions", {})
    return dimensions.get("channel"), dimensions.get("product")


def _series(channel: str | None, product: str | None) -> Iterator[str]:
    yield "all"
    if channel is not None:
        yield f"channel={quote(channel, safe='')}"
    if product is not None:
        yield f"product={quote(product, safe='')}"


def _at_ms(text: str) -> int:
    return int(Decimal(str(datetime.fromisoformat(text).timestamp())) * 1000)


def _measures(event: Event) -> Iterator[tuple[str, int]]:
    match event:
        case {"type": "survey_response", "survey": "cli", "answers": answers}:
            total = sum(answers.values())
            yield from (("cli.n", 1), ("cli.sum", total), ("cli.sumsq", total**2))
        case {"type": "survey_response", "survey": "emotion", "emotion": emotion}:
            yield f"emotion.{emotion}", 1
        case {"type": "survey_response", "survey": survey, "score": score}:
            scale = event.get("scale", 5 if survey == "csat" else "")
            yield f"{survey}{scale}.{score}", 1
        case {"type": "purchase", "amount": amount, "currency": currency}:
            kind = event.get("kind", "order")
            yield f"{kind}.n.{currency}", 1
            yield f"{kind}.minor.{currency}", int(Decimal(str(amount)) * 10 ** _DECIMALS[currency])
            if kind == "order" and event.get("upsell"):
                yield f"upsell.n.{currency}", 1
        case {"type": "session", "action": "click"}:
            yield "clicks", 1
        case {"type": "session", "action": "impression"}:
            yield "impressions", 1


def _outcome(session: list[Event]) -> Iterator[tuple[str, int]]:
    actions = Counter(event["action"] for event in session)
    duration_ms = session[-1]["at_ms"] - session[0]["at_ms"]
    views, orders, carts = actions["page_view"], actions["order"], actions["cart_add"]
    converted = bool(orders or actions["conversion"])
    engaged = duration_ms >= 10_000 or views >= 2 or converted
    yield "session.closed", 1
    yield "session.viewed", views > 0
    yield "session.bounced", views == 1
    yield "session.ga4_bounced", views > 0 and not engaged
    yield "session.converted", converted
    yield "session.carted", carts > 0
    yield "session.abandoned", carts > 0 and not orders
    yield "session.duration_ms", duration_ms
    yield "session.duration_sq_lo", duration_ms**2 % 2**32
    yield "session.duration_sq_hi", duration_ms**2 // 2**32
