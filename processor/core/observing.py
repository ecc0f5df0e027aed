"""What the events of one partition are observed for, beside what they count."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

import xxhash

from processor.core.config import EngineConfig
from processor.core.customers import Customers, Order
from processor.core.event_fields import Event, reader
from processor.core.identity import keyed_digests
from processor.core.measures import MeasurePlan
from processor.core.observed import Observed, pane_samples
from processor.core.sample import key_of, note_of
from processor.core.sampled_panes import PaneSamples
from processor.core.segments import Dimensions, Segmentation
from schemas.events import EventType

BUYERS: Final = "buyers"
"""The measure under which the customers of orders are observed, with what is known of them."""


class Observing:
    """Gathers observations until they are taken.

    Args:
        event_type: of the events; of purchases the customers are remembered.
        plan: what events are observed for.
        config: tiers, key of the hashes, limits.
        segmentation: the segment sets.
        customers_held_max: customers held in memory.
    """

    def __init__(
        self,
        event_type: EventType,
        plan: MeasurePlan,
        config: EngineConfig,
        segmentation: Segmentation,
        *,
        customers_held_max: int,
    ) -> None:
        self._plan = plan
        self._values_of = reader(plan.observes)
        self._tiers = config.tiers
        self._segmentation = segmentation
        self._hash_key = config.identity_key
        self._observed: list[Observed] = []
        self._orders: list[tuple[int, Order]] = []
        self._customers: Customers | None = None
        if event_type is EventType.PURCHASE:
            self._customers = Customers(
                segmentation.names,
                ttl_ms=config.customer_ttl_ms,
                kept_ms=max(tier.retention_ms + tier.pane_ms for tier in config.tiers),
                held_max=customers_held_max,
            )

    @property
    def is_needed(self) -> bool:
        """Whether events of this type are observed for anything."""
        return bool(self._plan.observes or self._customers is not None)

    def add(
        self,
        events: Sequence[Event],
        times_ms: Sequence[int],
        dimensions: Sequence[Dimensions],
    ) -> None:
        """Observe events.

        Args:
            events: as the fast validator gives them.
            times_ms: theirs.
            dimensions: theirs.
        """
        observed = map(self._plan.observe, map(self._values_of, events))
        found = [
            (event["event_id"] if one[1] is None else one[1], time_ms, dims, one)
            for event, time_ms, dims, all_of_it in zip(
                events, times_ms, dimensions, observed, strict=True
            )
            for one in all_of_it
        ]
        orders: list[tuple[str, int, Dimensions, Event]] = []
        if self._customers is not None:
            orders = [
                (event["customer_id"], time_ms, dims, event)
                for event, time_ms, dims in zip(events, times_ms, dimensions, strict=True)
                if event["kind"] == "order"
            ]
        keys = self._keys(identity for identity, *_ in chain(found, orders))
        self._observed += [
            (time_ms, dims, measure, keys[identity], note_of(magnitude, marks))
            for identity, time_ms, dims, (measure, _, magnitude, marks) in found
        ]
        self._orders += [
            (keys[customer], Order(at_ms, _tie_break(event), bool(event.get("upsell")), dims))
            for customer, at_ms, dims, event in orders
        ]

    def _keys(self, identities: Iterable[str]) -> dict[str, int]:
        """The keys of identities, each hashed once."""
        each = dict.fromkeys(identities)
        digests = keyed_digests(each, self._hash_key, 8)
        return dict(zip(each, map(key_of, digests), strict=True))

    def unknown_customers(self) -> list[int]:
        """Customers to learn of before their orders can be counted."""
        if self._customers is None:
            return []
        return self._customers.unknown(key for key, _ in self._orders)

    def learn_customers(self, stored: Mapping[int, bytes | None]) -> None:
        """Take in what is stored of customers, ``None`` where that is nothing."""
        if self._customers is not None:
            self._customers.learn(stored)

    def settle(self, clock_ms: int) -> Iterable[Dimensions]:
        """Count the orders of known customers, and give the dimensions of all that is gathered."""
        if self._customers is not None:
            orders, self._orders = self._orders, []
            for key, order in orders:
                self._observed += [
                    (seen.at_ms, seen.dimensions, BUYERS, key, note_of(since_first_ms, marks))
                    for seen, since_first_ms, marks in self._customers.order(key, order, clock_ms)
                ]
        return dict.fromkeys([observed[1] for observed in self._observed])

    def take(self, clock_ms: int) -> tuple[PaneSamples, dict[int, bytes]]:
        """What was gathered since the last call, by pane, and the customers to store."""
        self.settle(clock_ms)
        observed, self._observed = self._observed, []
        samples = pane_samples(observed, self._segmentation, self._tiers, clock_ms)
        return samples, {} if self._customers is None else self._customers.take_changes()


def _tie_break(event: Event) -> int:
    return xxhash.xxh3_64_intdigest(event["event_id"].encode())
