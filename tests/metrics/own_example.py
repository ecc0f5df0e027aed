"""The reference page's example of metrics of one's own, and what it comes to, event by event."""

import json
import math
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from schemas.timestamps import format_rfc3339

Event = dict[str, Any]

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
MODULE = "my_metrics.py"


def example() -> str:
    """The module as the page has it."""
    found = re.search(r"<!-- my_metrics\.py -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    return found[1]


def write_example(folder: Path) -> None:
    """The module, and a configuration that names it."""
    (folder / MODULE).write_text(example())
    (folder / "cxpulse.toml").write_text(f'[metrics]\nmodules = ["{MODULE}"]\n')


def events(seed: int, size: int, begin_ms: int, span_ms: int) -> list[Event]:
    """Events of the four types that the example reads, and of others, in order of time."""
    rng = random.Random(seed)
    made: list[Event] = []
    for number in range(size):
        event: Event = {
            "event_id": f"e{number}",
            "occurred_at": format_rfc3339(begin_ms + rng.randrange(span_ms)),
            **rng.choice(_KINDS)(rng),
        }
        if rng.random() < 0.8:
            channel = rng.choice(("email", "web"))
            event["dimensions"] = {"channel": channel, "plan": rng.choice(("free", "pro"))}
        made.append(event)
    return sorted(made, key=lambda event: str(event["occurred_at"]))


def _survey(rng: random.Random) -> Event:
    return {
        "type": "survey_response",
        **rng.choice(
            (
                {"survey": "nps", "score": rng.randint(0, 10)},
                {"survey": "nps", "score": rng.randint(1, 5), "scale": 5},
                {"survey": "ces", "score": rng.randint(1, 7)},
                {"survey": "csat", "score": rng.randint(0, 5)},
                {"survey": "emotion", "emotion": "neutral"},
            )
        ),
    }


def _purchase(rng: random.Random) -> Event:
    return {
        "type": "purchase",
        "order_id": "o",
        "customer_id": f"c{rng.randrange(50)}",
        "amount": f"{rng.randrange(100_000) / 100:.2f}",
        "currency": rng.choice(("EUR", "USD")),
        **rng.choice(({}, {"kind": "order"}, {"kind": "refund"})),
    }


def _session(rng: random.Random) -> Event:
    return {
        "type": "session",
        "session_id": f"s{rng.randrange(30)}",
        "action": rng.choice(("page_view", "click")),
        **rng.choice(({}, {"page": f"/p{rng.randrange(40)}"})),
    }


def _social(rng: random.Random) -> Event:
    return rng.choice(
        (
            {"type": "social", "action": "like"},
            {"type": "social", "action": "response", "response_seconds": rng.randrange(9000) / 8},
        )
    )


def _ticket(_rng: random.Random) -> Event:
    return {"type": "support_ticket", "ticket_id": "t", "action": "opened"}


_KINDS: tuple[Callable[[random.Random], Event], ...] = (
    *(_survey, _survey, _purchase, _session, _social, _ticket),
)


def expected(happened: Sequence[Event]) -> dict[str, tuple[float | None, int]]:
    """(value, n) of each of the example's metrics over all of these events."""
    nps = [
        event["score"]
        for event in happened
        if event.get("survey") == "nps"
        and "scale" not in event
        and event.get("dimensions", {}).get("channel") == "email"
    ]
    unhappy = sum(score <= 6 for score in nps)
    hard = sum(event.get("survey") == "ces" and event["score"] <= 3 for event in happened)
    cents = [
        round(100 * float(event["amount"]))
        for event in happened
        if event["type"] == "purchase"
        and event["currency"] == "EUR"
        and event.get("kind", "order") == "order"
    ]
    pages = {
        event["page"]
        for event in happened
        if event.get("action") == "page_view" and "page" in event
    }
    waits = sorted(e["response_seconds"] for e in happened if "response_seconds" in e)
    return {
        "unhappy_mail_answers": (100 * unhappy / len(nps) if nps else None, len(nps)),
        "high_effort_answers": (hard, hard),
        "mean_order_eur": (sum(cents) / (100 * len(cents)) if cents else None, len(cents)),
        "pages_viewed": (len(pages), len(pages)),
        "social_response_p90": (
            waits[math.ceil(0.9 * len(waits)) - 1] if waits else None,
            len(waits),
        ),
        "own_metric_failures": (0, 0),
    }


def within(happened: Sequence[Event], row: Event) -> list[Event]:
    """The events of a reading's window and segment."""
    return [
        event
        for event in happened
        if row["window_start"] <= event["occurred_at"] < row["window_end"]
        and row["segment"].items() <= event.get("dimensions", {}).items()
    ]


def encoded(event: Event) -> bytes:
    return json.dumps(event).encode()
