"""How long customers wait for support: for the first response, and for the resolution."""

from typing import Final

from processor.core.estimate import Counts, Estimate
from processor.metrics.estimates import mean, percentile
from processor.metrics.plan import squares
from processor.metrics.registry import metric
from schemas.readings import Unit

_MS_PER_SECOND: Final = 1000


def mean_duration(counts: Counts, family: str) -> Estimate:
    """The mean of durations that were counted in milliseconds, in seconds.

    >>> mean_duration({"resolution.n": 2, "resolution.ms": 3000,
    ...                "resolution.ms_sq_lo": 5_000_000}, "resolution").value
    1.5
    """
    return mean(
        total=counts.get(f"{family}.ms", 0),
        total_of_squares=squares(counts, f"{family}.ms"),
        n=counts.get(f"{family}.n", 0),
        per=_MS_PER_SECOND,
        lowest=0.0,
    )


def percentile_of(counts: Counts, family: str, percent: int) -> Estimate:
    """A percentile of durations that were observed in milliseconds, in seconds.

    >>> percentile_of({"resolution.n": 9, "resolution_ms.distinct": 9, "resolution_ms.p50": 1500,
    ...     "resolution_ms.p50_low": 1000, "resolution_ms.p50_high": 4000}, "resolution", 50).value
    1.5
    """
    number = counts.get(f"{family}.n", 0)
    return percentile(counts, f"{family}_ms", percent, n=number, per=_MS_PER_SECOND)


@metric(unit=Unit.SECONDS, event_types=("support_ticket",), interval="mean")
def avg_resolution_time(counts: Counts) -> Estimate:
    """Average resolution time: from a ticket's opening to its resolution.

    Formula: sum of (resolved - opened) / tickets resolved in the window
    Source: ISO 10002:2018, "Customer satisfaction: guidelines for complaints handling", 8.3;
    interval: Student 1908.

    >>> avg_resolution_time({"resolution.n": 2, "resolution.ms": 3000,
    ...                      "resolution.ms_sq_lo": 5_000_000}).value  # 1 s and 2 s
    1.5
    """
    return mean_duration(counts, "resolution")


@metric(unit=Unit.SECONDS, event_types=("support_ticket",), interval="rank")
def avg_resolution_time_p50(counts: Counts) -> Estimate:
    """Median resolution time: half of the tickets were resolved within it.

    Formula: the least duration that 50 % of the tickets resolved in the window do not exceed
    Source: ISO 10002:2018, 8.3; interval by rank: Conover 1999, "Practical nonparametric
    statistics", 3rd ed., section 3.2.

    >>> avg_resolution_time_p50({"resolution_ms.p50": 1500, "resolution_ms.p50_low": 1000,
    ...     "resolution_ms.p50_high": 4000, "resolution_ms.distinct": 9}).value
    1.5
    """
    return percentile_of(counts, "resolution", 50)


@metric(unit=Unit.SECONDS, event_types=("support_ticket",), interval="rank")
def avg_resolution_time_p90(counts: Counts) -> Estimate:
    """Resolution time that nine of ten tickets kept to.

    Formula: the least duration that 90 % of the tickets resolved in the window do not exceed
    Source: ISO 10002:2018, 8.3; interval by rank: Conover 1999, section 3.2.

    >>> avg_resolution_time_p90({"resolution_ms.p90": 2500, "resolution_ms.p90_low": 1000,
    ...     "resolution_ms.p90_high": 4000, "resolution_ms.distinct": 9}).value
    2.5
    """
    return percentile_of(counts, "resolution", 90)


@metric(unit=Unit.SECONDS, event_types=("support_ticket",), interval="mean")
def avg_first_response_time(counts: Counts) -> Estimate:
    """Average first response time: from a ticket's opening to the first answer.

    Formula: sum of (first response - opened) / tickets first answered in the window
    Source: ISO 10002:2018, 8.3; interval: Student 1908.

    >>> avg_first_response_time({"first_response.n": 2, "first_response.ms": 3000,
    ...                          "first_response.ms_sq_lo": 5_000_000}).value  # 1 s and 2 s
    1.5
    """
    return mean_duration(counts, "first_response")


@metric(unit=Unit.SECONDS, event_types=("support_ticket",), interval="rank")
def avg_first_response_time_p50(counts: Counts) -> Estimate:
    """Median first response time: half of the tickets were answered within it.

    Formula: the least duration that 50 % of the tickets first answered in the window do not exceed
    Source: ISO 10002:2018, 8.3; interval by rank: Conover 1999, section 3.2.

    >>> avg_first_response_time_p50({"first_response_ms.p50": 1500,
    ...     "first_response_ms.p50_low": 1000, "first_response_ms.p50_high": 4000,
    ...     "first_response_ms.distinct": 9}).value
    1.5
    """
    return percentile_of(counts, "first_response", 50)


@metric(unit=Unit.SECONDS, event_types=("support_ticket",), interval="rank")
def avg_first_response_time_p90(counts: Counts) -> Estimate:
    """First response time that nine of ten tickets kept to.

    Formula: the least duration that 90 % of the tickets first answered in the window do not exceed
    Source: ISO 10002:2018, 8.3; interval by rank: Conover 1999, section 3.2.

    >>> avg_first_response_time_p90({"first_response_ms.p90": 2500,
    ...     "first_response_ms.p90_low": 1000, "first_response_ms.p90_high": 4000,
    ...     "first_response_ms.distinct": 9}).value
    2.5
    """
    return percentile_of(counts, "first_response", 90)
