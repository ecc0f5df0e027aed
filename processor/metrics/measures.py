"""Measures: what an event adds to the integer counters of its pane.

Measures are not metrics: they store what decides later. The histogram of scores is kept, not the
number of promoters; both definitions of a bounce, not the one that is configured today. They
add, so any sum of panes is as good as having counted the events together, and taking an event
back subtracts what it added.

Names are ``<family>.<value>``: ``nps.9`` (scale 10), ``nps5.4``, ``csat5.4``, ``csat7.6``,
``csat10.8``, ``ces.7``, ``emotion.positive``, ``clicks``; sums are ``cli.sum``; money is in minor
units and carries its currency: ``order.minor.USD``.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from processor.core.config import SurveyResponses
from processor.core.observation import Observation
from processor.core.session_history import CARTED, CONVERTED, ORDERED, Outcome
from processor.metrics.latest_measures import observing_latest
from processor.metrics.own_definition import OwnMetric
from processor.metrics.own_plan import plan_with
from processor.metrics.plan import Increments, MeasurePlan, square_counters, squares
from processor.metrics.relation_measures import CUSTOMER, LOYALTY, MARKETING_SPEND
from processor.metrics.social_measures import SOCIAL
from processor.metrics.support_measures import SUPPORT_TICKET

__all__ = [
    "PLANS",
    "Increments",
    "MeasurePlan",
    "count_session",
    "duration_squares",
    "plan_of",
]

_GA4_ENGAGED_MS: Final = 10_000
_GA4_ENGAGED_VIEWS: Final = 2


def _count_survey(values: tuple[Any, ...]) -> Increments:
    survey, score, scale, answers, emotion = values
    match survey:
        case "nps":
            return ((f"nps5.{score}" if scale == 5 else f"nps.{score}", 1),)  # noqa: PLR2004 - a scale
        case "csat":
            return ((f"csat{5 if scale is None else scale}.{score}", 1),)
        case "ces":
            return ((f"ces.{score}", 1),)
        case "cli":
            total = sum(answers[item] for item in ("recommend", "repurchase", "try_other"))
            return (("cli.n", 1), ("cli.sum", total), ("cli.sumsq", total * total))
        case "emotion":
            return ((f"emotion.{emotion}", 1),)
    raise ValueError(f"survey {survey!r} passed validation but has no measures")


def _count_purchase(values: tuple[Any, ...]) -> Increments:
    kind, amount_minor, currency, upsell = values
    if amount_minor is None:
        raise ValueError("a purchase without amount_minor, which validation adds")
    kind = kind or "order"
    increments = [(f"{kind}.n.{currency}", 1)]
    if amount_minor:
        increments.append((f"{kind}.minor.{currency}", amount_minor))
    if upsell and kind == "order":
        increments.append((f"upsell.n.{currency}", 1))
    return tuple(increments)


def _observe_purchase(values: tuple[Any, ...]) -> tuple[Observation, ...]:
    # Who bought in a currency; what is known of all their orders is observed as `buyers`.
    kind, customer_id, currency = values
    return (Observation(f"buyers.{currency}", customer_id),) if kind != "refund" else ()


_SESSION_ACTIONS: Final[Mapping[str, Increments]] = {
    "click": (("clicks", 1),),
    "impression": (("impressions", 1),),
}


def _count_session_action(values: tuple[Any, ...]) -> Increments:
    (action,) = values
    return _SESSION_ACTIONS.get(action, ())


PLANS: Final[Mapping[str, MeasurePlan]] = {
    plan.event_type: plan
    for plan in (
        MeasurePlan(
            "survey_response",
            reads=("survey", "score", "scale", "answers", "emotion"),
            count=_count_survey,
            hashable_reads=False,  # answers
        ),
        MeasurePlan(
            "purchase",
            reads=("kind", "amount_minor", "currency", "upsell"),
            count=_count_purchase,
            observes=("kind", "customer_id", "currency"),
            observe=_observe_purchase,
        ),
        # Everything else about a session is counted once, at its close.
        MeasurePlan("session", reads=("action",), count=_count_session_action),
        SUPPORT_TICKET,
        CUSTOMER,
        SOCIAL,
        LOYALTY,
        MARKETING_SPEND,
    )
}
"""Event type → how its events are counted, unless the settings say otherwise."""

_LATEST_ANSWERS: Final = observing_latest(PLANS["survey_response"])


def plan_of(
    event_type: str, survey_responses: SurveyResponses, own: Iterable[OwnMetric] = ()
) -> MeasurePlan:
    """How events of a type are counted under a setting, with metrics of one's own."""
    plan = PLANS[event_type]
    if event_type == "survey_response" and survey_responses == "latest_per_customer":
        plan = _LATEST_ANSWERS
    return plan_with(plan, own)


def count_session(outcome: Outcome) -> Increments:
    """What a closed session adds to the pane of its first action.

    The square of the duration is kept in two counters: see `square_counters`.

    Args:
        outcome: the session, closed.

    Raises:
        ValueError: it ends before it begins.
    """
    first_ms, last_ms, page_views, bits, _ = outcome
    duration_ms = last_ms - first_ms
    if duration_ms < 0:
        raise ValueError(
            f"a session ends {-duration_ms} ms before it begins (first {first_ms}, last {last_ms})"
        )
    views = min(page_views, _GA4_ENGAGED_VIEWS)
    counted = _count_flags(views, bits, duration_ms >= _GA4_ENGAGED_MS)
    if not duration_ms:
        return counted
    duration = "session.duration_ms", duration_ms
    low, high = square_counters("session.duration", duration_ms)
    if not high[1]:  # of most sessions, and then the rest is not 0
        return (*counted, duration, low)
    return (*counted, duration, low, high) if low[1] else (*counted, duration, high)


@cache
def _count_flags(views: int, bits: int, long: bool) -> Increments:
    """What a closed session adds beside its duration; of more than two views, two will do."""
    ordered, carted = bool(bits & ORDERED), bool(bits & CARTED)
    converted = ordered or bool(bits & CONVERTED)
    engaged = long or views >= _GA4_ENGAGED_VIEWS or converted
    counted = (
        ("session.closed", 1),
        ("session.viewed", views > 0),
        ("session.bounced", views == 1),
        ("session.ga4_bounced", views > 0 and not engaged),
        ("session.converted", converted),
        ("session.carted", carted),
        ("session.abandoned", carted and not ordered),
    )
    return tuple((name, int(increment)) for name, increment in counted if increment)


def duration_squares(counts: Mapping[str, int]) -> int:
    """The sum of squared session durations, in ms², from its two counters."""
    return squares(counts, "session.duration")
