"""Support, customers, social media, loyalty and marketing the long way: a part of the oracle."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

Event = dict[str, Any]
Said = tuple[float | None, int]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SOCIAL = {
    "follow", "unfollow", "like", "comment", "share", "mention", "save", "post_click",
    "story_view", "story_completed", "conversion", "response", "followers",
}  # fmt: skip
LOYALTY = {"enrolled", "left", "activity", "reward_issued", "reward_redeemed"}


def _ticket(event: Event) -> bool:
    if event.get("action") not in {"opened", "first_response", "resolved"}:
        return False
    return event["action"] == "opened" or isinstance(event.get("opened_at"), str)


def _customer(event: Event) -> bool:
    action = event.get("action")
    counted = action != "snapshot" or type(event.get("count")) is int
    return isinstance(event.get("customer_id"), str) and counted and action in {
        "joined", "left", "snapshot",
    }  # fmt: skip


def _social(event: Event) -> bool:
    return event.get("action") in SOCIAL


def _loyalty(event: Event) -> bool:
    return isinstance(event.get("customer_id"), str) and event.get("action") in LOYALTY


def _spend(event: Event) -> bool:
    return event.get("currency") in {"USD", "EUR", "JPY", "KWD"}


CHECKS: Mapping[str, Callable[[Event], bool]] = {
    "support_ticket": _ticket,
    "customer": _customer,
    "social": _social,
    "loyalty": _loyalty,
    "marketing_spend": _spend,
}


@dataclass(frozen=True)
class Asked:
    """What a reading is of.

    Attributes:
        events: all that are known, of any time.
        segment: the dimensions it names.
        currency: of money.
        start: of the window, milliseconds.
        end: likewise.
    """

    events: list[Event]
    segment: Mapping[str, str]
    currency: str | None
    start: int
    end: int

    def of(self, event_type: str, *actions: str) -> list[Event]:
        """The events in the window and segment."""
        return [e for e in self.ever(event_type, *actions) if self.start <= e["at"] < self.end]

    def ever(self, event_type: str, *actions: str) -> list[Event]:
        """The events in the segment, of any time."""
        return [
            e
            for e in self.events
            if e["type"] == event_type
            and (not actions or e["action"] in actions)
            and self.segment.items() <= e["dimensions"].items()
        ]


def ratio(part: float | Fraction, whole: int) -> Said:
    return (float(Fraction(part) / whole) if whole else None), whole


def _since_opened(events: Iterable[Event]) -> list[int]:
    return [e["at"] - _ms(e["opened_at"]) for e in events]


def _ms(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


def _mean(values: list[int]) -> Said:
    return ratio(Fraction(sum(values), 1000), len(values))


def _rank(values: list[int], percent: int) -> Said:
    if not values:
        return None, 0
    return sorted(values)[-(-percent * len(values) // 100) - 1] / 1000, len(values)


def _base(events: list[Event], plus: str, minus: str, told: str, before: int) -> int:
    """The base of one account just before a time."""
    snapshots = sorted((e["at"], e["count"]) for e in events if e["action"] == told)
    changes = [
        (e["at"], 1 if e["action"] == plus else -1) for e in events if e["action"] in {plus, minus}
    ]
    if not snapshots:
        return sum(n for at, n in changes if at < before)
    earlier = [s for s in snapshots if s[0] < before]
    if earlier:
        last, count = earlier[-1]
        return int(count) + sum(n for at, n in changes if last < at < before)
    first = snapshots[0][0]
    count = max(count for at, count in snapshots if at == first)
    return int(count) - sum(n for at, n in changes if before <= at <= first)


def _customers(asked: Asked, before: int) -> int | None:
    moved = asked.ever("customer", "joined", "left")
    snapshots = [e for e in asked.events if e["type"] == "customer" and e["action"] == "snapshot"]
    own = [e for e in snapshots if e["dimensions"] == asked.segment]
    is_told = any(e["at"] < asked.end for e in own)
    if not is_told and (own or any(not e["dimensions"] for e in snapshots)):
        return None  # told later than this window; or the whole was, and this segment was not
    base = _base(moved + own, "joined", "left", "snapshot", before)
    return base if base >= 0 else None


def _members(asked: Asked, before: int) -> int | None:
    base = _base(asked.ever("loyalty", "enrolled", "left"), "enrolled", "left", "", before)
    return base if base >= 0 else None


def _followers(asked: Asked, before: int) -> int | None:
    events = asked.ever("social", "follow", "unfollow", "followers")
    everywhere = [e for e in asked.events if e["type"] == "social" and e["action"] == "followers"]
    told = [e["at"] for e in events if e["action"] == "followers"]
    if everywhere and not any(at < asked.end for at in told):
        return None
    accounts = {e.get("account") for e in events}
    base = sum(
        _base(
            [e for e in events if e.get("account") == a], "follow", "unfollow", "followers", before
        )
        for a in accounts
    )
    return base if base >= 0 else None


def _count(base: int | None) -> Said:
    return (None, 0) if base is None else (base, base)


def _share(part: int | None, whole: int | None) -> Said:
    return (None, 0) if part is None else ratio(100 * part, whole or 0)


def _retention(asked: Asked) -> Said:
    at_end, at_start = _customers(asked, asked.end), _customers(asked, asked.start)
    if at_end is None:
        return None, 0
    return _share(at_end - len(asked.of("customer", "joined")), at_start)


def _growth(asked: Asked) -> Said:
    at_end, at_start = _followers(asked, asked.end), _followers(asked, asked.start)
    return (None, 0) if at_end is None else _share(at_end - (at_start or 0), at_start)


def _cac(asked: Asked) -> Said:
    spent = [e for e in asked.of("marketing_spend") if e["currency"] == asked.currency]
    joined = len(asked.of("customer", "joined"))
    return ratio(sum((Fraction(str(e["amount"])) for e in spent), Fraction()), joined)


def _active(asked: Asked) -> Said:
    active = {e["customer_id"] for e in asked.of("loyalty", "activity")}
    return _share(len(active), _members(asked, asked.end))


def _responses(asked: Asked) -> Said:
    return _mean([round(1000 * e["response_seconds"]) for e in asked.of("social", "response")])


def _how_many(action: str) -> Callable[[Asked], Said]:
    return lambda asked: _count(len(asked.of("social", action)))


def _time_of(action: str, summary: Callable[[list[int]], Said]) -> Callable[[Asked], Said]:
    return lambda asked: summary(_since_opened(asked.of("support_ticket", action)))


RELATIONS: Mapping[str, Callable[[Asked], Said]] = {
    "avg_resolution_time": _time_of("resolved", _mean),
    "avg_resolution_time_p50": _time_of("resolved", lambda values: _rank(values, 50)),
    "avg_resolution_time_p90": _time_of("resolved", lambda values: _rank(values, 90)),
    "avg_first_response_time": _time_of("first_response", _mean),
    "avg_first_response_time_p50": _time_of("first_response", lambda values: _rank(values, 50)),
    "avg_first_response_time_p90": _time_of("first_response", lambda values: _rank(values, 90)),
    "customers": lambda asked: _count(_customers(asked, asked.end)),
    "churn_rate": lambda asked: _share(
        len(asked.of("customer", "left")), _customers(asked, asked.start)
    ),
    "retention_rate": _retention,
    "cac": _cac,
    "loyalty_participation_rate": lambda asked: _share(
        _members(asked, asked.end), _customers(asked, asked.end)
    ),
    "redemption_rate": lambda asked: _share(
        len(asked.of("loyalty", "reward_redeemed")), len(asked.of("loyalty", "reward_issued"))
    ),
    "active_engagement_rate": _active,
    "followers": lambda asked: _count(_followers(asked, asked.end)),
    "follower_growth_rate": _growth,
    "social_likes": _how_many("like"),
    "social_comments": _how_many("comment"),
    "social_shares": _how_many("share"),
    "social_mentions": _how_many("mention"),
    "social_saves": _how_many("save"),
    "social_post_clicks": _how_many("post_click"),
    "social_conversions": _how_many("conversion"),
    "story_retention_rate": lambda asked: _share(
        len(asked.of("social", "story_completed")), len(asked.of("social", "story_view"))
    ),
    "social_response_time": _responses,
}
