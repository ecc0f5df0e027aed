"""What is known of each customer's orders: who bought before, who bought again, since when.

Every order is an observation of its customer in the pane and the segments of that order. Its
*marks* say what is known of it: that there was an earlier one, ever (`REPEAT`), that it is not the
only one (`MULTI`), that it sold more (`UPSELL`); its *magnitude* is the time since the first.
A later order, or one that arrives late and was earlier, changes what is known of others: they are
observed again, in their own panes, with more marks and a larger magnitude. Nothing is ever taken
back, so what a window says follows from the set of orders, whatever order they come in. ::

    orders           A         B          C
    observed at A    -         (B comes: MULTI)
    observed at B              REPEAT, MULTI, B - A
    late, before A:  L ------- A, B and C again: REPEAT, MULTI, and the time since L

A customer is forgotten `ttl_ms` after the last order: the next one is a first order. Of each, the
first order and the latest `ORDERS_MAX` - 1 are remembered with their dimensions, as long as their
panes are kept; one in between that was dropped is not observed again.
"""

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from pydantic_core import from_json, to_json

from processor.core.segments import Dimensions

REPEAT: Final = 1
MULTI: Final = 2
UPSELL: Final = 4

ORDERS_MAX: Final = 16
"""Orders of one customer that are remembered one by one."""


class Order(NamedTuple):
    """One order; the tie-break tells apart those of one instant."""

    at_ms: int
    tie_break: int
    is_upsell: bool
    dimensions: Dimensions


class Sighting(NamedTuple):
    """What is known of one order.

    Attributes:
        order: the order.
        since_first_ms: since the customer's first order ever.
        marks: `REPEAT`, `MULTI` and `UPSELL`, added up.
    """

    order: Order
    since_first_ms: int
    marks: int


@dataclass(slots=True)
class _History:
    """One customer's orders."""

    first_ms: int
    last_ms: int
    count: int = 0
    orders: list[Order] = field(default_factory=list)

    def add(self, order: Order) -> Iterable[Order]:
        """Take in an order; gives those of which more is known now."""
        is_first = order.at_ms < self.first_ms
        self.first_ms = min(self.first_ms, order.at_ms)
        self.last_ms = max(self.last_ms, order.at_ms)
        self.count += 1
        insort(self.orders, order)
        everybody = is_first or self.count == 2  # noqa: PLR2004 - the first is not alone any more
        return list(self.orders) if everybody else (order,)

    def sighting(self, order: Order) -> Sighting:
        marks = UPSELL if order.is_upsell else 0
        if order.at_ms > self.first_ms:
            marks |= REPEAT
        if self.count > 1:
            marks |= MULTI
        return Sighting(order, order.at_ms - self.first_ms, marks)

    def shorten(self, kept_from_ms: int) -> None:
        """Forget single orders whose panes are gone, and those that are too many."""
        self.orders = [order for order in self.orders if order.at_ms >= kept_from_ms]
        if len(self.orders) > ORDERS_MAX:
            begin = 1 if self.orders[0].at_ms == self.first_ms else 0
            del self.orders[begin : begin + len(self.orders) - ORDERS_MAX]


class Customers:
    """The customers of one partition; all orders of a customer are in the same one.

    Only those looked up or seen lately are held. What is not known must be learned before its
    order is counted: from the store, or, where there is none, that there is nothing to know.

    Args:
        names: of the dimensions in use, in the order of `Dimensions`.
        ttl_ms: how long after the last order a customer is forgotten, in event time.
        kept_ms: how long panes are kept.
        held_max: customers held; those not seen for longest are let go.
    """

    def __init__(
        self, names: Sequence[str], *, ttl_ms: int, kept_ms: int, held_max: int = 100_000
    ) -> None:
        self._names = tuple(names)
        self._ttl_ms = ttl_ms
        self._kept_ms = kept_ms
        self._held_max = held_max
        self._held: dict[int, bytes | None] = {}
        self._changed: set[int] = set()

    def __len__(self) -> int:
        return len(self._held)

    def unknown(self, customers: Iterable[int]) -> list[int]:
        """Those of the customers that must be learned first, each once."""
        return [key for key in dict.fromkeys(customers) if key not in self._held]

    def learn(self, stored: Mapping[int, bytes | None]) -> None:
        """Take in what is stored of customers, ``None`` where that is nothing."""
        self._held.update(stored)

    def order(self, customer: int, order: Order, clock_ms: int) -> Iterator[Sighting]:
        """Count an order of a customer who is known, and yield all that is new of any order.

        Args:
            customer: the keyed hash of the customer's id.
            order: the order.
            clock_ms: the event clock, by which panes are kept.

        Raises:
            KeyError: the customer was not learned.
        """
        encoded = self._held.pop(customer)
        history = None if encoded is None else self._decode(encoded)
        if history is None or history.last_ms < order.at_ms - self._ttl_ms:
            history = _History(first_ms=order.at_ms, last_ms=order.at_ms)
        news = history.add(order)
        yield from map(history.sighting, news)
        history.shorten(clock_ms - self._kept_ms)
        self._held[customer] = self._encode(history)  # at the end: it was seen last
        self._changed.add(customer)

    def take_changes(self) -> dict[int, bytes]:
        """Customers to store, encoded, since the last call."""
        changed = {key: found for key in self._changed if (found := self._held[key]) is not None}
        self._changed.clear()
        for key in list(islice(self._held, max(0, len(self._held) - self._held_max))):
            del self._held[key]
        return changed

    def _encode(self, history: _History) -> bytes:
        orders = [
            [
                order.at_ms,
                order.tie_break,
                int(order.is_upsell),
                {n: v for n, v in zip(self._names, order.dimensions, strict=True) if v is not None},
            ]
            for order in history.orders
        ]
        return to_json([history.first_ms, history.last_ms, history.count, orders])

    def _decode(self, encoded: bytes) -> _History:
        first_ms, last_ms, count, orders = from_json(encoded)
        return _History(
            first_ms,
            last_ms,
            count,
            [
                # By name: which dimensions are in use may have changed since.
                Order(at, tie, bool(upsell), tuple(given.get(name) for name in self._names))
                for at, tie, upsell, given in orders
            ],
        )
