"""What customers and members add by coming and going, and what it costs to win them."""

from collections.abc import Mapping
from typing import Any, Final

from processor.core.bases import BaseEvent, BasePlan
from processor.core.observation import Observation
from processor.metrics.plan import Increments, MeasurePlan

_CUSTOMER: Final[Mapping[str, Increments]] = {
    "joined": (("customers.joined", 1),),
    "left": (("customers.left", 1),),
    "snapshot": (("customers.snapshots", 1),),
}
_LOYALTY: Final[Mapping[str, Increments]] = {
    "enrolled": (("members.joined", 1),),
    "left": (("members.left", 1),),
    "activity": (),
    "reward_issued": (("rewards.issued", 1),),
    "reward_redeemed": (("rewards.redeemed", 1),),
}


def _count_customer(values: tuple[Any, ...]) -> Increments:
    (action,) = values
    return _CUSTOMER[action]


def _customer_base(event: Mapping[str, Any]) -> BaseEvent:
    match event["action"]:
        case "joined":
            return BaseEvent(change=1)
        case "left":
            return BaseEvent(change=-1)
    return BaseEvent(count=event["count"])


def _count_loyalty(values: tuple[Any, ...]) -> Increments:
    (action,) = values
    return _LOYALTY[action]


def _observe_loyalty(values: tuple[Any, ...]) -> tuple[Observation, ...]:
    action, customer_id = values
    return (Observation("active_members", customer_id),) if action == "activity" else ()


def _member_base(event: Mapping[str, Any]) -> BaseEvent | None:
    match event["action"]:
        case "enrolled":
            return BaseEvent(change=1)
        case "left":
            return BaseEvent(change=-1)
    return None


def _count_spend(values: tuple[Any, ...]) -> Increments:
    amount_minor, currency = values
    if amount_minor is None:
        raise ValueError("a spend without amount_minor, which validation adds")
    spent = (f"spend.minor.{currency}", amount_minor)
    return ((f"spend.n.{currency}", 1), spent) if amount_minor else ((f"spend.n.{currency}", 1),)


CUSTOMER: Final = MeasurePlan(
    "customer",
    reads=("action",),
    count=_count_customer,
    base=BasePlan("customers", _customer_base, exactly=True),
)
"""``customers.joined``, ``customers.left``, and the base of customers."""

LOYALTY: Final = MeasurePlan(
    "loyalty",
    reads=("action",),
    count=_count_loyalty,
    observes=("action", "customer_id"),
    observe=_observe_loyalty,
    base=BasePlan("members", _member_base, has_snapshots=False),
)
"""``members.joined``, ``members.left``, ``rewards.issued``, ``rewards.redeemed``, the base of
members, and who was active, observed as ``active_members``."""

MARKETING_SPEND: Final = MeasurePlan(
    "marketing_spend", reads=("amount_minor", "currency"), count=_count_spend
)
"""``spend.n.USD`` and ``spend.minor.USD``, in minor units of the currency."""
