"""What customers do makes sense: sessions, tickets, purchases, members and followers."""

from collections import Counter, defaultdict
from decimal import Decimal
from itertools import pairwise

from processor.simulation.audience import BASE_ID
from tests.simulation.streams import (
    Event,
    actions,
    bounce_rate,
    csat,
    ctr,
    mean_delay,
    ms,
    nps,
    of_type,
    sessions,
    stream,
    where,
    within,
)


def long_run() -> tuple[Event, ...]:
    return stream(rate=50.0, duration_s=1800.0)


def test_a_session_begins_with_a_view_and_nothing_follows_its_end() -> None:
    for acts in sessions(long_run()).values():
        names = [act["action"] for act in acts]
        assert names[0] == "page_view"
        assert "end" not in names[:-1]


def test_a_session_is_one_visitor_on_one_channel_without_long_pauses() -> None:
    for acts in sessions(long_run()).values():
        assert len({act.get("customer_id") for act in acts}) == 1
        assert len({tuple(act["dimensions"].items()) for act in acts}) == 1
        times = [ms(act["occurred_at"]) for act in acts]
        assert all(after - before < 20 * 60_000 for before, after in pairwise(times))


def test_clicks_follow_impressions_and_orders_follow_a_cart() -> None:
    for acts in sessions(long_run()).values():
        names = [act["action"] for act in acts]
        assert all(before == "impression" for before, after in pairwise(names) if after == "click")
        if "order" in names:
            assert names.index("cart_add") < names.index("order")


def test_sessions_bounce_click_and_abandon_as_visitors_do() -> None:
    events = long_run()
    assert 35 < bounce_rate(events, begun=(0, 1500)) < 45
    assert 3 < ctr(events) < 7
    visits = [acts for acts in sessions(within(events, 0, 1500)).values() if len(acts) > 1]
    ended = sum(acts[-1]["action"] == "end" for acts in visits)
    assert 0.8 < ended / len(visits) < 0.97  # most end, some are abandoned
    carts = [acts for acts in visits if actions(acts, "cart_add")]
    ordered = sum(bool(actions(acts, "order")) for acts in carts)
    assert 0.2 < ordered / len(carts) < 0.45


def test_channels_and_products_differ() -> None:
    events = stream(rate=1000)
    assert nps(where(events, product="pro")) > nps(where(events, product="basic")) + 8
    assert csat(where(events, channel="app")) > csat(where(events, channel="sms")) + 4
    app, sms = (
        bounce_rate(where(events, channel=channel), begun=(0, 60)) for channel in ("app", "sms")
    )
    assert app < sms - 5


def test_all_surveys_and_scales_are_answered_mostly_nps_and_csat() -> None:
    surveys = of_type(stream(), "survey_response")
    kinds = Counter(event["survey"] for event in surveys)
    assert set(kinds) == {"nps", "csat", "ces", "cli", "emotion"}
    assert kinds["nps"] + kinds["csat"] > 0.7 * kinds.total()
    scales = Counter((event["survey"], event.get("scale")) for event in surveys)
    assert {("nps", 5), ("csat", None), ("csat", 5), ("csat", 7), ("csat", 10)} <= set(scales)
    assert scales["nps", 5] < 0.1 * kinds["nps"]
    assert 0.05 < sum("comment" in event for event in surveys) / len(surveys) < 0.25
    assert 0.05 < sum("customer_id" not in event for event in surveys) / len(surveys) < 0.15


def test_a_ticket_is_opened_then_answered_then_resolved() -> None:
    steps: dict[str, list[Event]] = defaultdict(list)
    for event in of_type(long_run(), "support_ticket"):
        steps[event["ticket_id"]].append(event)
    orders = Counter(tuple(step["action"] for step in ticket) for ticket in steps.values())
    # Those not opened in the run were opened before it.
    assert set(orders) == {
        ("opened",),
        ("opened", "first_response"),
        ("opened", "first_response", "resolved"),
        ("first_response",),
        ("resolved",),
    }
    assert min(orders.values()) > 20
    for ticket in steps.values():
        opened = [step["occurred_at"] for step in ticket if step["action"] == "opened"]
        for step in ticket[len(opened) :]:
            assert not opened or step["opened_at"] == opened[0]
            assert step["opened_at"] <= step["occurred_at"]


def test_delays_of_support_are_the_same_from_the_first_minute_on() -> None:
    events = stream(rate=20.0, duration_s=3600.0, only="support_ticket")
    for action in ("first_response", "resolved"):
        early = mean_delay(within(events, 0, 60), action)
        late = mean_delay(within(events, 3000, 3600), action)
        assert 0.9 < early / late < 1.1


