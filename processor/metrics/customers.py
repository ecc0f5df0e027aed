"""The base of customers: how many there are, who leaves, who stays, and what a new one costs.

``customers.at_start`` and ``customers.at_end`` are the base at the window's start and end, computed
from snapshots and from who joined and left (`processor.core.bases`). They are absent where nothing
was ever counted, or where the base is not known; then ``customers.unknown`` is 1.
"""

from typing import Final

from processor.core.estimate import Counts, Estimate
from processor.metrics.estimates import quotient, share_of_base, tally
from processor.metrics.registry import metric, money_metric
from schemas.money import minor_digits
from schemas.readings import Unit

_SPENDS: Final = "spend.n."


def spend_currencies(counts: Counts) -> tuple[str, ...]:
    """The currencies in which money was spent on marketing, sorted.

    >>> spend_currencies({"spend.n.USD": 2, "spend.n.EUR": 1, "spend.n.JPY": 0, "clicks": 3})
    ('EUR', 'USD')
    """
    found = {
        measure.removeprefix(_SPENDS)
        for measure, count in counts.items()
        if count and measure.startswith(_SPENDS)
    }
    return tuple(sorted(found))


def base_at_end(counts: Counts, base: str) -> Estimate:
    """A base at the window's end, as a count; not known is ``None``.

    >>> base_at_end({"members.at_end": 12}, "members").value, base_at_end({}, "members").value
    (12, 0)
    """
    if counts.get(f"{base}.unknown", 0):
        return Estimate(None, 0)
    return tally(counts.get(f"{base}.at_end", 0))


@metric(unit=Unit.COUNT, event_types=("customer",))
def customers(counts: Counts) -> Estimate:
    """Customers: how many there are at the window's end.

    Without any snapshot it is counted from nothing. A window that ends before the first one knows
    no base; where the whole has a snapshot and a segment has none, the segment's base is not known.

    Formula: last snapshot + joined - left since
    Source: counted.

    >>> customers({"customers.at_end": 975, "customers.joined": 5}).value
    975
    """
    return base_at_end(counts, "customers")


@metric(unit=Unit.PERCENT, event_types=("customer",), interval="Wilson")
def churn_rate(counts: Counts) -> Estimate:
    """Churn rate: the share of the customers at the window's start that left in it.

    Those who joined and left within the window are among the leavers and not in the base, so it
    may pass 100, and is then published as it is, without an interval.

    Formula: 100 * left in the window / customers at its start
    Source: Farris et al. 2010, "Marketing metrics", 2nd ed., section 5.1; interval: Wilson 1927.

    >>> churn_rate({"customers.at_start": 100, "customers.left": 25}).value
    25.0
    """
    return share_of_base(counts.get("customers.left", 0), counts.get("customers.at_start", 0))


@metric(unit=Unit.PERCENT, event_types=("customer",), interval="Wilson")
def retention_rate(counts: Counts) -> Estimate:
    """Retention rate: the share of the customers at the window's start that are left at its end.

    Where a snapshot in the window says something else than was counted, it may leave 0…100, and is
    then published as it is, without an interval.

    Formula: 100 * (customers at the end - joined in the window) / customers at the start
    Source: Farris et al. 2010, "Marketing metrics", 2nd ed., section 5.1; interval: Wilson 1927.

    >>> retention_rate({"customers.at_start": 100, "customers.at_end": 80, "customers.left": 25,
    ...                 "customers.joined": 5}).value
    75.0
    """
    stayed = counts.get("customers.at_end", 0) - counts.get("customers.joined", 0)
    at_start = counts.get("customers.at_start", 0)
    is_known = not counts.get("customers.unknown", 0)
    return share_of_base(stayed, at_start) if is_known else Estimate(None, 0)


@money_metric(event_types=("customer", "marketing_spend"), currencies=spend_currencies)
def cac(counts: Counts, currency: str) -> Estimate:
    """Customer acquisition cost: what marketing spent for each customer who joined.

    Formula: marketing spend / customers joined
    Source: Farris et al. 2010, "Marketing metrics", 2nd ed., section 5.4.

    >>> cac({"spend.n.USD": 2, "spend.minor.USD": 100_000, "customers.joined": 20}, "USD").value
    50.0
    """
    joined = counts.get("customers.joined", 0)
    spent_minor = counts.get(f"spend.minor.{currency}", 0)
    return quotient(spent_minor, joined * int(10 ** minor_digits(currency)), n=joined)
