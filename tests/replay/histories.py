"""Random histories: events of every kind, and the ways in which they may arrive."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

BEGIN_MS = 1_772_366_395_700
"""2026-03-01T11:59:55.7Z: not at the start of any pane."""

MINUTE_MS = 60_000
LATENESS_MS = 2 * MINUTE_MS
NOW_MS = BEGIN_MS + 40 * 86_400_000

_VALID: dict[str, Any] = {
    "type": "survey_response",
    "event_id": "broken",
    "occurred_at": "2026-03-01T12:10:00Z",
    "survey": "nps",
    "score": 9,
}
_WRONG: list[dict[str, Any]] = [
    {"type": "weather"},
    {"type": None},
    {"event_id": ""},
    {"occurred_at": "2026-03-01T12:10:00"},
    {"occurred_at": "2036-01-01T00:00:00"},  # would carry the clock away
    {"occurred_at": 1_772_366_395},
    {"score": 11},
    {"score": "9"},
    {"score": True},
    {"score": 9.0},
    {"type": "session", "session_id": "s", "action": "dance"},
]
BROKEN = [
    b"not json",
    b'{"type":"survey_response"',
    b"[1,2]",
    b'{"event_id":"x"}',
    *(json.dumps(_VALID | wrong).encode() for wrong in _WRONG),
]
"""Lines that no reading may show anything of."""


def text_of(ms: int) -> str:
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"


def line_of(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def history(
    rng: random.Random, size: int, span_ms: int, *, begin_ms: int = BEGIN_MS
) -> list[tuple[int, bytes]]:
    """Events with their times, by time."""
    events: list[tuple[int, bytes]] = []
    for number in range(size):
        at = begin_ms + rng.randrange(span_ms)
        kind = rng.choice(_KINDS)
        if events and kind in (_customer, _social) and rng.random() < 0.2:
            at = rng.choice(events)[0]  # at the same instant as another
        event: dict[str, Any] = {
            "type": "survey_response",
            "event_id": f"e{number}",
            "occurred_at": text_of(at),
            **kind(rng, at),
        }
        if "count" in event and rng.random() < 0.5:
            event["dimensions"] = rng.choice(({}, {"channel": "web"}, {"channel": "e mail"}))
            events.append((at, line_of(event)))
            continue
        if rng.random() < 0.8:
            event["dimensions"] = {
                name: rng.choice(values)
                for name, values in (("channel", ("web", "e mail")), ("plan", ("free", "pro")))
                if rng.random() < 0.7
            }
        if rng.random() < 0.1:  # fields in another order
            event = dict(reversed(event.items()))
        events.append((at, line_of(event)))
    return sorted(events)


def _survey(rng: random.Random, _at: int) -> dict[str, Any]:
    return rng.choice(
        (
            {"survey": "nps", "score": rng.randint(0, 10)},
            {"survey": "nps", "scale": 5, "score": rng.randint(1, 5)},
            {"survey": "csat", "score": rng.randint(0, 5)},
            {"survey": "csat", "scale": 7, "score": rng.randint(1, 7)},
            {"survey": "csat", "scale": 10, "score": rng.randint(1, 10)},
            {"survey": "ces", "score": rng.randint(1, 7)},
            {"survey": "emotion", "emotion": rng.choice(("positive", "neutral", "negative"))},
            {
                "survey": "cli",
                "answers": {
                    question: rng.randint(1, 6)
                    for question in ("recommend", "repurchase", "try_other")
                },
            },
        )
    )


def _purchase(rng: random.Random, _at: int) -> dict[str, Any]:
    cents = rng.randrange(100_000)
    return {
        "type": "purchase",
        "customer_id": f"c{rng.randrange(9)}",
        "order_id": f"o{rng.randrange(1000)}",
        **rng.choice(
            (
                {"amount": cents / 100, "currency": "USD"},
                {"amount": f"{cents // 100}.{cents % 100:02}", "currency": "EUR"},
                {"amount": cents, "currency": "JPY"},
            )
        ),
        **rng.choice(({}, {}, {"kind": "order"}, {"kind": "refund"}, {"upsell": True})),
    }


def _session(rng: random.Random, _at: int) -> dict[str, Any]:
    actions = ("page_view", "impression", "click", "interaction", "cart_add", "order", "conversion")
    return {
        "type": "session",
        "session_id": f"s{rng.randrange(12)}",
        "action": "end" if rng.random() < 0.08 else rng.choice(actions),
    }


def _ticket(rng: random.Random, at: int) -> dict[str, Any]:
    action = rng.choice(("opened", "first_response", "resolved", "resolved"))
    opened = (
        {} if action == "opened" else {"opened_at": text_of(at - rng.randrange(90 * MINUTE_MS))}
    )
    return {
        "type": "support_ticket",
        "ticket_id": f"t{rng.randrange(99)}",
        "action": action,
    } | opened


def _customer(rng: random.Random, _at: int) -> dict[str, Any]:
    action = rng.choice(("joined", "joined", "left", "snapshot"))
    count = {"count": rng.randrange(40)} if action == "snapshot" else {}
    return {"type": "customer", "customer_id": f"c{rng.randrange(99)}", "action": action} | count


def _social(rng: random.Random, _at: int) -> dict[str, Any]:
    action = rng.choice(
        (
            *("follow", "follow", "unfollow", "followers", "like", "comment", "share", "mention"),
            *("save", "post_click", "story_view", "story_completed", "conversion", "response"),
        )
    )
    event: dict[str, Any] = {"type": "social", "action": action}
    if action == "followers":
        event["count"] = rng.randrange(40)
    if action == "response":
        event["response_seconds"] = rng.choice((rng.randrange(900), rng.randrange(9000) / 8))
    if rng.random() < 0.8:
        event["account"] = rng.choice(("@acme", "@other"))
    return event


def _loyalty(rng: random.Random, _at: int) -> dict[str, Any]:
    action = rng.choice(
        ("enrolled", "enrolled", "left", "activity", "activity", "reward_issued", "reward_redeemed")
    )
    return {"type": "loyalty", "customer_id": f"c{rng.randrange(9)}", "action": action}


def _spend(rng: random.Random, _at: int) -> dict[str, Any]:
    currency, amount = rng.choice((("USD", "12.50"), ("EUR", 7), ("JPY", 900)))
    return {"type": "marketing_spend", "currency": currency, "amount": amount}


_KINDS = (
    *(_survey, _survey, _purchase, _session, _session, _session),
    *(_ticket, _customer, _customer, _social, _social, _loyalty, _loyalty, _spend),
)


def arrival(
    rng: random.Random, events: Sequence[tuple[int, bytes]], *, broken: bool = True
) -> list[bytes]:
    """One order in which the events may arrive: late within the lateness, repeated, with noise."""
    arriving = [(at + rng.randrange(LATENESS_MS), line) for at, line in events]
    arriving += [
        (at + rng.randrange(LATENESS_MS, 5 * MINUTE_MS), line)
        for at, line in rng.sample(arriving, len(arriving) // 10)
    ]
    if broken and arriving:
        arriving += [(rng.choice(arriving)[0], line) for line in BROKEN]
    # Only the time decides: equal ones come in any order.
    rng.shuffle(arriving)
    return [line for _, line in sorted(arriving, key=lambda item: item[0])]
