"""The simulated company: its customers, what they use, and how content they are with it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from processor.simulation.chance import Chance, Weighted
from processor.simulation.incidents import Schedule

Event = dict[str, Any]
"""A JSON-ready event, as the wire contract has it."""

CHANNELS: Final = ("email", "web", "app", "sms", "phone")
PRODUCTS: Final = ("basic", "plus", "pro", "enterprise")
CURRENCY_OF: Final = {"US": "USD", "DE": "EUR", "FR": "EUR", "ES": "EUR", "JP": "JPY"}
"""Countries and what their customers pay with."""

_HOME_CHANNEL: Final = Weighted(
    {"web": 0.34, "app": 0.30, "email": 0.22, "sms": 0.08, "phone": 0.06}
)
_COUNTRY: Final = Weighted({"US": 0.42, "DE": 0.20, "FR": 0.14, "ES": 0.10, "JP": 0.14})
_PRODUCT: Final = Weighted({"basic": 0.45, "plus": 0.30, "pro": 0.18, "enterprise": 0.07})
_PLAN: Final = Weighted({"free": 0.40, "monthly": 0.38, "yearly": 0.22})

_PEOPLE: Final = 20_000
"""Customers seen by name; the base that snapshots count is larger."""

_BASE_PER_RATE: Final = 5_000
"""Customers of the base for each event per second: some 17 events a day of each."""

_SMALLEST_BASE: Final = 5_000

_NO_PRODUCT: Final = 0.03
_NO_COUNTRY: Final = (0.02, 0.06)
"""Of a uniform draw, where events lack a product and a country; they overlap, some lack both."""


class Customer(NamedTuple):
    """One customer; what they are does not change."""

    id: str
    channel: str
    product: str
    country: str
    plan: str


class Mood(NamedTuple):
    """How content the users of one channel and product are.

    Attributes:
        promoters: share of NPS answers 9 and 10.
        detractors: share of NPS answers 0 to 6.
        satisfied: share of CSAT answers that count as satisfied.
        bounces: share of sessions with a single page view.
        clicks: share of impressions clicked in sessions that do not bounce.
        buys: share of the sessions that do not bounce which put something in the cart.
    """

    promoters: float
    detractors: float
    satisfied: float
    bounces: float
    clicks: float
    buys: float


# Shifts from the company's mean; they add, and stay well inside 0…1.
_CHANNEL_SHIFT: Final = {"email": -0.02, "web": 0.00, "app": 0.07, "sms": -0.05, "phone": 0.03}
_PRODUCT_SHIFT: Final = {"basic": -0.06, "plus": 0.01, "pro": 0.07, "enterprise": 0.04}
_CHANNEL_BOUNCES: Final = {"email": 0.04, "web": 0.03, "app": -0.09, "sms": 0.07, "phone": 0.0}


def _mood(channel: str, product: str) -> Mood:
    shift = _CHANNEL_SHIFT[channel] + _PRODUCT_SHIFT[product]
    return Mood(
        promoters=0.50 + shift,
        detractors=0.18 - shift / 2,
        satisfied=0.79 + shift,
        bounces=0.40 + _CHANNEL_BOUNCES[channel] - shift / 3,
        clicks=0.055 + shift / 10,
        buys=0.26 + shift / 2,
    )


MOODS: Final = {
    (channel, product): _mood(channel, product) for channel in CHANNELS for product in PRODUCTS
}
"""The mood of every channel and product."""


@dataclass(slots=True)
class World:
    """What a source of events has to do with.

    Attributes:
        chance: the source's own stream of draws, so that what goes wrong in one source leaves the
            events of the others as they are.
        schedule: the incidents, at the moment of the event in the making.
        people: the customers.
        stamp: writes epoch milliseconds as ``occurred_at`` wants them.
        start_ms: when the simulation began.
    """

    chance: Chance
    schedule: Schedule
    people: "People"
    stamp: Callable[[int], str]
    start_ms: int

    def event(self, kind: str, at_ms: int) -> Event:
        """Returns an event with the fields that all have."""
        return {"type": kind, "event_id": self.chance.uuid(), "occurred_at": self.stamp(at_ms)}

    def somebody(self) -> Customer:
        """Returns a customer, the busy ones more often."""
        return self.people.somebody(self.chance)

    def dimensions(self, customer: Customer, channel: str | None = None) -> dict[str, str]:
        """Returns the dimensions of what a customer does; now and then a producer omits some.

        Args:
            customer: who does it.
            channel: where, if not on the home channel.
        """
        share = self.chance.random()
        found = {"channel": channel or customer.channel}
        if share >= _NO_PRODUCT:
            found["product"] = customer.product
        if not _NO_COUNTRY[0] <= share < _NO_COUNTRY[1]:
            found["country"] = customer.country
        return found

    def channel_of(self, customer: Customer) -> str:
        """Returns the channel a customer uses this time: mostly the home channel."""
        if self.chance.hit(0.75):
            return customer.channel
        return self.chance.pick(_HOME_CHANNEL)


class People:
    """The customers, few of whom do most of what is done.

    Args:
        chance: where the first of them come from.
        rate: events per second; the base grows with it.
    """

    __slots__ = ("_next_number", "_people", "base")

    def __init__(self, chance: Chance, rate: float) -> None:
        self._next_number = 1
        self._people: list[Customer] = [self._new(chance) for _ in range(_PEOPLE)]
        self.base = max(_SMALLEST_BASE, round(rate * _BASE_PER_RATE))

    def _new_id(self) -> str:
        number = self._next_number
        self._next_number += 1
        return f"cust-{number:07d}"

    def _new(self, chance: Chance) -> Customer:
        return Customer(
            id=self._new_id(),
            channel=chance.pick(_HOME_CHANNEL),
            product=chance.pick(_PRODUCT),
            country=chance.pick(_COUNTRY),
            plan=chance.pick(_PLAN),
        )

    def somebody(self, chance: Chance) -> Customer:
        """Returns a customer, skewed: a tenth of the customers do nearly half of it all."""
        share = chance.random()
        return self._people[int(share * share * share * len(self._people))]

    def join(self, chance: Chance) -> Customer:
        """Returns a new customer, and counts them."""
        customer = self._new(chance)
        # The named stay as many, so that an endless run does not grow: somebody falls silent.
        self._people[chance.below(len(self._people))] = customer
        self.base += 1
        return customer

    def leave(self, chance: Chance, wanted: Callable[[Customer], bool]) -> Customer | None:
        """Returns a customer who leaves, and uncounts them; they are not seen again.

        Args:
            chance: decides who.
            wanted: who may leave; ``None`` is returned where nobody such is found in a few tries.
        """
        for _ in range(32):
            place = chance.below(len(self._people))
            customer = self._people[place]
            if wanted(customer):
                # The next in line, one of the same kind, becomes known by name: whoever else
                # looks for somebody finds as many on each channel as before.
                self._people[place] = customer._replace(id=self._new_id())
                self.base = max(0, self.base - 1)
                return customer
        return None
