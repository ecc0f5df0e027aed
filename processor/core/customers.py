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

import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, starmap
from typing import Final, NamedTuple

from processor.core.palettes import Palette, Palettes
from processor.core.segments import Dimensions

REPEAT: Final = 1
MULTI: Final = 2
UPSELL: Final = 4

ORDERS_MAX: Final = 16
"""Orders of one customer that are remembered one by one."""

_PALETTE_MAX: Final = ORDERS_MAX
_ORDER: Final = struct.Struct("<qQBB")
_HEAD: Final = struct.Struct("<qqII")
_pack_order = _ORDER.pack


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


class _History:
    """One customer's orders: the times of the first and the last, and the latest of them, packed.

    Attributes:
        palette: the dimensions of the orders.
        orders: in the order of time and tie-break, 18 bytes each.
    """

    __slots__ = ("count", "first_ms", "last_ms", "orders", "palette")

    def __init__(
        self, first_ms: int, last_ms: int, count: int, palette: Palette, orders: bytes
    ) -> None:
        self.first_ms = first_ms
        self.last_ms = last_ms
        self.count = count
        self.palette = palette
        self.orders = orders

    def add(self, order: Order) -> Iterable[Order]:
        """Take in an order; gives those of which more is known now."""
        at_ms, tie_break, is_upsell, dimensions = order
        is_first = at_ms < self.first_ms
        if dimensions not in self.palette:
            self.palette = (*self.palette, dimensions)
        packed = _pack_order(at_ms, tie_break, is_upsell, self.palette.index(dimensions))
        if at_ms > self.last_ms or not self.orders:
            self.orders += packed
        else:
            entries = sorted((*_ORDER.iter_unpack(self.orders), _ORDER.unpack(packed)))
            self.orders = b"".join(starmap(_pack_order, entries))
        self.first_ms = min(self.first_ms, at_ms)
        self.last_ms = max(self.last_ms, at_ms)
        self.count += 1
        everybody = is_first or self.count == 2  # noqa: PLR2004 - the first is not alone any more
        return self.remembered() if everybody else (order,)

    def remembered(self) -> Iterable[Order]:
        """The orders, in the order of time."""
        for at_ms, tie_break, is_upsell, place in _ORDER.iter_unpack(self.orders):
            yield Order(at_ms, tie_break, bool(is_upsell), self.palette[place])

    def sighting(self, order: Order) -> Sighting:
        marks = UPSELL if order.is_upsell else 0
        if order.at_ms > self.first_ms:
            marks |= REPEAT
        if self.count > 1:
            marks |= MULTI
        return Sighting(order, order.at_ms - self.first_ms, marks)

    def shorten(self, kept_from_ms: int) -> None:
        """Forget single orders whose panes are gone, and those that are too many."""
        size = _ORDER.size
        while self.orders and _ORDER.unpack_from(self.orders)[0] < kept_from_ms:
            self.orders = self.orders[size:]
        excess = len(self.orders) - ORDERS_MAX * size
        if excess > 0:
            begin = size if _ORDER.unpack_from(self.orders)[0] == self.first_ms else 0
            self.orders = self.orders[:begin] + self.orders[begin + excess :]
        if len(self.palette) > _PALETTE_MAX or not self.orders:
            kept = tuple(self.remembered())
            self.palette = tuple(dict.fromkeys(order.dimensions for order in kept))
            self.orders = b"".join(
                _pack_order(o.at_ms, o.tie_break, o.is_upsell, self.palette.index(o.dimensions))
                for o in kept
            )


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
        self._ttl_ms = ttl_ms
        self._kept_ms = kept_ms
        self._held_max = held_max
        self._held: dict[int, _History | bytes | None] = {}
        self._palettes = Palettes(names)
        self._changed: set[int] = set()

    def __len__(self) -> int:
        return len(self._held)

    def unknown(self, customers: Iterable[int]) -> list[int]:
        """Those of the customers that must be learned first, each once."""
        return [key for key in dict.fromkeys(customers) if key not in self._held]

    def learn(self, stored: Mapping[int, bytes | None]) -> None:
        """Take in what is stored of customers, ``None`` where that is nothing."""
        self._held.update(stored)

    def order(self, customer: int, order: Order, clock_ms: int) -> list[Sighting]:
        """Count an order of a customer who is known, and give all that is new of any order.

        Args:
            customer: the keyed hash of the customer's id.
            order: the order.
            clock_ms: the event clock, by which panes are kept.

        Raises:
            KeyError: the customer was not learned.
        """
        known = self._held.pop(customer)
        history = self._decode(known) if isinstance(known, bytes) else known
        if history is None or history.last_ms < order.at_ms - self._ttl_ms:
            history = _History(order.at_ms, order.at_ms, 0, (), b"")
        sightings = [history.sighting(each) for each in history.add(order)]
        history.shorten(clock_ms - self._kept_ms)
        self._held[customer] = history  # at the end: it was seen last
        self._changed.add(customer)
        return sightings

    def take_changes(self) -> dict[int, bytes]:
        """Customers to store, encoded, since the last call."""
        changed: dict[int, bytes] = {}
        for key in self._changed:
            history = self._held[key]
            if isinstance(history, _History):
                # As it is stored it takes a third of the memory.
                changed[key] = self._held[key] = self._encode(history)
        self._changed.clear()
        for key in list(islice(self._held, max(0, len(self._held) - self._held_max))):
            del self._held[key]
        return changed

    def _encode(self, history: _History) -> bytes:
        palette = self._palettes.encode(history.palette)
        head = _HEAD.pack(history.first_ms, history.last_ms, history.count, len(palette))
        return head + palette + history.orders

    def _decode(self, encoded: bytes) -> _History:
        first_ms, last_ms, count, length = _HEAD.unpack_from(encoded)
        begin = _HEAD.size + length
        palette = self._palettes.decode(encoded[_HEAD.size : begin])
        return _History(first_ms, last_ms, count, palette, encoded[begin:])
