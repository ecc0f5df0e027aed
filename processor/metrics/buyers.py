"""Who buys, and who comes back: what orders say of their customers.

The customers of a window's orders are a sample of identities (`processor.core.sample`), all of
them up to 8192, else a fair part. What is known of each is in it: an earlier order, another one at
any time, an order that sold more, and the time from the first order ever to the last in the
window. Shares and means are those of the sample, numbers of customers are told from it.
"""

from fractions import Fraction
from typing import Final

from processor.core.customers import MULTI, REPEAT, UPSELL
from processor.core.estimate import Counts, Estimate
from processor.core.panes import DAY_MS
from processor.metrics.commerce import minor_per_major, number_of_orders, revenue_minor
from processor.metrics.commerce import purchase_currencies as currencies_of
from processor.metrics.estimates import distinct, quotient, sampled_percent
from processor.metrics.registry import ComputeFor, metric, money_metric
from schemas.readings import Unit

_YEAR_MS: Final = int(365.25 * DAY_MS)


def _buyers(counts: Counts) -> int:
    return counts.get("buyers.distinct", 0)


def _sampled(counts: Counts) -> int:
    return counts.get("buyers.sampled", 0)


def _marked(counts: Counts, mark: int) -> int:
    return counts.get(f"buyers.marked{mark}", 0)


@metric(unit=Unit.COUNT, event_types=("purchase",), interval="sketch")
def buying_customers(counts: Counts) -> Estimate:
    """Buying customers: how many different customers ordered.

    Formula: distinct customers of orders
    Source: counted up to 8192 in a window, beyond that told from a part of them, with a standard
    error of 1.6 % at most: Dasgupta et al. 2016, "A framework for estimating stream expression
    cardinalities".

    >>> buying_customers({"buyers.distinct": 180}).value
    180
    """
    return distinct(counts, "buyers")


@metric(unit=Unit.RATIO, event_types=("purchase",))
def purchase_frequency(counts: Counts) -> Estimate:
    """Purchase frequency: orders for each customer that ordered.

    Formula: orders / distinct buying customers
    Source: Farris et al. 2010, "Marketing metrics", 2nd ed.

    >>> purchase_frequency({"order.n.USD": 400, "buyers.distinct": 180}).value
    2.2222222222222223
    """
    return quotient(number_of_orders(counts), _buyers(counts))


@money_metric(event_types=("purchase",), currencies=currencies_of)
def customer_value(counts: Counts, currency: str) -> Estimate:
    """Customer value: revenue for each customer that ordered in the currency.

    Formula: purchase_frequency * average_purchase_value, which is (sum of order amounts - sum of
    refund amounts) / distinct buying customers
    Source: Farris et al. 2010, "Marketing metrics", 2nd ed.

    >>> counts = {"order.n.USD": 400, "order.minor.USD": 2_000_000, "buyers.USD.distinct": 180}
    >>> customer_value(counts, "USD").value
    111.11111111111111
    """
    buyers = counts.get(f"buyers.{currency}.distinct", 0)
    return quotient(revenue_minor(counts, currency), buyers * minor_per_major(currency), n=buyers)


@metric(unit=Unit.RATIO, event_types=("purchase",))
def customer_lifespan(counts: Counts) -> Estimate:
    """Customer lifespan: years (of 365.25 days) that customers have been buying.

    From a customer's first order ever, as far as it is remembered, to the last in the window; 0 for
    a customer who ordered once.

    Formula: sum of (last order in the window - first order ever) / distinct buying customers
    Source: Gupta and Lehmann 2003, "Customers as assets", Journal of Interactive Marketing 17(1).

    >>> customer_lifespan({"buyers.distinct": 2, "buyers.sampled": 2,
    ...                    "buyers.magnitudes": 10 * 31_557_600_000}).value
    5.0
    """
    years = quotient(counts.get("buyers.magnitudes", 0), _sampled(counts) * _YEAR_MS)
    return Estimate(years.value, _buyers(counts))


