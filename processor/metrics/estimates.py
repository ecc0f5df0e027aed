"""The few shapes a metric has: a share, a net score, a mean, a percentile, a quotient, a tally.

Each turns integers that were counted into an `Estimate`. A value is one division of integers,
rounded once; where there is nothing to divide by it is ``None``, never 0 or NaN.
"""

import math

from processor.core.estimate import Counts, Estimate
from processor.metrics.intervals import Interval, Z, adjusted_wald, mean_t, wilson


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


def share_of_base(part: int, whole: int) -> Estimate:
    """A share in percent of what is counted elsewhere than the part.

    Its Wilson interval where the part is within the whole; where it is not, as data that lacks
    something may have it, the value alone. Without a whole there is no value.

    >>> share_of_base(25, 100).value, share_of_base(3, 2).value, share_of_base(1, 0).value
    (25.0, 150.0, None)
    """
    if whole <= 0:
        return Estimate(None, 0)
    return percent(part, whole) if 0 <= part <= whole else quotient(100 * part, whole)


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
    Estimate(value=7.0, n=1, low=None, high=None, standard_error=None, lacks=False)
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


def distinct(counts: Counts, measure: str) -> Estimate:
    """How many identities were observed, with the bounds of what is told from a sample.

    Args:
        counts: of a window, with the measure's sample beside the counters.
        measure: what was observed.

    >>> distinct({"buyers.distinct": 20_000, "buyers.distinct_low": 19_400,
    ...           "buyers.distinct_high": 20_700}, "buyers").low
    19400
    """
    number = counts.get(f"{measure}.distinct", 0)
    if not number:
        return tally(0)
    low = counts.get(f"{measure}.distinct_low", number)
    high = counts.get(f"{measure}.distinct_high", number)
    return Estimate(number, number, low=low, high=high, standard_error=(high - low) / (2 * Z))


def percentile(
    counts: Counts, measure: str, percent: int, *, n: int | None = None, per: int = 1
) -> Estimate:
    """A percentile of observed magnitudes, with the bounds of its rank.

    Args:
        counts: of a window, with the measure's sample beside the counters.
        measure: what was observed.
        percent: 1…99.
        n: how many magnitudes there are, where that was counted; else as the sample tells.
        per: what one unit of the value holds of the magnitudes' own, e.g. 1000 for seconds.

    >>> percentile({"wait_ms.p50": 1500, "wait_ms.p50_low": 1000, "wait_ms.p50_high": 4000,
    ...             "wait_ms.distinct": 9}, "wait_ms", 50, per=1000).value
    1.5
    """
    name, told = f"{measure}.p{percent}", counts.get(f"{measure}.distinct", 0)
    if not told:
        return Estimate(None, 0)
    low, high = counts[f"{name}_low"] / per, counts[f"{name}_high"] / per
    return Estimate(
        counts[name] / per,
        told if n is None else n,
        low=low,
        high=high,
        standard_error=(high - low) / (2 * Z),
    )


def sampled_percent(part: int, sampled: int, n: int) -> Estimate:
    """A share of identities, in percent, told by a fair sample of them.

    Its Wilson interval is that of the sample: wide enough for what the sample leaves out.

    Args:
        part: how many of the sample.
        sampled: how many are in the sample.
        n: how many there are.

    >>> sampled_percent(1000, 4000, n=128_000).value
    25.0
    """
    return percent(part, sampled)._replace(n=n)


def tally(count: int) -> Estimate:
    """How many; nothing is 0.

    >>> tally(0)
    Estimate(value=0, n=0, low=None, high=None, standard_error=None, lacks=False)
    """
    return Estimate(count, count)


def _estimate(
    value: float, n: int, interval: Interval, *, scale: int, lowest: float, highest: float
) -> Estimate:
    return Estimate(
        value,
        n,
        max(scale * interval.low, lowest),
        min(scale * interval.high, highest),
        scale * interval.standard_error,
    )
