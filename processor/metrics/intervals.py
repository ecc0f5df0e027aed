"""95 % intervals from exact counts, and the test that compares two of them.

Each interval is computed from integers that were counted, in one or two roundings, so that the
same counts give the same bits wherever and in whatever order they were added.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final, NamedTuple

from processor.core.estimate import Estimate

CONFIDENCE: Final = 0.95
"""The confidence of every published interval."""

Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
"""Two-sided normal quantile of `CONFIDENCE`: 1.959964."""

_EXPANSION_FROM: Final = 200
"""Degrees of freedom from which the expansion of Student's t errs by less than 1e-10."""


class Interval(NamedTuple):
    """An interval, not yet clipped to what the metric can be.

    Attributes:
        low: lower end.
        high: upper end.
        standard_error: half the width over `Z`.
    """

    low: float
    high: float
    standard_error: float


def wilson(successes: int, n: int) -> Interval | None:
    """Wilson score interval of a proportion; always within 0…1, and never empty.

    Formula: (s + z²/2) / (n + z²) ± z / (n + z²) * sqrt(s * (n - s) / n + z²/4).
    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22(158).

    Args:
        successes: how many of the observations count, 0…n.
        n: observations.

    Returns:
        The interval as fractions of 1, or ``None`` where nothing was observed.

    Raises:
        ValueError: the successes are not among the observations.

    >>> low, high, _ = wilson(9, 10)
    >>> round(100 * low, 1), round(100 * high, 1)
    (59.6, 98.2)
    """
    if not 0 <= successes <= n:
        raise ValueError(f"Wilson interval of {successes} successes among {n}: not a proportion")
    if n == 0:
        return None
    scale = n + Z * Z
    centre = (successes + Z * Z / 2) / scale
    half = Z / scale * math.sqrt(successes * (n - successes) / n + Z * Z / 4)
    # At the ends the formula gives exactly 0 and 1; rounding must not say otherwise.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Interval(low, high, half / Z)


def adjusted_wald(promoters: int, detractors: int, n: int) -> Interval | None:
    """Adjusted Wald interval of a net score, promoters less detractors.

    Formula: with n' = n + 3, p' = (promoters + 3/4) / n' and d' = (detractors + 3/4) / n',
    p' - d' ± z * sqrt((p' + d' - (p' - d')²) / n'). The added answers pull the centre towards 0
    and keep the width above 0 where all answers agree. The ends can pass ±1. A single answer
    that is not passive lies just outside (its score is ±1, the nearer end ±0.985); from two
    answers on, the score is always inside.
    Source: Rocks 2016, "Interval estimation for the Net Promoter Score", The American
    Statistician 70(4).

    Args:
        promoters: answers for.
        detractors: answers against.
        n: all answers, passive ones too.

    Returns:
        The interval as fractions of 1, not clipped, or ``None`` where nothing was observed.

    Raises:
        ValueError: promoters and detractors are not among the answers.

    >>> low, high, _ = adjusted_wald(3, 0, 3)
    >>> round(100 * low), round(100 * high)
    (-7, 107)
    """
    if promoters < 0 or detractors < 0 or promoters + detractors > n:
        raise ValueError(
            f"adjusted Wald interval of {promoters} promoters and {detractors} detractors "
            f"among {n} answers: more than there are"
        )
    if n == 0:
        return None
    answers = n + 3
    net = (promoters - detractors) / answers
    decided = (promoters + detractors + 1.5) / answers
    standard_error = math.sqrt((decided - net * net) / answers)
    return Interval(net - Z * standard_error, net + Z * standard_error, standard_error)


