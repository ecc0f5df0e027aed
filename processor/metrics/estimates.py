"""The few shapes a metric has: a share, a net score, a mean, a quotient, a tally.

Each turns integers that were counted into an `Estimate`. A value is one division of integers,
rounded once; where there is nothing to divide by it is ``None``, never 0 or NaN.
"""

import math

from processor.core.estimate import Estimate
from processor.metrics.intervals import Interval, adjusted_wald, mean_t, wilson


def percent(part: int, whole: int) -> Estimate:
    """A share of the whole, in percent, with its Wilson interval.

    Raises:
        ValueError: the part is not within the whole.

    >>> percent(0, 5).value, percent(0, 0).value
    (0.0, None)
    """
    interval = wilson(part, whole)
    if interval is None:
        return Estimate(None, 0)
    return _estimate(100 * part / whole, whole, interval, scale=100, lowest=0.0, highest=100.0)


def net_points(plus: int, minus: int, n: int) -> Estimate:
    """A net score in points, -100…100, with its adjusted Wald interval, clipped to that range.

    Raises:
        ValueError: plus and minus are not among the n.

    >>> net_points(90, 40, 200).value
    25.0
    """
    interval = adjusted_wald(plus, minus, n)
    if interval is None:
        return Estimate(None, 0)
    return _estimate(100 * (plus - minus) / n, n, interval, scale=100, lowest=-100.0, highest=100.0)


def mean(
    total: int,
    total_of_squares: int,
    n: int,
    *,
    per: int = 1,
    lowest: float = -math.inf,
    highest: float = math.inf,
) -> Estimate:
    """A mean with its t-interval, clipped to the values that it can take.

    Args:
        total: the sum of the values.
        total_of_squares: the sum of their squares.
        n: how many values; one alone has a mean but no interval.
        per: what one unit of the mean holds of the values' own, e.g. 1000 for seconds.
        lowest: the smallest mean possible, in the mean's unit.
        highest: the largest.

    Raises:
        ValueError: no n values have these sums.

    >>> mean(total=7, total_of_squares=49, n=1)
    Estimate(value=7.0, n=1, low=None, high=None, standard_error=None)
    """
    interval = mean_t(total, total_of_squares, n, per=per)
    if n == 0:
        return Estimate(None, 0)
    value = total / (n * per)
    if interval is None:
        return Estimate(value, n)
    return _estimate(value, n, interval, scale=1, lowest=lowest, highest=highest)


def quotient(numerator: int, denominator: int, *, n: int | None = None) -> Estimate:
    """A plain division without an interval.

    Args:
        numerator: any integer; it may pass the denominator.
        denominator: 0 gives no value.
        n: the observations behind it, where that is not the denominator itself.

    >>> quotient(1, 4).value
    0.25
    """
    observations = denominator if n is None else n
    if denominator == 0:
        return Estimate(None, observations)
    return Estimate(numerator / denominator, observations)


def tally(count: int) -> Estimate:
    """How many; nothing is 0.

    >>> tally(0)
    Estimate(value=0, n=0, low=None, high=None, standard_error=None)
    """
    return Estimate(count, count)


def _estimate(
    value: float, n: int, interval: Interval, *, scale: int, lowest: float, highest: float
) -> Estimate:
    return Estimate(
        value,
        n,
        low=max(scale * interval.low, lowest),
        high=min(scale * interval.high, highest),
        standard_error=scale * interval.standard_error,
    )
