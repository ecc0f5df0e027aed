"""What events add to the counters, from their bytes through validation."""

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from processor.core.bases import BaseEvent
from processor.core.observation import Observation
from processor.core.session_history import CARTED, CONVERTED, ORDERED, Outcome
from processor.metrics.measures import PLANS, count_session, duration_squares
from schemas.event_types import EventType
from schemas.fast import fast_validator
from tests.metrics.events import Event, increments, items

if TYPE_CHECKING:
    from processor.core.measures import CountSession
    from processor.core.measures import MeasurePlan as CoreMeasurePlan

DAY_MS = 86_400_000
INT64_MAX = 2**63 - 1
COMMON = {"event_id": "e", "occurred_at": "2024-05-01T12:00:00Z"}
PURCHASE = {"customer_id": "c", "order_id": "o", "currency": "USD"}


def measured(event_type: str, **fields: Any) -> dict[str, int]:
    """Measures of one event as it comes from Kafka."""
    raw = json.dumps({"type": event_type, **COMMON, **fields}).encode()
    event = fast_validator(EventType(event_type))(raw)
    pairs = increments(event)
    assert len(dict(pairs)) == len(pairs), "no measure twice"
    return dict(pairs)


@pytest.mark.parametrize(
    ("answer", "measures"),
    [
        ({"survey": "nps", "score": 9}, {"nps.9": 1}),
        ({"survey": "nps", "score": 0}, {"nps.0": 1}),
        ({"survey": "nps", "score": 4, "scale": 5}, {"nps5.4": 1}),
        ({"survey": "csat", "score": 4}, {"csat5.4": 1}),
        ({"survey": "csat", "score": 4, "scale": 5}, {"csat5.4": 1}),
        ({"survey": "csat", "score": 6, "scale": 7}, {"csat7.6": 1}),
        ({"survey": "csat", "score": 8, "scale": 10}, {"csat10.8": 1}),
        ({"survey": "ces", "score": 7}, {"ces.7": 1}),
        (
            {"survey": "cli", "answers": {"recommend": 6, "repurchase": 5, "try_other": 2}},
            {"cli.n": 1, "cli.sum": 13, "cli.sumsq": 169},
        ),
        ({"survey": "emotion", "emotion": "negative"}, {"emotion.negative": 1}),
    ],
    ids=str,
)
def test_an_answer_counts_in_its_histogram(
    answer: dict[str, Any], measures: dict[str, int]
) -> None:
    assert measured("survey_response", **answer) == measures


@pytest.mark.parametrize(
    ("fields", "measures"),
    [
        ({"amount": "9.90"}, {"order.n.USD": 1, "order.minor.USD": 990}),
        ({"amount": 9.9, "kind": "order"}, {"order.n.USD": 1, "order.minor.USD": 990}),
        ({"amount": 0}, {"order.n.USD": 1}),
        (
            {"amount": 5, "upsell": True},
            {"order.n.USD": 1, "order.minor.USD": 500, "upsell.n.USD": 1},
        ),
        (
            {"amount": 5, "kind": "refund", "upsell": True},
            {"refund.n.USD": 1, "refund.minor.USD": 500},
        ),
        ({"amount": 700, "currency": "JPY"}, {"order.n.JPY": 1, "order.minor.JPY": 700}),
        ({"amount": "1.234", "currency": "KWD"}, {"order.n.KWD": 1, "order.minor.KWD": 1234}),
    ],
    ids=str,
)
def test_a_purchase_counts_in_minor_units_of_its_currency(
    fields: dict[str, Any], measures: dict[str, int]
) -> None:
    assert measured("purchase", **{**PURCHASE, **fields}) == measures


@pytest.mark.parametrize(
    ("action", "measures"),
    [
        ("click", {"clicks": 1}),
        ("impression", {"impressions": 1}),
        *((other, {}) for other in ("page_view", "interaction", "cart_add", "order", "end")),
    ],
)
def test_of_a_session_only_clicks_and_impressions_count_at_once(
    action: str, measures: dict[str, int]
) -> None:
    assert measured("session", session_id="s", action=action) == measures


