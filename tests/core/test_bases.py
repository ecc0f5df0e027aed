"""Running bases: books of several partitions, put together, against counting every event."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.core.base_book import ACCOUNTS_MAX, BaseBook
from processor.core.base_register import Answer, LocalRegister
from processor.core.base_totals import BaseTotals
from processor.core.bases import CELL, BaseEvent, BasePlan, Stored, Subject, needed
from processor.core.panes import MINUTE_MS, SECOND_MS, Tier
from processor.core.window_counts import Span
from schemas.readings import WHOLE

BEGIN_MS = 1_790_000_000_123
DETAIL_MS = 20 * MINUTE_MS
TIERS = (Tier(SECOND_MS, 2 * MINUTE_MS), Tier(MINUTE_MS, 120 * MINUTE_MS))
LATE_MS = 2 * MINUTE_MS
AT_ANY_TIME = 1 << 60

Happened = tuple[int, BaseEvent]


def nothing(_event: Mapping[str, Any]) -> BaseEvent | None:
    return None


def nothing_after(_series: str, _span: Span, _from_start: bool) -> list[Mapping[str, int]]:
    return []


CUSTOMERS = BasePlan("customers", nothing)
MEMBERS = BasePlan("members", nothing, has_snapshots=False)


def book(plan: BasePlan = CUSTOMERS) -> BaseBook:
    return BaseBook(plan, TIERS, margin_ms=MINUTE_MS)


def base_of(events: list[Happened], before_ms: int) -> int:
    """The base just before an instant, the long way."""
    found = 0
    for account in {event.account for _, event in events}:
        of_account = [(at, event) for at, event in events if event.account == account]
        told = [(at, e.count) for at, e in of_account if e.count is not None]
        earlier = [item for item in told if item[0] < before_ms]
        at, count = max(earlier) if earlier else (0, 0)
        if told and not earlier:  # counted back
            at = min(told)[0]
            count = max(item for item in told if item[0] == at)[1]
        changes = [(t, event.change) for t, event in of_account if event.count is None]
        since = sum(change for t, change in changes if at < t < before_ms)
        back = sum(change for t, change in changes if before_ms <= t <= at)
        found += count + since - back
    return found


class Partitions:
    """Books that share a register, and the totals that follow them."""

    def __init__(self, books: int, plan: BasePlan = CUSTOMERS) -> None:
        self.plan = plan
        self.books = [book(plan) for _ in range(books)]
        self.stored: list[dict[str, dict[str, int]]] = [{} for _ in range(books)]
        self.clocks = [0] * books
        self.register = LocalRegister(DETAIL_MS, 10**12)
        self.totals = BaseTotals(nothing_after)
        for number in range(books):
            self.flush(number)  # the register knows of all of them

    def record(self, number: int, at: int, event: BaseEvent) -> None:
        self.books[number].record(at, (WHOLE,), event)
        self.clocks[number] = max(self.clocks[number], at)

    def flush(self, number: int) -> None:
        taken = self.books[number].take()
        self.totals.apply(taken)
        for series, counters in taken.items():
            stored = self.stored[number].setdefault(series, {})
            for name, n in counters.items():
                total = stored.get(name, 0) + n
                if total:
                    stored[name] = total
                else:
                    stored.pop(name, None)
        inquiry = self.books[number].inquire(self.clocks[number])
        if inquiry is not None:
            answer = self.register.settle(str(number), inquiry)
            self.books[number].settle(answer, self.clocks[number])

    def restart(self, number: int) -> None:
        """A new owner goes on from what is stored."""
        self.books[number] = book(self.plan)
        self.books[number].restore(self.stored[number])

    def take_over(self) -> None:
        """A new publisher loads what is stored."""
        self.totals = BaseTotals(nothing_after)
        for stored in self.stored:
            self.totals.apply(stored)

    def at(self, time_ms: int, events: list[Happened]) -> int | None:
        later = sum(e.change for at, e in events if e.count is None and at >= time_ms)
        counters = {"customers.joined": max(later, 0), "customers.left": max(-later, 0)}
        return self.totals.at(self.plan.name, WHOLE, time_ms, [counters], end_ms=AT_ANY_TIME)


def history(rng: random.Random, size: int, minutes: int, accounts: list[str]) -> list[Happened]:
    events: list[Happened] = []
    for _ in range(size):
        at = BEGIN_MS + rng.randrange(minutes * MINUTE_MS)
        if events and rng.random() < 0.2:
            at = rng.choice(events)[0]  # at the same instant as another
        account = rng.choice(accounts)
        if rng.random() < 0.25:
            count = 1000 + rng.randrange(50)  # drifts from what was counted
            events.append((at, BaseEvent(count=count, account=account)))
        else:
            events.append((at, BaseEvent(change=rng.choice((1, 1, -1)), account=account)))
    return events


@settings(deadline=None, max_examples=200)
@given(
    seed=st.integers(0, 2**32),
    size=st.integers(0, 120),
    minutes=st.sampled_from([1, 30, 300]),
    accounts=st.sampled_from([[""], ["a", "b", ""]]),
    count=st.integers(1, 4),
)
def test_a_base_is_exact_in_any_order_partition_and_batch_over_restarts(
    seed: int, size: int, minutes: int, accounts: list[str], count: int
) -> None:
    rng = random.Random(seed)
    events = history(rng, size, minutes, accounts)
    partitions = Partitions(count)
    play(rng, partitions, events)
    for _loaded in range(2):
        check(rng, partitions, events)
        partitions.take_over()


def play(rng: random.Random, partitions: Partitions, events: list[Happened]) -> None:
    """Let events arrive late within limits, in any partition, with restarts on the way."""
    count = len(partitions.books)
    for at, event in sorted(events, key=lambda item: item[0] + rng.randrange(LATE_MS)):
        number = rng.randrange(count)
        partitions.record(number, at, event)
        for chosen in range(count):
            if rng.random() < 0.3:
                partitions.clocks[chosen] = max(partitions.clocks)  # idle: follows the clock
                partitions.flush(chosen)
        if rng.random() < 0.05:
            partitions.flush(number)
            partitions.restart(number)
    for _ in range(4):  # the last ones put together what is older than the horizon
        for number in range(count):
            partitions.flush(number)


def check(rng: random.Random, partitions: Partitions, events: list[Happened]) -> None:
    """Compare the base at starts and ends of windows."""
    latest = max((at for at, _ in events), default=BEGIN_MS)
    for tier in TIERS:
        end = latest - latest % tier.pane_ms + tier.pane_ms
        for back in range(0, tier.retention_ms - tier.pane_ms, tier.pane_ms):
            if rng.random() < 0.2:
                expected = base_of(events, end - back)
                found = partitions.at(end - back, events)
                assert found == (expected if expected >= 0 else None) or not events


def test_what_is_kept_does_not_grow_with_the_events() -> None:
    partitions = Partitions(2)
    for minute in range(2000):
        at = BEGIN_MS + minute * MINUTE_MS
        for offset in range(5):
            partitions.record(offset % 2, at + 7 * offset, BaseEvent(change=1))
        partitions.record(minute % 2, at + 20, BaseEvent(count=minute))
        for number in range(2):
            partitions.flush(number)
    # 120 minutes of windows and 20 of detail: no more snapshots than ends of panes.
    assert sum(len(counters) for s in partitions.stored for counters in s.values()) < 800
    assert sum(b.points for b in partitions.books) < 700


def test_a_base_without_snapshots_is_one_counter() -> None:
    members = book(MEMBERS)
    for at in range(50):
        members.record(BEGIN_MS + at, (WHOLE, "plan=pro"), BaseEvent(change=1))
    members.record(BEGIN_MS, (WHOLE,), BaseEvent(change=-1))
    assert members.take() == {WHOLE: {"members.net.1.": 49}, "plan=pro": {"members.net.1.": 50}}
    assert not members.has_changes
    assert members.points == 0
    assert members.inquire(BEGIN_MS) is None


def test_a_segment_that_was_not_told_is_not_known_once_the_whole_was() -> None:
    customers, totals = book(), BaseTotals(nothing_after)
    customers.record(BEGIN_MS, (WHOLE, "channel=web"), BaseEvent(change=1))
    assert totals.apply(customers.take()) == {WHOLE, "channel=web"}
    assert totals.at("customers", "channel=web", BEGIN_MS + 1000, [], end_ms=AT_ANY_TIME) == 1
    customers.record(BEGIN_MS, (WHOLE,), BaseEvent(count=500))
    assert totals.apply(customers.take()) == {WHOLE, "channel=web"}
    assert totals.at("customers", "channel=web", BEGIN_MS + 1000, [], end_ms=AT_ANY_TIME) is None
    assert totals.at("customers", WHOLE, BEGIN_MS + 1000, [], end_ms=AT_ANY_TIME) == 500
    customers.record(BEGIN_MS, ("channel=web",), BaseEvent(count=20))
    totals.apply(customers.take())
    assert totals.at("customers", "channel=web", BEGIN_MS + 1000, [], end_ms=AT_ANY_TIME) == 20


def test_a_window_that_ends_before_the_first_snapshot_knows_no_base() -> None:
    """Of a window that began before it the base is counted back."""
    customers, totals = book(), BaseTotals(nothing_after)
    customers.record(BEGIN_MS, (WHOLE,), BaseEvent(count=100))
    totals.apply(customers.take())
    before = BEGIN_MS - 1000
    assert totals.at("customers", WHOLE, before, [], end_ms=BEGIN_MS + 1000) == 100
    assert totals.at("customers", WHOLE, before, [], end_ms=BEGIN_MS) is None
    assert totals.at("customers", WHOLE, before, [], end_ms=before) is None


def test_more_left_than_there_were_is_not_known() -> None:
    customers, totals = book(), BaseTotals(nothing_after)
    customers.record(BEGIN_MS, (WHOLE,), BaseEvent(change=-1))
    totals.apply(customers.take())
    assert totals.at("customers", WHOLE, BEGIN_MS + 1000, [], end_ms=AT_ANY_TIME) is None


def test_a_snapshot_later_than_the_horizon_is_taken_as_of_the_next_one() -> None:
    partitions = Partitions(1)
    for minute in range(60):
        partitions.record(0, BEGIN_MS + minute * MINUTE_MS, BaseEvent(change=1))
        partitions.flush(0)
    partitions.flush(0)
    partitions.record(0, BEGIN_MS, BaseEvent(count=100))  # an hour late
    partitions.flush(0)
    end = BEGIN_MS + 61 * MINUTE_MS
    horizon_minutes = 59 - DETAIL_MS // MINUTE_MS
    assert (
        partitions.totals.at("customers", WHOLE, end, [], end_ms=AT_ANY_TIME)
        == 100 + 59 - horizon_minutes
    )


def test_of_two_snapshots_of_one_instant_the_larger_holds() -> None:
    customers, totals = book(), BaseTotals(nothing_after)
    for count in (7, 9, 8):
        customers.record(BEGIN_MS, (WHOLE,), BaseEvent(count=count))
    totals.apply(customers.take())
    assert totals.at("customers", WHOLE, BEGIN_MS + 1, [], end_ms=AT_ANY_TIME) == 9


def test_accounts_beyond_the_cap_share_one_that_is_not_told() -> None:
    followers = book(BasePlan("followers", nothing))
    for number in range(ACCOUNTS_MAX + 10):
        followers.record(BEGIN_MS, (WHOLE,), BaseEvent(change=1, account=f"@{number}"))
        followers.record(BEGIN_MS + 1, (WHOLE,), BaseEvent(count=5, account=f"@{number}"))
    (taken,) = followers.take().values()
    assert taken[f"followers.net.{BEGIN_MS}.other"] == 10
    assert sum(Stored.parse(name).told is not None for name in taken) == ACCOUNTS_MAX


def test_accounts_are_kept_as_keyed_hashes() -> None:
    followers = BaseBook(CUSTOMERS, TIERS, margin_ms=0, identity_key=b"secret")
    followers.record(BEGIN_MS, (WHOLE,), BaseEvent(change=1, account="@acme"))
    assert "acme" not in str(followers.take())


def test_a_register_that_was_lost_is_told_everything_again() -> None:
    customers = book()
    customers.record(BEGIN_MS, (WHOLE,), BaseEvent(count=5))
    inquiry = customers.inquire(BEGIN_MS)
    assert inquiry is not None
    customers.settle(Answer(0, [], version=7), BEGIN_MS)
    assert customers.inquire(BEGIN_MS) is None
    customers.settle(Answer(0, [], version=2), BEGIN_MS)
    again = customers.inquire(BEGIN_MS)
    assert again is not None
    assert (again.announced, again.since) == ([(Subject(WHOLE, ""), BEGIN_MS)], 0)


@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=30, unique=True).map(sorted),
    st.integers(0, 3000),
)
def test_every_snapshot_that_is_last_before_a_border_is_needed(
    times: list[int], clock_ms: int
) -> None:
    tiers = (Tier(10, 100), Tier(70, 700))
    kept = needed(times, tiers, clock_ms)
    last = {
        before[-1]
        for tier in tiers
        for border in range(0, 4000, tier.pane_ms)
        if border >= clock_ms - tier.retention_ms and (before := [t for t in times if t < border])
    }
    assert last <= set(kept)
    assert set(kept) <= last | {times[0], times[-1]}


@pytest.mark.parametrize("name", ["customers.net.5.", "followers.count.17.3.ab12"])
def test_names_of_counters_go_both_ways(name: str) -> None:
    assert Stored.parse(name).name == name


def test_the_cell_is_no_pane() -> None:
    assert CELL[0] == 0