def mean_t(total: int, total_of_squares: int, n: int, *, per: int = 1) -> Interval | None:
    """Student's t-interval of a mean, from integer sums.

    Formula: total / n ± t * s / sqrt(n), s² = (n * total_of_squares - total²) / (n * (n - 1)).
    The subtraction, where sums of squares usually lose their digits, is one of integers.
    Source: Student 1908, "The probable error of a mean", Biometrika 6(1).

    Args:
        total: the sum of the values.
        total_of_squares: the sum of their squares.
        n: how many values.
        per: what one unit holds of the values' own (1000 for a mean in seconds of milliseconds).

    Returns:
        The interval, or ``None`` under two values: one value says nothing of its spread.

    Raises:
        ValueError: no values have these sums.

    >>> low, high, _ = mean_t(total=20, total_of_squares=114, n=4)  # 7, 6, 5, 2
    >>> round(low, 2), round(high, 2)
    (1.56, 8.44)
    """
    spread = n * total_of_squares - total * total
    if n < 0 or spread < 0:
        raise ValueError(
            f"t-interval of {n} values with sum {total} and sum of squares {total_of_squares}: "
            "no values have these sums"
        )
    if n < 2:  # noqa: PLR2004 - a spread needs two
        return None
    # s² / n, both in integers until this one division.
    standard_error_of_mean = math.sqrt(spread / (n * n * (n - 1))) / per
    half = t_quantile(n - 1) * standard_error_of_mean
    mean = total / (n * per)
    return Interval(mean - half, mean + half, half / Z)


def t_quantile(degrees: int, confidence: float = CONFIDENCE) -> float:
    """Two-sided quantile of Student's t: what its size stays under with this confidence.

    Few degrees of freedom: Newton's method on the finite sum that the distribution is for whole
    degrees (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4). Many: its expansion around the normal
    quantile (26.7.5), whose error there is under 1e-10.

    Args:
        degrees: degrees of freedom, at least 1.
        confidence: strictly between 0 and 1.

    Raises:
        ValueError: an argument is outside its range.

    >>> round(t_quantile(3), 6), round(t_quantile(1000), 6)
    (3.182446, 1.962339)
    """
    if degrees < 1:
        raise ValueError(f"Student's t needs at least 1 degree of freedom, got {degrees}")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence is strictly between 0 and 1, got {confidence}")
    if degrees < _EXPANSION_FROM:
        return _t_by_newton(degrees, confidence)
    return _t_by_expansion(degrees, confidence)


@lru_cache(maxsize=1024)
def _t_by_newton(degrees: int, confidence: float) -> float:
    # For t > 0 the distribution is concave: from a start left of the root (the normal quantile
    # is) every step stays left of it, so the first step that does not climb has arrived.
    log_scale = (
        math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - math.log(degrees * math.pi) / 2
    )
    t = NormalDist().inv_cdf((1 + confidence) / 2)
    while True:
        log_density = log_scale - (degrees + 1) / 2 * math.log1p(t * t / degrees)
        step = (confidence - _t_central_probability(t, degrees)) / (2 * math.exp(log_density))
        if t + step <= t:
            return t
        t += step


def _t_central_probability(t: float, degrees: int) -> float:
    """P(|T| < t) for a whole number of degrees of freedom; all terms are positive."""
    angle = math.atan2(t, math.sqrt(degrees))
    cos_squared = degrees / (degrees + t * t)
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    series = 0.0
    for k in range(odd, degrees - 1, 2):
        series += term
        term *= (k + 1) / (k + 2) * cos_squared
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * series)
    return math.sin(angle) * series


def _t_by_expansion(degrees: int, confidence: float) -> float:
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    square = z * z
    terms = (  # of 1/degrees, 1/degrees², …
        (square + 1) / 4,
        ((5 * square + 16) * square + 3) / 96,
        (((3 * square + 19) * square + 17) * square - 15) / 384,
        ((((79 * square + 776) * square + 1482) * square - 1920) * square - 945) / 92160,
    )
    correction = 0.0
    for term in reversed(terms):
        correction = (correction + term) / degrees
    return z * (1 + correction)


def differs(a: Estimate, b: Estimate) -> bool | None:
    """Whether two windows' values differ by more than chance explains, at `CONFIDENCE`.

    The z-test of two independent estimates: |a - b| > z * sqrt(se_a² + se_b²). Where both
    standard errors are 0 (every answer of either window the same) any difference is one; that is
    what the intervals say, and for a handful of answers it is `n` that warns.

    Args:
        a: one window's estimate.
        b: the other's.

    Returns:
        ``None`` where either has no value or no interval.
    """
    if a.value is None or b.value is None or a.standard_error is None or b.standard_error is None:
        return None
    return abs(a.value - b.value) > Z * math.hypot(a.standard_error, b.standard_error)
