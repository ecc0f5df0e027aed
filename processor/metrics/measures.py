"""Measures: what an event adds to the integer counters of its pane.

Measures are not metrics: they store what decides later. The histogram of scores is kept, not the
number of promoters; both definitions of a bounce, not the one that is configured today. They
add, so any sum of panes is as good as having counted the events together, and taking an event
back subtracts what it added.

Names are ``<family>.<value>``: ``nps.9`` (scale 10), ``nps5.4``, ``csat5.4``, ``csat7.6``,
``csat10.8``, ``ces.7``, ``emotion.positive``, ``clicks``; sums are ``cli.sum``; money is in minor
units and carries its currency: ``order.minor.USD``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from processor.core.observation import Observation, Observe

Increments = tuple[tuple[str, int], ...]
"""(measure name, how much to add) pairs; no name twice, no 0."""

_GA4_ENGAGED_MS: Final = 10_000
_GA4_ENGAGED_VIEWS: Final = 2
_LOW_BITS: Final = 32
_LOW_MASK: Final = (1 << _LOW_BITS) - 1


def _observe_nothing(_values: tuple[Any, ...]) -> tuple[Observation, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class MeasurePlan:
    """How one event type is counted.

    Attributes:
        event_type: the `type` of the events.
        reads: the fields that decide, all that `count` may look at. Events that agree in them
            count the same, so a batch is counted once per distinct tuple of their values.
        count: the values of `reads`, in that order and ``None`` where the event has none, to what
            the event adds. Takes events as `schemas.fast` validates them; raises ValueError for
            what validation does not let through.
        hashable_reads: whether the values are always hashable. If not, some are a dict, and a
            caller that groups by them must group by something else.
        observes: the fields that decide what `observe` gives, looked at event by event; none
            where nothing is observed.
        observe: the values of `observes` to what is observed beside the counters: identities to
            tell apart, magnitudes to take percentiles of.
    """

    event_type: str
    reads: tuple[str, ...]
    count: Callable[[tuple[Any, ...]], Increments]
    hashable_reads: bool = True
    observes: tuple[str, ...] = ()
    observe: Observe = _observe_nothing


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
            "purchase", reads=("kind", "amount_minor", "currency", "upsell"), count=_count_purchase
        ),
        # Everything else about a session is counted once, at its close.
        MeasurePlan("session", reads=("action",), count=_count_session_action),
    )
}
"""Event type → how it is counted, for the types that are counted event by event."""


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

    The square of the duration is kept in two counters, its low 32 bits and the rest: one counter
    of squared milliseconds would pass 2⁶³ after some thousand day-long sessions. The two add
    separately, and `duration_squares` puts their sums together again, exactly.

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
    square = duration_ms * duration_ms
    viewed = outcome.page_views > 0
    engaged = (
        duration_ms >= _GA4_ENGAGED_MS
        or outcome.page_views >= _GA4_ENGAGED_VIEWS
        or outcome.converted
    )
    counted: tuple[tuple[str, int], ...] = (
        ("session.closed", 1),
        ("session.viewed", viewed),
        ("session.bounced", outcome.page_views == 1),
        ("session.ga4_bounced", viewed and not engaged),
        ("session.converted", outcome.converted),
        ("session.carted", outcome.carted),
        ("session.abandoned", outcome.carted and not outcome.ordered),
        ("session.duration_ms", duration_ms),
        ("session.duration_sq_lo", square & _LOW_MASK),
        ("session.duration_sq_hi", square >> _LOW_BITS),
    )
    return tuple((name, int(increment)) for name, increment in counted if increment)


def duration_squares(counts: Mapping[str, int]) -> int:
    """The sum of squared session durations, in ms², from its two counters."""
    high = counts.get("session.duration_sq_hi", 0)
    return (high << _LOW_BITS) + counts.get("session.duration_sq_lo", 0)
