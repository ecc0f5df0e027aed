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
from typing import Any, Final, Protocol

from processor.core.config import SurveyResponses
from processor.core.observation import Observation
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
    "SessionOutcome",
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


class SessionOutcome(Protocol):
    """What a closed session came to.

    Attributes:
        first_ms: time of the first action, milliseconds since 1970.
        last_ms: time of the last, not before the first.
        page_views: how many pages were viewed.
        converted: whether there was a conversion or an order.
        ordered: whether there was an order.
        carted: whether something was put into the cart.
    """

    @property
    def first_ms(self) -> int: ...  # noqa: D102 - above
    @property
    def last_ms(self) -> int: ...  # noqa: D102
    @property
    def page_views(self) -> int: ...  # noqa: D102
    @property
    def converted(self) -> bool: ...  # noqa: D102
    @property
    def ordered(self) -> bool: ...  # noqa: D102
    @property
    def carted(self) -> bool: ...  # noqa: D102


def count_session(outcome: SessionOutcome) -> Increments:
    """What a closed session adds to the pane of its first action.

    The square of the duration is kept in two counters: see `square_counters`.

    Args:
        outcome: the session, closed.

    Raises:
        ValueError: it ends before it begins.
    """
    duration_ms = outcome.last_ms - outcome.first_ms
    if duration_ms < 0:
        raise ValueError(
            f"a session ends {-duration_ms} ms before it begins (first {outcome.first_ms}, "
            f"last {outcome.last_ms})"
        )
    counted = _count_flags(
        min(outcome.page_views, _GA4_ENGAGED_VIEWS),
        outcome.converted,
        outcome.ordered,
        outcome.carted,
        duration_ms >= _GA4_ENGAGED_MS,
    )
    if not duration_ms:
        return counted
    squared = (part for part in square_counters("session.duration", duration_ms) if part[1])
    return (*counted, ("session.duration_ms", duration_ms), *squared)


@cache
def _count_flags(
    views: int, converted: bool, ordered: bool, carted: bool, long: bool
) -> Increments:
    """What a closed session adds beside its duration; of more than two views, two will do."""
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
