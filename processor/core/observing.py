"""What the events of one partition are observed for, beside what they count."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import xxhash

from processor.core.config import EngineConfig
from processor.core.customers import Customers, Order
from processor.core.event_fields import Event, reader
from processor.core.identity import keyed_digest
from processor.core.measures import MeasurePlan
from processor.core.observed import Observed, pane_samples
from processor.core.sample import key_of, note_of
from processor.core.sampled_panes import PaneSamples
from processor.core.segments import Dimensions, Segmentation
from schemas.events import EventType
from schemas.timestamps import parse_rfc3339

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
        seconds: Sequence[str],
        events: Sequence[Event],
        dimensions: Iterable[Dimensions],
        time_of: Callable[[str], int],
    ) -> None:
        """Observe events.

        Args:
            seconds: each event's time up to its second.
            events: as the fast validator gives them.
            dimensions: theirs.
            time_of: milliseconds of a second.
        """
        observe, values_of = self._plan.observe, self._values_of
        key_of_one = _Keys(self._hash_key).__getitem__
        for second, event, dims in zip(seconds, events, dimensions, strict=True):
            for measure, identity, magnitude, marks in observe(values_of(event)):
                key = key_of_one(event["event_id"] if identity is None else identity)
                note = note_of(magnitude, marks)
                self._observed.append(Observed(time_of(second), dims, measure, key, note))
            if self._customers is not None and event.get("kind", "order") == "order":
                order = Order(
                    parse_rfc3339(event["occurred_at"]),
                    xxhash.xxh3_64_intdigest(event["event_id"].encode()),
                    bool(event.get("upsell")),
                    dims,
                )
                self._orders.append((key_of_one(event["customer_id"]), order))

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
                self._observed += (
                    Observed(
                        seen.order.at_ms,
                        seen.order.dimensions,
                        BUYERS,
                        key,
                        note_of(seen.since_first_ms, seen.marks),
                    )
                    for seen in self._customers.order(key, order, clock_ms)
                )
        return (one.dimensions for one in self._observed)

    def take(self, clock_ms: int) -> tuple[PaneSamples, dict[int, bytes]]:
        """What was gathered since the last call, by pane, and the customers to store."""
        self.settle(clock_ms)
        observed, self._observed = self._observed, []
        samples = pane_samples(observed, self._segmentation, self._tiers, clock_ms)
        return samples, {} if self._customers is None else self._customers.take_changes()


class _Keys(dict[str, int]):
    """The keys of a batch's identities, each hashed once."""

    def __init__(self, hash_key: bytes) -> None:
        super().__init__()
        self._hash_key = hash_key

    def __missing__(self, identity: str) -> int:
        key = self[identity] = key_of(keyed_digest(identity, self._hash_key, 8))
        return key