@pytest.mark.parametrize(
    ("event_type", "fields", "measures"),
    [
        ("support_ticket", {"ticket_id": "t", "action": "opened"}, {"tickets.opened": 1}),
        (
            "support_ticket",
            {"ticket_id": "t", "action": "resolved", "opened_at": "2024-05-01T13:58:20+02:00"},
            {"resolution.n": 1, "resolution.ms": 100_000}
            | {"resolution.ms_sq_lo": 10**10 % 2**32, "resolution.ms_sq_hi": 2},
        ),
        (
            "support_ticket",
            {"ticket_id": "t", "action": "first_response", "opened_at": "2024-05-01T12:00:00Z"},
            {"first_response.n": 1},
        ),
        ("customer", {"customer_id": "c", "action": "joined"}, {"customers.joined": 1}),
        ("customer", {"customer_id": "c", "action": "left"}, {"customers.left": 1}),
        (
            "customer",
            {"customer_id": "c", "action": "snapshot", "count": 9},
            {"customers.snapshots": 1},
        ),
        ("social", {"action": "like"}, {"social.like": 1}),
        ("social", {"action": "follow", "account": "@a"}, {"followers.joined": 1}),
        ("social", {"action": "unfollow"}, {"followers.left": 1}),
        ("social", {"action": "followers", "count": 9}, {"followers.snapshots": 1}),
        (
            "social",
            {"action": "response", "response_seconds": 1.5},
            {"response.n": 1, "response.ms": 1500, "response.ms_sq_lo": 2_250_000},
        ),
        ("loyalty", {"customer_id": "c", "action": "enrolled"}, {"members.joined": 1}),
        ("loyalty", {"customer_id": "c", "action": "left"}, {"members.left": 1}),
        ("loyalty", {"customer_id": "c", "action": "activity"}, {}),
        ("loyalty", {"customer_id": "c", "action": "reward_issued"}, {"rewards.issued": 1}),
        ("loyalty", {"customer_id": "c", "action": "reward_redeemed"}, {"rewards.redeemed": 1}),
        (
            "marketing_spend",
            {"amount": "12.50", "currency": "EUR"},
            {"spend.n.EUR": 1, "spend.minor.EUR": 1250},
        ),
        ("marketing_spend", {"amount": 0, "currency": "EUR"}, {"spend.n.EUR": 1}),
    ],
    ids=str,
)
def test_the_further_types_count(
    event_type: str, fields: dict[str, Any], measures: dict[str, int]
) -> None:
    assert measured(event_type, **fields) == measures


@pytest.mark.parametrize(
    ("event_type", "fields", "said"),
    [
        ("customer", {"customer_id": "c", "action": "joined"}, BaseEvent(change=1)),
        ("customer", {"customer_id": "c", "action": "left"}, BaseEvent(change=-1)),
        ("customer", {"customer_id": "c", "action": "snapshot", "count": 0}, BaseEvent(count=0)),
        ("loyalty", {"customer_id": "c", "action": "enrolled"}, BaseEvent(change=1)),
        ("loyalty", {"customer_id": "c", "action": "left"}, BaseEvent(change=-1)),
        ("loyalty", {"customer_id": "c", "action": "activity"}, None),
        ("social", {"action": "follow", "account": "@a"}, BaseEvent(change=1, account="@a")),
        ("social", {"action": "unfollow"}, BaseEvent(change=-1)),
        ("social", {"action": "followers", "count": 7}, BaseEvent(count=7)),
        ("social", {"action": "like"}, None),
    ],
    ids=str,
)
def test_what_an_event_says_of_a_base(
    event_type: str, fields: dict[str, Any], said: BaseEvent | None
) -> None:
    raw = json.dumps({"type": event_type, **COMMON, **fields}).encode()
    base = PLANS[event_type].base
    assert base is not None
    assert base.read(fast_validator(EventType(event_type))(raw)) == said


def test_what_is_observed_of_tickets_and_members() -> None:
    ticket = PLANS["support_ticket"]
    opened, at = "2024-05-01T11:59:58.5Z", "2024-05-01T12:00:00Z"
    assert list(ticket.observe(("resolved", opened, at))) == [
        Observation("resolution_ms", None, magnitude=1500)
    ]
    assert list(ticket.observe(("first_response", opened, at))) == [
        Observation("first_response_ms", None, magnitude=1500)
    ]
    assert list(ticket.observe(("opened", None, at))) == []
    members = PLANS["loyalty"].observe
    assert list(members(("activity", "c"))) == [Observation("active_members", "c")]
    assert list(members(("reward_issued", "c"))) == []


