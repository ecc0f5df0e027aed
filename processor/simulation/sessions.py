"""Visits to the site and the app: pages, impressions, clicks, carts, orders, and the way out.

A session acts only when the stream has room for an event of its type, at or a little after the
moment its visitor is ready. So the share of session events holds from the first second on,
instead of building up while the first visitors read their first page.
"""

from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from processor.simulation.chance import Weighted, lognormal
from processor.simulation.world import MOODS, Customer, Event, Mood, World

_CHANNEL: Final = Weighted({"web": 0.48, "app": 0.34, "email": 0.12, "sms": 0.06})
"""Where sessions come from; nobody browses by phone call."""

_LANDING: Final = Weighted({"/": 0.45, "/offers": 0.25, "/products": 0.20, "/blog": 0.10})
_INNER: Final = Weighted(
    {"/products": 0.35, "/pricing": 0.20, "/offers": 0.15, "/help": 0.15, "/account": 0.15}
)
_IMPRESSIONS: Final = Weighted({0: 0.15, 1: 0.15, 2: 0.25, 3: 0.25, 4: 0.15, 5: 0.05})
_FURTHER_PAGES: Final = Weighted({1: 0.32, 2: 0.26, 3: 0.18, 4: 0.12, 5: 0.07, 8: 0.05})
_READING_MS: Final = lognormal(median=7_000, sigma=0.7)
_LOADING_MS: Final = lognormal(median=350, sigma=0.5)
# As long as most other visits: else the sessions closed within a minute would mostly be bounces.
_BOUNCING_MS: Final = lognormal(median=18_000, sigma=0.7)

_VISITORS_UNKNOWN: Final = 0.35
_INTERACTS: Final = 0.20
_ORDERS: Final = 0.34
_CONVERTS: Final = 0.06
_ABANDONS: Final = 0.10
_SPIKE: Final = 2.1
_CTR_LEFT: Final = 0.2
_ORDERS_LEFT: Final = 0.12

_GIVEN_UP_MS: Final = 20 * 60_000
"""A visitor kept waiting this long by a slow stream is gone: the session is abandoned."""

MOST_OPEN: Final = 50_000
"""Open sessions held at most; beyond it the next one due acts early."""


@dataclass(slots=True)
class _Visit:
    """One session: what it is, and what it does next."""

    session_id: str
    customer: Customer
    known: bool
    dimensions: dict[str, str]
    mood: Mood
    page: str
    pages_left: int
    shops: bool
    bounces: bool
    plan: deque[str] = field(default_factory=deque)


class Sessions:
    """A source of session actions.

    Attributes:
        bought: customers whose session held an order, for their purchases to follow.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._due: list[tuple[float, int, _Visit]] = []
        self._number = 0
        self.bought: deque[Customer] = deque(maxlen=1_000)

    @property
    def held(self) -> int:
        """How many sessions are open."""
        return len(self._due)

    def emit(self, at_ms: int) -> Event | None:
        """Returns what a visitor does at an instant; ``None`` if an outage keeps them out."""
        due = self._due
        while due and (due[0][0] <= at_ms or len(due) >= MOST_OPEN):
            ready_ms, _, visit = heappop(due)
            lost = self._world.schedule.strikes("outage", visit.dimensions)
            if not lost and at_ms - ready_ms < _GIVEN_UP_MS:
                return self._act(visit, at_ms)
        visit = self._begin()
        if self._world.schedule.strikes("outage", visit.dimensions):
            return None
        return self._act(visit, at_ms)

    def _begin(self) -> _Visit:
        world, chance = self._world, self._world.chance
        customer = world.somebody()
        channel = customer.channel if chance.hit(0.6) else chance.pick(_CHANNEL)
        if channel == "phone":
            channel = "web"
        mood = MOODS[channel, customer.product]
        dimensions = world.dimensions(customer, channel)
        struck = world.schedule.strikes("bounce-spike", dimensions)
        bounces = chance.hit(min(0.95, mood.bounces * (_SPIKE if struck else 1.0)))
        visit = _Visit(
            session_id=chance.uuid(),
            customer=customer,
            known=not chance.hit(_VISITORS_UNKNOWN),
            dimensions=dimensions,
            mood=mood,
            page=chance.pick(_LANDING),
            pages_left=0 if bounces else chance.pick(_FURTHER_PAGES),
            shops=not bounces and chance.hit(mood.buys),
            bounces=bounces,
        )
        self._plan_page(visit)
        return visit

    def _plan_page(self, visit: _Visit) -> None:
        """Plans what is done on a page; whoever goes on may do so by clicking an impression."""
        chance, plan = self._world.chance, visit.plan
        plan.append("page_view")
        clicks = 0.0
        if not visit.bounces:
            struck = self._world.schedule.strikes("ctr-drop", visit.dimensions)
            clicks = visit.mood.clicks * (_CTR_LEFT if struck else 1.0)
        for _ in range(chance.pick(_IMPRESSIONS)):
            plan.append("impression")
            if chance.hit(clicks):
                plan.append("click")
        if chance.hit(_INTERACTS):
            plan.append("interaction")
        if visit.pages_left:
            return
        if visit.shops:
            plan.append("cart_add")
            trouble = self._world.schedule.strikes("cart-trouble", visit.dimensions)
            if chance.hit(_ORDERS * (_ORDERS_LEFT if trouble else 1.0)):
                plan.append("order")
        elif not visit.bounces and chance.hit(_CONVERTS):
            plan.append("conversion")
        if not chance.hit(_ABANDONS):
            plan.append("end")

    def _act(self, visit: _Visit, at_ms: int) -> Event:
        world, chance = self._world, self._world.chance
        action = visit.plan.popleft()
        event = world.event("session", at_ms)
        if visit.known:
            event["customer_id"] = visit.customer.id
        # A copy, because each event belongs to whoever takes it.
        event["dimensions"] = visit.dimensions.copy()
        event["session_id"] = visit.session_id
        event["action"] = action
        if action != "end":
            event["page"] = visit.page
        if action == "order":
            self.bought.append(visit.customer)
        if not visit.plan and visit.pages_left:
            visit.pages_left -= 1
            visit.page = chance.pick(_INNER)
            self._plan_page(visit)
        if visit.plan:
            self._wait(visit, at_ms)
        return event

    def _wait(self, visit: _Visit, at_ms: int) -> None:
        coming = visit.plan[0]
        if coming == "impression":
            pause = _LOADING_MS
        elif coming == "end" and visit.bounces:
            pause = _BOUNCING_MS
        else:
            pause = _READING_MS
        self._number += 1  # the earlier of two that are due at once
        heappush(self._due, (at_ms + self._world.chance.quantile(pause), self._number, visit))
