"""Purchases, their refunds, and what is spent on marketing."""

from collections import deque
from typing import Final, NamedTuple

from processor.simulation.chance import Weighted, lognormal
from processor.simulation.world import CURRENCY_OF, Customer, Event, World

_PRICE: Final = {
    "basic": lognormal(median=29, sigma=0.5),
    "plus": lognormal(median=59, sigma=0.5),
    "pro": lognormal(median=129, sigma=0.6),
    "enterprise": lognormal(median=640, sigma=0.8),
}
"""Order values in dollars or euros."""

_YEN_PER_UNIT: Final = 150
_UPSELLS: Final = 0.09
_REFUNDS: Final = 0.04
_PARTIAL: Final = 0.30
_TRIES: Final = 32
"""How many orders are looked at for one that an incident strikes."""

_AS_NUMBER: Final = 0.30
_CAMPAIGN: Final = Weighted(
    {"spring-search": 0.4, "brand-video": 0.2, "retargeting": 0.25, "newsletter": 0.15}
)
_CAMPAIGN_CHANNEL: Final = {"newsletter": "email", "retargeting": "app"}
_SPEND: Final = lognormal(median=8, sigma=0.7)


class _Order(NamedTuple):
    order_id: str
    customer: Customer
    minor: int
    dimensions: dict[str, str]


class Purchases:
    """A source of orders and refunds.

    Args:
        world: what all sources share.
        bought: customers whose session has just ordered; they come first.
    """

    def __init__(self, world: World, bought: deque[Customer]) -> None:
        self._world = world
        self._bought = bought
        self._recent: deque[_Order] = deque(maxlen=500)

    @property
    def held(self) -> int:
        """How many orders could still be refunded."""
        return len(self._recent)

    def emit(self, at_ms: int) -> Event:
        """Returns the purchase of an instant, epoch milliseconds."""
        world = self._world
        if world.chance.hit(_REFUNDS):
            place, partial = world.chance.random(), world.chance.hit(_PARTIAL)
            if self._recent:
                return self._refund(world, int(place * len(self._recent)), at_ms, partial=partial)
        return self._order(at_ms)

    def struck_refund(self, world: World, at_ms: int) -> Event | None:
        """Returns a full refund of an order that a ``refund-wave`` strikes, or ``None``.

        Args:
            world: of the wave.
            at_ms: epoch milliseconds.
        """
        for _ in range(_TRIES if self._recent else 0):
            place = world.chance.below(len(self._recent))
            if world.schedule.strikes("refund-wave", self._recent[place].dimensions):
                return self._refund(world, place, at_ms, partial=False)
        return None

    def _order(self, at_ms: int) -> Event:
        world, chance = self._world, self._world.chance
        customer = world.somebody()
        if self._bought:
            customer = self._bought.popleft()
        minor = max(100, int(chance.quantile(_PRICE[customer.product]) * 100))
        if CURRENCY_OF[customer.country] == "JPY":
            minor = minor * _YEN_PER_UNIT // 100  # yen have no minor unit
        dimensions = world.dimensions(customer, world.channel_of(customer))
        dimensions["plan"] = customer.plan
        order = _Order(f"ord-{chance.uuid()[:13]}", customer, minor, dimensions)
        self._recent.append(order)
        event = _purchase(world, order, minor, at_ms)
        if chance.hit(_UPSELLS):
            event["upsell"] = True
        return event

    def _refund(self, world: World, place: int, at_ms: int, *, partial: bool) -> Event:
        order = self._recent[place]
        del self._recent[place]  # an order is refunded once
        event = _purchase(world, order, order.minor // 2 if partial else order.minor, at_ms)
        event["kind"] = "refund"
        return event


def _purchase(world: World, order: _Order, minor: int, at_ms: int) -> Event:
    event = world.event("purchase", at_ms)
    event["customer_id"] = order.customer.id
    event["dimensions"] = order.dimensions.copy()
    event["order_id"] = order.order_id
    currency = CURRENCY_OF[order.customer.country]
    event["amount"] = _amount(minor, currency, as_number=world.chance.hit(_AS_NUMBER))
    event["currency"] = currency
    return event


class Marketing:
    """A source of marketing spend."""

    held = 0

    def __init__(self, world: World) -> None:
        self._world = world

    def emit(self, at_ms: int) -> Event:
        """Returns what was spent at an instant, epoch milliseconds."""
        world, chance = self._world, self._world.chance
        campaign = chance.pick(_CAMPAIGN)
        country = world.somebody().country
        currency = CURRENCY_OF[country]
        minor = max(1, int(chance.quantile(_SPEND) * (_YEN_PER_UNIT if currency == "JPY" else 100)))
        event = world.event("marketing_spend", at_ms)
        event["dimensions"] = {
            "channel": _CAMPAIGN_CHANNEL.get(campaign, "web"),
            "country": country,
        }
        event["campaign"] = campaign
        event["amount"] = _amount(minor, currency, as_number=chance.hit(_AS_NUMBER))
        event["currency"] = currency
        return event


def _amount(minor: int, currency: str, *, as_number: bool) -> str | float:
    """Returns minor units as producers write them: a decimal string, or a JSON number."""
    if currency == "JPY":
        return minor if as_number else str(minor)
    return minor / 100 if as_number else f"{minor // 100}.{minor % 100:02d}"