def test_refunds_give_back_an_order_at_most_once_and_no_more_than_it_was() -> None:
    purchases = of_type(long_run(), "purchase")
    orders: dict[str, Event] = {}
    refunded: set[str] = set()
    for event in purchases:
        if event.get("kind") != "refund":
            assert event["order_id"] not in orders
            orders[event["order_id"]] = event
            continue
        order = orders[event["order_id"]]
        assert event["order_id"] not in refunded
        refunded.add(event["order_id"])
        assert (event["customer_id"], event["currency"]) == (
            order["customer_id"],
            order["currency"],
        )
        assert Decimal(str(event["amount"])) <= Decimal(str(order["amount"]))
    assert 0.02 < len(refunded) / len(orders) < 0.06
    assert 0.05 < sum("upsell" in event for event in orders.values()) / len(orders) < 0.13
    assert {event["currency"] for event in purchases} == {"USD", "EUR", "JPY"}


def test_amounts_are_numbers_and_decimal_strings() -> None:
    kinds = Counter(
        (event["currency"] == "JPY", type(event["amount"]).__name__)
        for event in of_type(long_run(), "purchase")
    )
    assert set(kinds) == {(False, "str"), (False, "float"), (True, "str"), (True, "int")}


def test_a_session_with_an_order_is_followed_by_a_purchase_of_that_customer() -> None:
    events = list(long_run())
    ordered = [
        (index, event["customer_id"])
        for index, event in enumerate(events)
        if event["type"] == "session" and event["action"] == "order" and "customer_id" in event
    ]
    followed = [
        any(
            later["type"] == "purchase" and later["customer_id"] == customer_id
            for later in events[index : index + 500]
        )
        for index, customer_id in ordered
    ]
    assert len(followed) > 50
    assert sum(followed) > 0.95 * len(followed)


def test_few_customers_do_much() -> None:
    buyers = Counter(event["customer_id"] for event in of_type(stream(rate=1000), "purchase"))
    top_tenth = buyers.most_common(len(buyers) // 10)
    assert sum(count for _, count in top_tenth) > 0.25 * buyers.total()


def test_the_base_begins_with_a_snapshot_and_later_ones_agree_with_who_came_and_went() -> None:
    events = stream(rate=0.5, duration_s=4 * 3600, only="customer")
    assert (events[0]["action"], events[0]["customer_id"]) == ("snapshot", BASE_ID)
    base = events[0]["count"]
    joined: set[str] = set()
    left: set[str] = set()
    snapshots = 0
    for event in events:
        if event["action"] == "snapshot":
            snapshots += 1
            assert event["count"] == base
            continue
        seen = joined if event["action"] == "joined" else left
        assert event["customer_id"] not in seen
        seen.add(event["customer_id"])
        base += 1 if event["action"] == "joined" else -1
    assert snapshots == 4  # one an hour
    assert joined
    assert left


def test_only_members_are_active_and_only_issued_rewards_are_redeemed() -> None:
    members: set[str] = set()
    rewards: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for event in of_type(long_run(), "loyalty"):
        who, action = event["customer_id"], event["action"]
        counts[action] += 1
        if action == "enrolled":
            assert who not in members
            members.add(who)
        elif action == "left":
            members.remove(who)
        elif action == "reward_redeemed":
            rewards[who] -= 1
            assert rewards[who] >= 0
        else:
            assert who in members
            rewards[who] += action == "reward_issued"
    assert set(counts) == {"enrolled", "left", "activity", "reward_issued", "reward_redeemed"}


def test_accounts_begin_with_their_followers_and_complete_only_stories_viewed() -> None:
    followers: dict[str, int] = {}
    viewing: Counter[str] = Counter()
    for event in of_type(long_run(), "social"):
        platform, action = event["dimensions"]["platform"], event["action"]
        if action == "followers":
            assert event["count"] == followers.setdefault(platform, event["count"])
        elif action in {"follow", "unfollow"}:
            assert event["account"]
            followers[platform] += 1 if action == "follow" else -1
        elif action in {"story_view", "story_completed"}:
            viewing[platform] += 1 if action == "story_view" else -1
            assert viewing[platform] >= 0
    assert len(followers) == 3


def test_some_events_lack_a_product_or_a_country() -> None:
    surveys = of_type(stream(), "survey_response")
    for dimension in ("product", "country"):
        lacking = sum(dimension not in event["dimensions"] for event in surveys) / len(surveys)
        assert 0.01 < lacking < 0.06
