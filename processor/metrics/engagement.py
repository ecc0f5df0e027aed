"""What visitors do: clicks, and the outcomes of closed sessions."""

from typing import Final

from processor.core.estimate import Counts, Estimate
from processor.metrics.estimates import mean, percent, quotient
from processor.metrics.measures import duration_squares
from processor.metrics.registry import metric
from schemas.readings import Unit

_MS_PER_SECOND: Final = 1000


@metric(unit=Unit.PERCENT, event_types=("session",))
def ctr(counts: Counts) -> Estimate:
    """Click-through rate: clicks for each hundred impressions.

    It may pass 100 at a window's edge, where a click is inside and its impression is not; it is
    published as it is. As clicks are not a part of the impressions there, it has no interval.

    Formula: 100 * clicks / impressions
    Source: Web Analytics Association 2008, "Web analytics definitions" (click-through rate).

    >>> ctr({"clicks": 3, "impressions": 200}).value
    1.5
    """
    impressions = counts.get("impressions", 0)
    return quotient(100 * counts.get("clicks", 0), impressions)


@metric(unit=Unit.PERCENT, event_types=("session",), interval="Wilson")
def bounce_rate(counts: Counts) -> Estimate:
    """Bounce rate: the share of sessions that viewed one page and no more.

    Only closed sessions count, and only those that viewed a page at all.

    Formula: 100 * sessions with exactly one page view / sessions with at least one
    Source: Web Analytics Association 2008, "Web analytics definitions" (bounce rate); interval:
    Wilson 1927.

    >>> bounce_rate({"session.viewed": 5, "session.bounced": 2, "session.ga4_bounced": 1}).value
    40.0
    """
    return percent(counts.get("session.bounced", 0), counts.get("session.viewed", 0))


def ga4_bounce_rate(counts: Counts) -> Estimate:
    """Bounce rate as GA4 has it: the share of sessions that did not engage.

    The definition of `bounce_rate` under ``bounce.mode = "ga4"``. A session engages by lasting
    10 seconds, by two page views, or by a conversion. Only closed sessions that viewed a page
    count.

    Formula: 100 * sessions not (>= 10 s or >= 2 views or a conversion) / sessions with a page view
    Source: Google Analytics 4 documentation, "Engagement rate and bounce rate"; interval:
    Wilson 1927.

    >>> ga4_bounce_rate({"session.viewed": 5, "session.bounced": 2, "session.ga4_bounced": 1}).value
    20.0
    """
    return percent(counts.get("session.ga4_bounced", 0), counts.get("session.viewed", 0))


@metric(unit=Unit.SECONDS, event_types=("session",), interval="mean")
def avg_session_duration(counts: Counts) -> Estimate:
    """Average session duration: from the first to the last action of closed sessions.

    The time after the last action is not known and not counted; a session of one action lasts 0.

    Formula: sum of (last - first action) / closed sessions
    Source: Web Analytics Association 2008, "Web analytics definitions" (visit duration); interval:
    Student 1908.

    >>> avg_session_duration({"session.closed": 2, "session.duration_ms": 3000,
    ...                       "session.duration_sq_lo": 5_000_000}).value  # 1 s and 2 s
    1.5
    """
    return mean(
        total=counts.get("session.duration_ms", 0),
        total_of_squares=duration_squares(counts),
        n=counts.get("session.closed", 0),
        per=_MS_PER_SECOND,
        lowest=0.0,
    )


@metric(unit=Unit.PERCENT, event_types=("session",), interval="Wilson")
def conversion_rate(counts: Counts) -> Estimate:
    """Conversion rate: the share of sessions with a conversion or an order.

    A session counts once however often it converts.

    Formula: 100 * sessions with a conversion or order / closed sessions
    Source: Web Analytics Association 2008, "Web analytics definitions" (conversion), by visit;
    interval: Wilson 1927.

    >>> conversion_rate({"session.closed": 40, "session.converted": 1}).value
    2.5
    """
    return percent(counts.get("session.converted", 0), counts.get("session.closed", 0))


@metric(unit=Unit.PERCENT, event_types=("session",), interval="Wilson")
def cart_abandonment_rate(counts: Counts) -> Estimate:
    """Cart abandonment rate: the share of sessions with a filled cart that did not order.

    Formula: 100 * sessions with a cart_add and no order / sessions with a cart_add
    Source: Kukar-Kinney and Close 2010, "The determinants of consumers' online shopping cart
    abandonment", Journal of the Academy of Marketing Science 38(2), by session; interval:
    Wilson 1927.

    >>> cart_abandonment_rate({"session.carted": 10, "session.abandoned": 7}).value
    70.0
    """
    return percent(counts.get("session.abandoned", 0), counts.get("session.carted", 0))