@money_metric(event_types=("purchase",), currencies=currencies_of)
def clv(counts: Counts, currency: str) -> Estimate:
    """Customer lifetime value: what a customer brings over the time of buying.

    Formula: customer_value * customer_lifespan
    Source: Gupta and Lehmann 2003, "Customers as assets", Journal of Interactive Marketing 17(1).

    >>> counts = {"order.n.USD": 400, "order.minor.USD": 2_000_000, "buyers.USD.distinct": 180,
    ...           "buyers.sampled": 180, "buyers.magnitudes": 180 * 5 * 31_557_600_000}
    >>> clv(counts, "USD").value
    555.5555555555555
    """
    buyers = counts.get(f"buyers.{currency}.distinct", 0)
    return quotient(
        revenue_minor(counts, currency) * counts.get("buyers.magnitudes", 0),
        buyers * minor_per_major(currency) * _sampled(counts) * _YEAR_MS,
        n=buyers,
    )


def clv_over(years: float) -> ComputeFor:
    """The definition of `clv` where a lifespan is configured.

    >>> counts = {"order.minor.USD": 2_000_000, "buyers.USD.distinct": 180}
    >>> clv_over(5)(counts, "USD").value
    555.5555555555555
    """
    lifespan = Fraction(str(years))

    def configured_clv(counts: Counts, currency: str) -> Estimate:
        """Customer lifetime value: what a customer brings over the configured lifespan.

        Formula: customer_value * the configured lifespan in years
        Source: Gupta and Lehmann 2003, "Customers as assets", Journal of Interactive Marketing
        17(1).
        """
        buyers = counts.get(f"buyers.{currency}.distinct", 0)
        return quotient(
            revenue_minor(counts, currency) * lifespan.numerator,
            buyers * minor_per_major(currency) * lifespan.denominator,
            n=buyers,
        )

    return configured_clv


@metric(unit=Unit.PERCENT, event_types=("purchase",), interval="Wilson")
def repeat_purchase_rate(counts: Counts) -> Estimate:
    """Repeat purchase rate: the share of buying customers who had ordered before.

    Before an order in the window, and after it began or not; in any segment and currency.

    Formula: 100 * distinct customers with an earlier order, ever / distinct buying customers
    Source: Farris et al. 2010, "Marketing metrics", 2nd ed.; interval: Wilson 1927.

    >>> repeat_purchase_rate({"buyers.distinct": 40, "buyers.sampled": 40,
    ...                       "buyers.marked1": 10}).value
    25.0
    """
    return sampled_percent(_marked(counts, REPEAT), _sampled(counts), _buyers(counts))


@metric(unit=Unit.RATIO, event_types=("purchase",))
def repeat_to_one_time_ratio(counts: Counts) -> Estimate:
    """Repeat to one-time ratio: customers who had ordered before, for each who ordered only once.

    A customer whose first order is in the window and who ordered again after it is neither.

    Formula: distinct customers with an earlier order, ever / distinct customers with no other order
    Source: Farris et al. 2010, "Marketing metrics", 2nd ed.

    >>> repeat_to_one_time_ratio({"buyers.distinct": 40, "buyers.sampled": 40,
    ...                           "buyers.marked1": 10, "buyers.marked2": 15}).value
    0.4
    """
    sampled, buyers = _sampled(counts), _buyers(counts)
    once = sampled - _marked(counts, MULTI)
    return quotient(_marked(counts, REPEAT), once, n=buyers * once // sampled if sampled else 0)


@metric(unit=Unit.PERCENT, event_types=("purchase",), interval="Wilson")
def upsell_rate(counts: Counts) -> Estimate:
    """Upsell rate: the share of buying customers with an order that sold them more.

    Formula: 100 * distinct customers with an upsell order / distinct buying customers
    Source: Farris et al. 2010, "Marketing metrics", 2nd ed.; interval: Wilson 1927.

    >>> upsell_rate({"buyers.distinct": 40, "buyers.sampled": 40, "buyers.marked4": 5}).value
    12.5
    """
    return sampled_percent(_marked(counts, UPSELL), _sampled(counts), _buyers(counts))
