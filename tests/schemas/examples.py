"""Good and bad records, one line for each rule of the contract; several tests walk these tables."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from schemas.events import EventType


class _Omit:
    def __repr__(self) -> str:
        return "OMIT"


OMIT: Any = _Omit()
"""As a changed value: leave the field out."""

E = EventType
WHEN = "2026-03-01T12:00:00Z"

_BASE: dict[EventType, dict[str, Any]] = {
    E.SURVEY_RESPONSE: {"survey": "nps", "score": 9},
    E.PURCHASE: {"customer_id": "c1", "order_id": "o1", "amount": 19.99, "currency": "EUR"},
    E.SESSION: {"session_id": "s1", "action": "page_view"},
    E.SUPPORT_TICKET: {"ticket_id": "t1", "action": "opened"},
    E.CUSTOMER: {"customer_id": "c1", "action": "joined"},
    E.SOCIAL: {"action": "like"},
    E.LOYALTY: {"customer_id": "c1", "action": "enrolled"},
    E.MARKETING_SPEND: {"amount": "250.00", "currency": "EUR"},
}

CSAT = {"survey": "csat"}
NPS5 = {"survey": "nps", "scale": 5}
CLI = {"survey": "cli", "score": OMIT}
EMOTION = {"survey": "emotion", "score": OMIT}
RESOLVED = {"action": "resolved", "opened_at": "2026-03-01T11:00:00Z"}
SNAPSHOT = {"action": "snapshot", "count": 100}
FOLLOWERS = {"action": "followers", "count": 100}
RESPONSE = {"action": "response", "response_seconds": 12.5}


def record(event_type: EventType, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """A valid event of a type, with changes."""
    event = {"type": event_type.value, "event_id": "e1", "occurred_at": WHEN, **_BASE[event_type]}
    event |= changes or {}
    return {name: value for name, value in event.items() if value is not OMIT}


def encode(event: object) -> bytes:
    return json.dumps(event).encode()


class Good(NamedTuple):
    event_type: EventType
    changes: dict[str, Any]


class Bad(NamedTuple):
    event_type: EventType
    changes: dict[str, Any]
    code: str
    field: str


def _answers(**changes: Any) -> dict[str, Any]:
    answers = {"recommend": 1, "repurchase": 6, "try_other": 3} | changes
    return CLI | {"answers": {name: each for name, each in answers.items() if each is not OMIT}}


def _common_good(event_type: EventType) -> list[Good]:
    rows: list[dict[str, Any]] = [
        {},
        {"event_id": "x" * 128},
        {"event_id": "\N{GREEK SMALL LETTER OMEGA}" * 128},
        {"customer_id": "x" * 128},
        {"dimensions": {}},
        {"dimensions": {"channel": "email", "a" + "_9" * 15 + "z": "x" * 64}},
        {"dimensions": {f"d{index}": "x" for index in range(16)}},
        {"occurred_at": "2026-03-01t12:00:00.123456789z"},
        {"occurred_at": "2026-03-01T12:00:00-00:00"},
        {"occurred_at": "2024-02-29T23:59:59+23:59"},
        {"occurred_at": "1970-01-01T00:00:00Z"},
        {"occurred_at": "9998-12-31T23:59:59Z"},
        {"unknown": {"deep": [None, 1e3]}, "comment": "<script>alert(1)</script>"},
    ]
    return [Good(event_type, changes) for changes in rows]


def _common_bad(event_type: EventType) -> list[Bad]:
    rows: list[tuple[dict[str, Any], str, str]] = [
        ({"type": OMIT}, "missing_field", "type"),
        ({"type": None}, "invalid_field", "type"),
        ({"type": "survey-response"}, "invalid_field", "type"),
        ({"type": ["purchase"]}, "invalid_field", "type"),
        *(
            ({"type": other.value}, "wrong_type", "type")
            for other in EventType
            if other is not event_type
        ),
        ({"event_id": OMIT}, "missing_field", "event_id"),
        ({"event_id": ""}, "invalid_field", "event_id"),
        ({"event_id": "x" * 129}, "invalid_field", "event_id"),
        ({"event_id": 7}, "invalid_field", "event_id"),
        ({"event_id": None}, "invalid_field", "event_id"),
        ({"customer_id": ""}, "invalid_field", "customer_id"),
        ({"customer_id": "x" * 129}, "invalid_field", "customer_id"),
        ({"customer_id": 7}, "invalid_field", "customer_id"),
        ({"customer_id": None}, "invalid_field", "customer_id"),
        ({"occurred_at": OMIT}, "missing_field", "occurred_at"),
        *(({"occurred_at": bad}, "invalid_field", "occurred_at") for bad in BAD_TIMES),
        ({"dimensions": None}, "invalid_field", "dimensions"),
        ({"dimensions": ["channel"]}, "invalid_field", "dimensions"),
        ({"dimensions": {f"d{n}": "x" for n in range(17)}}, "invalid_field", "dimensions"),
        *(({"dimensions": {bad: "x"}}, "invalid_field", "dimensions") for bad in BAD_NAMES),
        *(
            ({"dimensions": {"plan": "pro", "channel": bad}}, "invalid_field", "dimensions.channel")
            for bad in ("", "x" * 65, 1, True, None, ["email"])
        ),
    ]
    return [Bad(event_type, *row) for row in rows]


BAD_NAMES = ("", "Channel", "9th", "_x", "my-dim", "a b", "a\n", "x" * 33, "\u00e9t\u00e9")
SHAPELESS_TIMES = (
    1_772_366_400,
    1_772_366_400.5,
    True,
    None,
    "",
    "1772366400",
    "2026-03-01",
    "2026-03-01T12:00:00",
    "2026-03-01 12:00:00Z",
    "2026-03-01T12:00Z",
    "2026-03-01T12:00:00.Z",
    "2026-03-01T12:00:00,5Z",
    "2026-03-01T12:00:60Z",
    "2026-03-01T24:00:00Z",
    "2026-13-01T12:00:00Z",
    "2026-00-01T12:00:00Z",
    "2026-03-32T12:00:00Z",
    "2026-03-00T12:00:00Z",
    "2026-03-01T12:60:00Z",
    "2026-03-01T12:00:00+0100",
    "2026-03-01T12:00:00+24:00",
    "2026-03-01T12:00:00+01:60",
    "2026-03-01T12:00:00ZZ",
    "02026-03-01T12:00:00Z",
    " 2026-03-01T12:00:00Z",
    "\u0662\u0660\u0662\u0666-03-01T12:00:00Z",
)
UNREAL_TIMES = (
    "2026-02-29T12:00:00Z",
    "2026-02-30T12:00:00Z",
    "2026-04-31T12:00:00Z",
    "1969-12-31T23:59:59.999Z",
    "1970-01-01T00:00:00+00:01",
    "0000-01-01T00:00:00Z",
    "9999-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "9998-12-31T23:59:59-00:01",
)
"""Of the right shape, yet no instant that we accept; the fast validator leaves these to others."""
BAD_TIMES = SHAPELESS_TIMES + UNREAL_TIMES

BAD_INTEGERS: tuple[Any, ...] = (
    "9",
    True,
    False,
    None,
    9.0,
    1.5,
    float("nan"),
    float("inf"),
    [1],
    {},
    10**400,
)
"""Never an integer of an event, whatever its range."""

BAD_AMOUNTS: tuple[Any, ...] = (
    True,
    None,
    "",
    -1,
    -0.01,
    float("nan"),
    float("inf"),
    float("-inf"),
    1e300,
    10**400,
    19.999,
    "19.999",
    "19.990",
    "-1",
    "+1",
    "1e2",
    "1,50",
    "1_000",
    " 1",
    "1.",
    ".5",
    "NaN",
    "\u0661",
    [1],
    {},
    10**13 + 1,
    str(10**13 + 1),
)
"""Never an amount of euros."""


def _amounts(event_type: EventType) -> tuple[list[Good], list[Bad]]:
    good: list[dict[str, Any]] = [
        *({"amount": fine} for fine in (0, 0.0, 5, 5.0, 19.99, 0.1, 1e2, 10**13, "0", "19.90")),
        {"amount": 5.0, "currency": "JPY"},
        {"amount": 10**15, "currency": "JPY"},
        {"amount": "1.234", "currency": "KWD"},
        {"amount": 12345678901.2345, "currency": "CLF"},
    ]
    bad: list[tuple[dict[str, Any], str, str]] = [
        ({"amount": OMIT}, "missing_field", "amount"),
        ({"currency": OMIT}, "missing_field", "currency"),
        *(({"amount": wrong}, "invalid_field", "amount") for wrong in BAD_AMOUNTS),
        ({"amount": 0.5, "currency": "JPY"}, "invalid_field", "amount"),
        ({"amount": "5.0", "currency": "JPY"}, "invalid_field", "amount"),
        *(
            ({"currency": wrong}, "invalid_field", "currency")
            for wrong in ("eur", "EURO", "", "XXX", "XAU", 978, None, ["EUR"])
        ),
    ]
    return [Good(event_type, each) for each in good], [Bad(event_type, *each) for each in bad]


def _choices(event_type: EventType, field: str, wrong: tuple[Any, ...]) -> list[Bad]:
    return [Bad(event_type, {field: each}, "invalid_field", field) for each in wrong]


_WRONG_CHOICES = ("", "Opened", "nonsense", None, 1, True, ["like"], {"a": 1})

SESSION_ACTIONS = (
    *("page_view", "impression", "click", "interaction"),
    *("cart_add", "order", "conversion", "end"),
)
SOCIAL_ACTIONS = (
    *("follow", "unfollow", "like", "comment", "share", "mention", "save"),
    *("post_click", "story_view", "story_completed", "conversion"),
)

GOOD: list[Good] = [
    *(good for event_type in EventType for good in _common_good(event_type)),
    *(Good(E.SURVEY_RESPONSE, {"score": score}) for score in range(11)),
    *(Good(E.SURVEY_RESPONSE, NPS5 | {"score": score}) for score in range(1, 6)),
    *(Good(E.SURVEY_RESPONSE, CSAT | {"score": score}) for score in range(6)),
    *(Good(E.SURVEY_RESPONSE, CSAT | {"scale": 5, "score": score}) for score in range(6)),
    *(Good(E.SURVEY_RESPONSE, CSAT | {"scale": 7, "score": score}) for score in range(1, 8)),
    *(Good(E.SURVEY_RESPONSE, CSAT | {"scale": 10, "score": score}) for score in range(1, 11)),
    *(Good(E.SURVEY_RESPONSE, {"survey": "ces", "score": score}) for score in range(1, 8)),
    *(Good(E.SURVEY_RESPONSE, EMOTION | {"emotion": e}) for e in ("positive", "neutral")),
    Good(E.SURVEY_RESPONSE, EMOTION | {"emotion": "negative"}),
    Good(E.SURVEY_RESPONSE, _answers()),
    Good(E.SURVEY_RESPONSE, _answers(more="ignored")),
    *(Good(E.PURCHASE, {"kind": kind}) for kind in ("order", "refund")),
    *(Good(E.PURCHASE, {"upsell": upsell}) for upsell in (True, False)),
    *(Good(E.SESSION, {"action": action}) for action in SESSION_ACTIONS),
    Good(E.SESSION, {"page": "/pricing"}),
    Good(E.SUPPORT_TICKET, {"opened_at": "not read for this action"}),
    Good(E.SUPPORT_TICKET, RESOLVED),
    Good(E.SUPPORT_TICKET, RESOLVED | {"action": "first_response"}),
    Good(E.SUPPORT_TICKET, RESOLVED | {"opened_at": "2026-03-01T13:00:00+01:00"}),
    Good(E.CUSTOMER, {"action": "left", "count": "not read for this action"}),
    *(Good(E.CUSTOMER, SNAPSHOT | {"count": count}) for count in (0, 1, 10**15)),
    *(Good(E.SOCIAL, {"action": action}) for action in SOCIAL_ACTIONS),
    Good(E.SOCIAL, {"account": "brand"}),
    *(Good(E.SOCIAL, RESPONSE | {"response_seconds": each}) for each in (0, 0.0, 90, 1.5, 10**9)),
    *(Good(E.SOCIAL, FOLLOWERS | {"count": count}) for count in (0, 1, 10**15)),
    *(
        Good(E.LOYALTY, {"action": action})
        for action in ["enrolled", "left", "activity", "reward_issued", "reward_redeemed"]
    ),
    Good(E.MARKETING_SPEND, {"campaign": "spring"}),
    *_amounts(E.PURCHASE)[0],
    *_amounts(E.MARKETING_SPEND)[0],
]

_SCORES: list[tuple[dict[str, Any], tuple[int, ...]]] = [
    ({}, (-1, 11)),
    (NPS5, (0, 6)),
    (CSAT, (-1, 6)),
    (CSAT | {"scale": 5}, (-1, 6)),
    (CSAT | {"scale": 7}, (0, 8)),
    (CSAT | {"scale": 10}, (0, 11)),
    ({"survey": "ces"}, (0, 8)),
]

BAD: list[Bad] = [
    *(bad for event_type in EventType for bad in _common_bad(event_type)),
    *(
        Bad(E.SURVEY_RESPONSE, survey | {"score": score}, "invalid_field", "score")
        for survey, outside in _SCORES
        for score in (*outside, *BAD_INTEGERS)
    ),
    *(
        Bad(E.SURVEY_RESPONSE, survey | {"score": OMIT}, "missing_field", "score")
        for survey, _ in _SCORES
    ),
    Bad(E.SURVEY_RESPONSE, {"survey": OMIT}, "missing_field", "survey"),
    *_choices(E.SURVEY_RESPONSE, "survey", _WRONG_CHOICES),
    *_choices(E.SURVEY_RESPONSE, "scale", (0, 7, 10, 11, "5", 5.0, True, None)),
    *(
        Bad(E.SURVEY_RESPONSE, CSAT | {"score": 5, "scale": scale}, "invalid_field", "scale")
        for scale in (0, 1, 6, 11, "5", 5.0, 7.0, True, None)
    ),
    Bad(E.SURVEY_RESPONSE, CLI, "missing_field", "answers"),
    Bad(E.SURVEY_RESPONSE, CLI | {"answers": [1, 2, 3]}, "invalid_field", "answers"),
    Bad(E.SURVEY_RESPONSE, CLI | {"answers": None}, "invalid_field", "answers"),
    *(
        Bad(E.SURVEY_RESPONSE, _answers(**{question: wrong}), code, f"answers.{question}")
        for question in ("recommend", "repurchase", "try_other")
        for wrong, code in (
            (OMIT, "missing_field"),
            *((each, "invalid_field") for each in (0, 7, *BAD_INTEGERS)),
        )
    ),
    Bad(E.SURVEY_RESPONSE, EMOTION, "missing_field", "emotion"),
    *(
        Bad(E.SURVEY_RESPONSE, EMOTION | {"emotion": wrong}, "invalid_field", "emotion")
        for wrong in _WRONG_CHOICES
    ),
    *_amounts(E.PURCHASE)[1],
    *_amounts(E.MARKETING_SPEND)[1],
    Bad(E.PURCHASE, {"customer_id": OMIT}, "missing_field", "customer_id"),
    Bad(E.PURCHASE, {"order_id": OMIT}, "missing_field", "order_id"),
    *_choices(E.PURCHASE, "order_id", ("", "x" * 129, 1, None)),
    *_choices(E.PURCHASE, "kind", _WRONG_CHOICES),
    *_choices(E.PURCHASE, "upsell", ("true", 1, 0, None)),
    Bad(E.SESSION, {"session_id": OMIT}, "missing_field", "session_id"),
    *_choices(E.SESSION, "session_id", ("", "x" * 129, 1, None)),
    Bad(E.SESSION, {"action": OMIT}, "missing_field", "action"),
    *_choices(E.SESSION, "action", _WRONG_CHOICES),
    *_choices(E.SESSION, "page", (1, None, ["/"])),
    Bad(E.SUPPORT_TICKET, {"ticket_id": OMIT}, "missing_field", "ticket_id"),
    *_choices(E.SUPPORT_TICKET, "ticket_id", ("", "x" * 129, 1, None)),
    Bad(E.SUPPORT_TICKET, {"action": OMIT}, "missing_field", "action"),
    *_choices(E.SUPPORT_TICKET, "action", _WRONG_CHOICES),
    Bad(E.SUPPORT_TICKET, {"action": "resolved"}, "missing_field", "opened_at"),
    Bad(E.SUPPORT_TICKET, {"action": "first_response"}, "missing_field", "opened_at"),
    *(
        Bad(E.SUPPORT_TICKET, RESOLVED | {"opened_at": wrong}, "invalid_field", "opened_at")
        for wrong in (*BAD_TIMES, "2026-03-01T12:00:00.001Z", "2026-03-01T12:00:00-00:01")
    ),
    Bad(E.CUSTOMER, {"customer_id": OMIT}, "missing_field", "customer_id"),
    Bad(E.CUSTOMER, {"action": OMIT}, "missing_field", "action"),
    *_choices(E.CUSTOMER, "action", _WRONG_CHOICES),
    Bad(E.CUSTOMER, {"action": "snapshot"}, "missing_field", "count"),
    *(
        Bad(event_type, changes | {"count": wrong}, "invalid_field", "count")
        for event_type, changes in ((E.CUSTOMER, SNAPSHOT), (E.SOCIAL, FOLLOWERS))
        for wrong in (-1, 10**15 + 1, *BAD_INTEGERS)
    ),
    Bad(E.SOCIAL, {"action": OMIT}, "missing_field", "action"),
    *_choices(E.SOCIAL, "action", _WRONG_CHOICES),
    *_choices(E.SOCIAL, "account", ("", "x" * 129, 1, None)),
    Bad(E.SOCIAL, {"action": "followers"}, "missing_field", "count"),
    Bad(E.SOCIAL, {"action": "response"}, "missing_field", "response_seconds"),
    *(
        Bad(E.SOCIAL, RESPONSE | {"response_seconds": wrong}, "invalid_field", "response_seconds")
        for wrong in (-1, -0.5, "1", True, None, float("nan"), float("inf"), 1e300, 10**400)
    ),
    Bad(E.LOYALTY, {"customer_id": OMIT}, "missing_field", "customer_id"),
    Bad(E.LOYALTY, {"action": OMIT}, "missing_field", "action"),
    *_choices(E.LOYALTY, "action", _WRONG_CHOICES),
    *_choices(E.MARKETING_SPEND, "campaign", ("", "x" * 129, 1, None)),
]


def label(row: Good | Bad) -> str:
    """A test's name for a row."""
    return f"{row.event_type}-{ascii(row.changes)[:60]}"
