"""What customers buy, from orders and refunds: how many, and how much in each currency.

Money is summed in minor units (cents) and becomes major units in the one division at the end.
"""

from typing import Final

from processor.core.estimate import Counts, Estimate
from processor.metrics.estimates import quotient, tally
from processor.metrics.registry import metric, money_metric
from schemas.money import minor_digits
from schemas.readings import Unit

_ORDERS: Final = "order.n."
_REFUNDS: Final = "refund.n."


def purchase_currencies(counts: Counts) -> tuple[str, ...]:
    """The currencies in which there were orders or refunds, sorted.

    >>> purchase_currencies({"order.n.USD": 2, "refund.n.EUR": 1, "order.n.JPY": 0, "clicks": 3})
    ('EUR', 'USD')
    """
    found = {
        measure.rpartition(".")[2]
        for measure, count in counts.items()
        if count and measure.startswith((_ORDERS, _REFUNDS))
    }
    return tuple(sorted(found))


def number_of_orders(counts: Counts) -> int:
    """Orders in all currencies."""
    return _all_currencies(counts, _ORDERS)


def _all_currencies(counts: Counts, prefix: str) -> int:
    return sum(count for measure, count in counts.items() if measure.startswith(prefix))


def revenue_minor(counts: Counts, currency: str) -> int:
    """Orders less refunds, in minor units."""
    return counts.get(f"order.minor.{currency}", 0) - counts.get(f"refund.minor.{currency}", 0)


def minor_per_major(currency: str) -> int:
    """Minor units (cents) of a major one."""
    return int(10 ** minor_digits(currency))


@metric(unit=Unit.COUNT, event_types=("purchase",))
def orders(counts: Counts) -> Estimate:
    """Orders: how many, in all currencies.

    A refund does not take its order back.

    Formula: number of purchases of kind order
    Source: counted.

    >>> orders({"order.n.USD": 2, "order.n.EUR": 1, "refund.n.USD": 1}).value
    3
    """
    return tally(number_of_orders(counts))


@metric(unit=Unit.COUNT, event_types=("purchase",))
def refunds(counts: Counts) -> Estimate:
    """Refunds: how many, in all currencies.

    Formula: number of purchases of kind refund
    Source: counted.

    >>> refunds({"order.n.USD": 2, "refund.n.USD": 1}).value
    1
    """
    return tally(_all_currencies(counts, _REFUNDS))


@money_metric(event_types=("purchase",), currencies=purchase_currencies)
def revenue(counts: Counts, currency: str) -> Estimate:
    """Revenue: what orders brought in, less what refunds gave back.

    Below 0 where more was given back than came in. Its `n` is the amounts in the sum, refunds
    too: a window of refunds alone has observed something.

    Formula: sum of order amounts - sum of refund amounts
    Source: counted.

    >>> revenue({"order.n.USD": 2, "order.minor.USD": 5000, "refund.minor.USD": 1050}, "USD").value
    39.5
    """
    return quotient(
        revenue_minor(counts, currency),
        minor_per_major(currency),
        n=counts.get(f"{_ORDERS}{currency}", 0) + counts.get(f"{_REFUNDS}{currency}", 0),
    )


@money_metric(event_types=("purchase",), currencies=purchase_currencies)
def average_purchase_value(counts: Counts, currency: str) -> Estimate:
    """Average purchase value: revenue for each order.

    Refunds lower the revenue and leave the orders, so that it is what an order was worth in the
    end.

    Formula: (sum of order amounts - sum of refund amounts) / orders
    Source: Farris et al. 2010, "Marketing metrics", 2nd ed.

    >>> average_purchase_value({"order.n.USD": 400, "order.minor.USD": 2_000_000}, "USD").value
    50.0
    """
    number = counts.get(f"{_ORDERS}{currency}", 0)
    return quotient(revenue_minor(counts, currency), number * minor_per_major(currency), n=number)
