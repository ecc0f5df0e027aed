"""What is known of customers' orders, against all of their orders sorted."""

import random
from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.customers import MULTI, ORDERS_MAX, REPEAT, UPSELL, Customers, Order
from processor.core.panes import DAY_MS

NOW = 1_790_000_000_000
NAMES = ("channel",)
TTL = 400 * DAY_MS
KEPT = 61 * DAY_MS

Seen = dict[tuple[int | str | None, ...], tuple[int, int]]
"""(customer, time, tie-break, channel) of an order → (time since the first, marks)."""


def new_customers(held_max: int = 100_000) -> Customers:
    return Customers(NAMES, ttl_ms=TTL, kept_ms=KEPT, held_max=held_max)


def feed(
    customers: Customers,
    orders: Sequence[tuple[int, Order]],
    stored: dict[int, bytes],
    seen: Seen,
) -> None:
    """As a partition does: learn, count, store."""
    found = customers.unknown(key for key, _ in orders)
    customers.learn({key: stored.get(key) for key in found})
    for key, order in orders:
        for sighting in customers.order(key, order, NOW):
            place = (key, *sighting.order[:2], *sighting.order.dimensions)
            since, marks = seen.get(place, (0, 0))
            seen[place] = max(since, sighting.since_first_ms), marks | sighting.marks
    stored.update(customers.take_changes())


def brute_force(orders: Sequence[tuple[int, Order]]) -> Seen:
    by_customer: dict[int, list[Order]] = defaultdict(list)
    for key, order in orders:
        by_customer[key].append(order)
    seen: Seen = {}
    for key, of_one in by_customer.items():
        of_one.sort(key=lambda order: order.at_ms)
        for order in of_one:
            marks = (UPSELL if order.is_upsell else 0) | (MULTI if len(of_one) > 1 else 0)
            marks |= REPEAT if order.at_ms > of_one[0].at_ms else 0
            place = (key, *order[:2], *order.dimensions)
            seen[place] = order.at_ms - of_one[0].at_ms, marks
    return seen


ORDERS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.builds(
            Order,
            st.integers(NOW - 5000, NOW) | st.integers(NOW - 2, NOW),
            st.integers(0, 2**64 - 1),
            st.booleans(),
            st.sampled_from([("web",), ("app",), (None,)]),
        ),
    ),
    max_size=14,
    unique_by=lambda item: item[1].tie_break,
)


@given(ORDERS, st.integers(1, 5), st.booleans(), st.booleans())
def test_in_any_order_of_arrival_and_with_restarts(
    orders: list[tuple[int, Order]], size: int, restart: bool, crowded: bool
) -> None:
    stored: dict[int, bytes] = {}
    seen: Seen = {}
    held_max = 1 if crowded else 1000
    customers = new_customers(held_max)
    for i in range(0, len(orders), size):
        feed(customers, orders[i : i + size], stored, seen)
        assert len(customers) <= max(held_max, size)
        if restart:
            customers = new_customers(held_max)
    assert seen == brute_force(orders)


def order(at_ms: int, *, upsell: bool = False, channel: str | None = None) -> Order:
    return Order(at_ms, at_ms, upsell, (channel,))


def test_a_late_first_order_makes_the_old_first_a_repeat() -> None:
    customers, seen, stored = new_customers(), Seen(), dict[int, bytes]()
    feed(customers, [(1, order(NOW, channel="web"))], stored, seen)
    assert list(seen.values()) == [(0, 0)]
    feed(customers, [(1, order(NOW - DAY_MS, channel="app"))], stored, seen)
    assert seen == {
        (1, NOW, NOW, "web"): (DAY_MS, REPEAT | MULTI),
        (1, NOW - DAY_MS, NOW - DAY_MS, "app"): (0, MULTI),
    }


def test_a_second_order_tells_of_the_first_that_it_is_not_the_only_one() -> None:
    customers, seen, stored = new_customers(), Seen(), dict[int, bytes]()
    feed(customers, [(1, order(NOW - DAY_MS, upsell=True))], stored, seen)
    feed(new_customers(), [(1, order(NOW))], stored, seen)
    assert seen == {
        (1, NOW - DAY_MS, NOW - DAY_MS, None): (0, UPSELL | MULTI),
        (1, NOW, NOW, None): (DAY_MS, REPEAT | MULTI),
    }


def test_a_customer_is_forgotten_after_the_time_to_live() -> None:
    for gap, expected in ((TTL, (TTL, REPEAT | MULTI)), (TTL + 1, (0, 0))):
        customers, seen, stored = new_customers(), Seen(), dict[int, bytes]()
        feed(customers, [(1, order(NOW - gap)), (1, order(NOW))], stored, seen)
        assert seen[1, NOW, NOW, None] == expected


def test_single_orders_are_few_and_no_older_than_panes() -> None:
    customers, seen, stored = new_customers(), Seen(), dict[int, bytes]()
    old = [(1, order(NOW - 100 * DAY_MS + i)) for i in range(50)]
    feed(customers, old, stored, seen)
    assert len(stored[1]) < 30  # the first and last times and the number, and no single order
    feed(customers, [(1, order(NOW - 1000 + i)) for i in range(50)], stored, seen)
    assert len(stored[1]) < 30 + 18 * ORDERS_MAX
    assert seen[1, NOW - 951, NOW - 951, None] == (100 * DAY_MS - 951, REPEAT | MULTI)


def test_of_many_orders_the_first_stays_remembered() -> None:
    customers, seen, stored = new_customers(), Seen(), dict[int, bytes]()
    feed(customers, [(1, order(NOW - 1000 + i)) for i in range(50)], stored, seen)
    feed(customers, [(1, order(NOW - 2000))], stored, seen)
    assert seen[1, NOW - 1000, NOW - 1000, None] == (1000, REPEAT | MULTI)
    assert seen[1, NOW - 951, NOW - 951, None] == (1049, REPEAT | MULTI)


def test_who_was_not_learned_is_not_counted() -> None:
    customers = new_customers()
    with pytest.raises(KeyError):
        list(customers.order(1, order(NOW), NOW))


def test_dimensions_are_kept_by_name() -> None:
    stored: dict[int, bytes] = {}
    feed(new_customers(), [(1, order(NOW - 5, channel="web"))], stored, {})
    customers = Customers(("channel", "product"), ttl_ms=TTL, kept_ms=KEPT)
    customers.learn(dict(stored))
    news = list(customers.order(1, Order(NOW, 1, False, ("app", "tea")), NOW))
    assert [sighting.order.dimensions for sighting in news] == [("web", None), ("app", "tea")]


def test_a_long_history_in_any_order_agrees_with_a_sorted_one() -> None:
    chance = random.Random(5)
    orders = [
        (
            chance.randrange(200),
            Order(NOW - chance.randrange(30 * DAY_MS), i, chance.random() < 0.2, ("web",)),
        )
        for i in range(1000)
    ]
    seen: Seen = {}
    stored: dict[int, bytes] = {}
    customers = new_customers(held_max=20)
    for i in range(0, len(orders), 100):
        feed(customers, orders[i : i + 100], stored, seen)
    assert max(map(len, stored.values())) < 1000
    assert seen == brute_force(orders)