def test_what_validation_does_not_let_through_is_refused_loudly() -> None:
    with pytest.raises(ValueError, match="'nsp'"):
        PLANS["survey_response"].count(("nsp", 9, None, None, None))
    with pytest.raises(ValueError, match="amount_minor"):
        PLANS["purchase"].count(("order", None, "USD", None))
    with pytest.raises(ValueError, match="amount_minor"):
        PLANS["marketing_spend"].count((None, "USD"))


def test_plans_say_truly_whether_what_they_read_is_hashable() -> None:
    answers = {"recommend": 6, "repurchase": 5, "try_other": 2}
    values = {"answers": answers, "amount_minor": 990, "amount": Decimal("9.90")}
    for plan in PLANS.values():
        read = tuple(values.get(field, "text") for field in plan.reads)
        if plan.hashable_reads:
            assert isinstance(hash(read), int)
        else:
            with pytest.raises(TypeError, match="unhashable"):
                hash(read)


@given(items)
def test_increments_are_integers_that_are_not_0_of_distinct_measures(
    items: list[Event | Outcome],
) -> None:
    for item in items:
        pairs = increments(item)
        assert len({measure for measure, _ in pairs}) == len(pairs)
        assert all(type(increment) is int and increment != 0 for _, increment in pairs)


def closed(
    seconds: float = 0,
    page_views: int = 0,
    converted: bool = False,
    ordered: bool = False,
    carted: bool = False,
) -> dict[str, int]:
    first_ms = 1_700_000_000_000
    last_ms = first_ms + round(1000 * seconds)
    bits = CONVERTED * converted | ORDERED * ordered | CARTED * carted
    outcome = Outcome(first_ms, last_ms, page_views, bits, ())
    return {
        measure.removeprefix("session."): increment
        for measure, increment in count_session(outcome)
        if not measure.startswith("session.duration")
    }


@pytest.mark.parametrize(
    ("session", "measures"),
    [
        ({}, {"closed": 1}),
        ({"page_views": 1}, {"closed": 1, "viewed": 1, "bounced": 1, "ga4_bounced": 1}),
        (
            {"page_views": 1, "seconds": 9.999},
            {"closed": 1, "viewed": 1, "bounced": 1, "ga4_bounced": 1},
        ),
        ({"page_views": 1, "seconds": 10}, {"closed": 1, "viewed": 1, "bounced": 1}),
        (
            {"page_views": 1, "converted": True},
            {"closed": 1, "viewed": 1, "bounced": 1, "converted": 1},
        ),
        ({"page_views": 2}, {"closed": 1, "viewed": 1}),
        ({"carted": True}, {"closed": 1, "carted": 1, "abandoned": 1}),
        (
            {"carted": True, "converted": True},
            {"closed": 1, "carted": 1, "abandoned": 1, "converted": 1},
        ),
        ({"carted": True, "ordered": True}, {"closed": 1, "carted": 1, "converted": 1}),
        ({"ordered": True}, {"closed": 1, "converted": 1}),
    ],
    ids=str,
)
def test_a_closed_session_counts_as_what_it_came_to(
    session: dict[str, Any], measures: dict[str, int]
) -> None:
    assert closed(**session) == measures


def test_a_session_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="5 ms before it begins"):
        count_session(Outcome(10, 5, 1, 0, ()))


def test_the_core_can_use_what_is_counted_here() -> None:
    # The annotations are the point: the type checker compares both sides' protocols.
    plans: list[CoreMeasurePlan] = list(PLANS.values())
    assert {plan.event_type for plan in plans} <= set(EventType)
    count: CountSession = count_session
    assert dict(count(Outcome(0, 2000, 1, 0, ()))) == {
        "session.closed": 1,
        "session.viewed": 1,
        "session.bounced": 1,
        "session.ga4_bounced": 1,
        "session.duration_ms": 2000,
        "session.duration_sq_lo": 4_000_000,
    }


def test_no_counter_of_a_thousand_million_day_long_sessions_leaves_64_bits() -> None:
    longest = dict(count_session(Outcome(0, DAY_MS, 1, 0, ())))
    sums = {measure: 10**9 * increment for measure, increment in longest.items()}
    assert max(sums.values()) <= INT64_MAX
    assert duration_squares(sums) == 10**9 * DAY_MS**2 > INT64_MAX
