"""The loyalty programme: who takes part, who is active, and what becomes of rewards.

``members.at_end`` is the running base of members: enrolled less left, ever.
"""

from processor.core.estimate import Counts, Estimate
from processor.metrics.estimates import quotient, share_of_base
from processor.metrics.registry import metric
from schemas.readings import Unit


@metric(unit=Unit.PERCENT, event_types=("loyalty", "customer"), interval="Wilson")
def loyalty_participation_rate(counts: Counts) -> Estimate:
    """Loyalty participation rate: the share of the customers that are members.

    Formula: 100 * members at the window's end / customers at its end
    Source: Kumar and Reinartz 2018, "Customer relationship management", 3rd ed., chapter 9;
    interval: Wilson 1927.

    >>> loyalty_participation_rate({"members.at_end": 30, "customers.at_end": 120}).value
    25.0
    """
    members, known = counts.get("members.at_end", 0), not counts.get("members.unknown", 0)
    customers = counts.get("customers.at_end", 0)
    return share_of_base(members, customers) if known else Estimate(None, 0)


@metric(unit=Unit.PERCENT, event_types=("loyalty",))
def redemption_rate(counts: Counts) -> Estimate:
    """Redemption rate: rewards redeemed for each hundred issued.

    A reward may be redeemed in a later window than it was issued in, so it may pass 100; it is
    published as it is, and has no interval.

    Formula: 100 * rewards redeemed / rewards issued
    Source: Kumar and Reinartz 2018, "Customer relationship management", 3rd ed., chapter 9.

    >>> redemption_rate({"rewards.issued": 8, "rewards.redeemed": 2}).value
    25.0
    """
    return quotient(100 * counts.get("rewards.redeemed", 0), counts.get("rewards.issued", 0))


@metric(unit=Unit.PERCENT, event_types=("loyalty",), interval="Wilson")
def active_engagement_rate(counts: Counts) -> Estimate:
    """Active engagement rate: the share of the members that did something in the window.

    Members who were active and left are not in the base any more, so it may pass 100, and is then
    published as it is, without an interval.

    Formula: 100 * distinct members with activity / members at the window's end
    Source: Kumar and Reinartz 2018, "Customer relationship management", 3rd ed., chapter 9;
    interval: Wilson 1927.

    >>> active_engagement_rate({"active_members.distinct": 9, "members.at_end": 36}).value
    25.0
    """
    active = counts.get("active_members.distinct", 0)
    return share_of_base(active, counts.get("members.at_end", 0))
