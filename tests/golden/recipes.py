"""How the logs were made: a log that is missing is made anew."""

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

from processor.replay.interactive import encoded
from processor.simulation import encode, parse_incident, simulate
from processor.testing.events import EventBuilder
from schemas.timestamps import format_rfc3339, parse_rfc3339

Event = dict[str, Any]

BEGIN = "2026-03-01T12:00:00Z"
BEGIN_MS = parse_rfc3339(BEGIN)
_MINUTE_MS = 60_000
_BEYOND = "2026-03-20T12:00:00Z"
"""Further ahead of the replay's now than events may be."""
_MIX = {
    "session": 0.45,
    "survey_response": 0.20,
    "purchase": 0.10,
    "support_ticket": 0.06,
    "social": 0.06,
    "loyalty": 0.05,
    "customer": 0.05,
    "marketing_spend": 0.03,
}


def incidents() -> Iterator[bytes]:
    """All eight types for ten minutes: promoters go, events come twice, and some are broken."""
    happening = ("nps-drop@2m+3m", "bounce-spike@4m+3m", "duplicate-storm@5m+1m", "poison@7m+2m")
    events = simulate(
        seed=20_260_301,
        rate=0.8,
        start_ms=BEGIN_MS,
        duration_s=600,
        mix=_MIX,
        jitter_s=40,
        daily_rhythm=False,
        incidents=[parse_incident(text) for text in happening],
    )
    return map(encode, events)


def odd_sessions() -> Iterator[bytes]:
    """Sessions that stop and go on, end twice, come late, last too long, or begin with the end."""
    make = EventBuilder(BEGIN)

    def at(minute: float) -> str:
        return format_rfc3339(BEGIN_MS + round(minute * _MINUTE_MS))

    def act(name: str, *actions: tuple[float, str], **dimensions: str) -> list[Event]:
        return [
            make.session(action, session_id=name, at=at(minute), **dimensions)
            for minute, action in actions
        ]

    on_time = chain(
        act("bounces", (0, "page_view"), (0, "end"), channel="web"),
        act("without-end", (1, "page_view"), (2, "page_view"), (3, "cart_add"), channel="web"),
        act("ends-twice", (2, "page_view"), (3, "end"), (4, "end"), channel="app"),
        act("goes-on-after-end", (1, "page_view"), (2, "end"), (3, "page_view"), channel="app"),
        act("just-in-time", (0, "page_view"), (29.99, "click"), (31, "order"), channel="web"),
        act("just-too-late", (0, "page_view"), (30, "page_view"), channel="web"),
        act("only-end", (5, "end")),
        act("no-view", (6, "impression"), (6.5, "click"), (7, "click")),
        act("one-instant", (8, "page_view"), (8, "cart_add"), (8, "order"), channel="web"),
        act("changes-channel", (9, "page_view"), channel="web"),
        act("changes-channel", (10, "page_view"), (11, "conversion"), channel="app"),
        act("all-day", *((20 * n, "page_view") for n in range(74)), channel="kiosk"),
    )
    arriving = sorted(on_time, key=lambda event: str(event["occurred_at"]))
    late = act("without-end", (2.5, "order"), channel="web")  # within the lateness
    place = next(i for i, event in enumerate(arriving) if event["occurred_at"] > at(4))
    arriving[place:place] = late
    return map(encoded, arriving)


def money() -> Iterator[bytes]:
    """Orders and refunds in currencies of no, two and three decimals, as numbers and as text."""
    rng = random.Random(3)
    make = EventBuilder(BEGIN)
    decimals = {"EUR": 2, "JPY": 0, "KWD": 3}
    events: list[Event] = []
    for number in range(90):
        currency = rng.choice(list(decimals))
        exact = Decimal(rng.randrange(1, 60_000)).scaleb(-decimals[currency])
        amount: float | str = float(exact) if rng.random() < 0.5 else str(exact)
        channel = rng.choice(("web", "shop"))
        at = format_rfc3339(BEGIN_MS + 20_000 * number)
        buyer = f"buyer-{rng.randrange(25)}"
        if rng.random() < 0.15:
            events.append(make.refund(amount, currency, customer_id=buyer, channel=channel, at=at))
        else:
            upsell = rng.random() < 0.2
            events.append(
                make.purchase(
                    amount, currency, upsell=upsell, customer_id=buyer, channel=channel, at=at
                )
            )
        if number % 15 == 0:
            events.append(make.spend(amount, currency, campaign="spring", channel=channel, at=at))
            events.append(make.joined(channel=channel, at=at))
    events.append(make.purchase("0", "EUR"))
    events.append(make.purchase("99999999.99", "EUR", customer_id="buyer-0"))
    wrong = ({"amount": "1.5", "currency": "JPY"}, {"currency": "ZZZ"}, {"amount": -1})
    events += [{**make.purchase(), **fields} for fields in wrong]
    return map(encoded, events)


def refusals() -> Iterator[bytes]:
    """One valid event before, between and behind what is no event, each broken in one way."""
    make = EventBuilder(BEGIN)
    broken: list[bytes] = [
        *(b"not json", b"[1,2]", b"null", b'{"type":"survey_response"', b'"text"', b"\xff\xfe"),
        b'{"event_id":"without-type"}',
        b"[" * 1000 + b"]" * 1000,
        b'{"type":"session","pad":"' + b"x" * 70_000 + b'"}',
    ]
    for score in ('"9"', "true", "null", "11", "-1", "NaN", "1e400", "9.0"):
        line = json.dumps(make.nps(9)).replace('"score": 9', f'"score": {score}')
        broken.append(line.encode())
    for time in (1_772_366_400, "2026-03-01T12:00:00", "9999-01-01T00:00:00Z", _BEYOND):
        broken += [encoded({**make.nps(9), "occurred_at": time})]
    changes: tuple[Event, ...] = (
        {"type": "weather"},
        {"type": "Survey_Response"},
        {"event_id": ""},
        {"event_id": "x" * 129},
        {"survey": "horoscope"},
        {"dimensions": {"Channel": "web"}},
        {"dimensions": {"channel": ""}},
        {"dimensions": {f"d{n}": "x" for n in range(17)}},
    )
    broken += [encoded({**make.nps(9), **change}) for change in changes]
    ticket = make.ticket("resolved", after=timedelta(minutes=5))
    broken.append(encoded({**ticket, "opened_at": "2026-03-02T12:00:00Z"}))
    again = make.nps(9, event_id="again", channel="web")
    for number, refused in enumerate(broken):
        yield encoded(make.nps(number % 11, channel="web" if number % 2 else "app"))
        yield refused
    yield encoded(again)
    yield encoded(again)
    yield encoded({**again, "score": 0})  # the first one wins
    yield encoded({**make.nps(0), "unknown": {"is": "ignored"}, "comment": "never stored"})
    yield b""
    yield encoded(make.nps(10, at="2026-01-01T00:00:00Z"))  # older than any window
