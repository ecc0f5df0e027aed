"""Rules that can work, and will not do what their author wants: what is certain about them."""

from collections.abc import Callable, Iterator
from typing import Final, Literal

from processor.alerting.checks import Deployment
from processor.alerting.rule import Rule
from processor.alerting.signals import SIGNALS
from processor.core.panes import parse_duration_ms
from processor.metrics.registry import Metric
from schemas.readings import Unit

Better = Callable[[str], Literal["higher", "lower"] | None]
"""Which way a metric is better, by its name; ``None`` where that depends."""

_WINDOWS_OF_A_CHANGE: Final = 2
"""A change enters a window and then the window before; after that nothing has changed any more."""


def advice_on(rule: Rule, deployment: Deployment, better: Better) -> Iterator[tuple[str, str]]:
    """What is amiss with a rule that has no problem: (the rule's field, one sentence), in order.

    Args:
        rule: of which :func:`~processor.alerting.checks.problems_of` finds nothing.
        deployment: what there is to watch.
        better: which way metrics are better.
    """
    metric = deployment.catalogue.get(rule.metric)
    yield from _never_decides(rule, metric)
    if metric is not None:
        yield from _always_so(rule, metric)
        yield from _good_news(rule, better)
        yield from _noisy(rule)


def _never_decides(rule: Rule, metric: Metric | None) -> Iterator[tuple[str, str]]:
    needed = rule.min_samples or 0
    if rule.metric in SIGNALS and needed:
        yield "min_samples", f"{rule.metric} is no sample: it would never decide; leave it out"
    if metric is None:
        return
    if needed and metric.unit is Unit.COUNT and rule.below is not None and rule.below <= needed:
        text = (
            f"the samples of {metric.name} are its value: nothing below {rule.below:g} is ever "
            f"decided with {needed} or more asked for; leave it out"
        )
        yield "min_samples", text
    span = _largest_change(metric)
    if span is not None and rule.min_change > span:
        yield "min_change", f"{metric.name} never changes by more than {span:g}"
    if rule.drop and rule.min_change_percent > _ALL and _is_never_negative(metric):
        yield "min_change_percent", f"{metric.name} never loses more than all of its value"
    if rule.window is None or not (rule.drop or rule.rise):
        return
    seen_ms = _WINDOWS_OF_A_CHANGE * parse_duration_ms(rule.window)
    if rule.for_ms >= seen_ms:
        text = (
            f"a change is seen for two windows of {rule.window} and is no change any more then: "
            f"only what goes on changing holds for {rule.for_}"
        )
        yield "for", text


def _always_so(rule: Rule, metric: Metric) -> Iterator[tuple[str, str]]:
    low = {Unit.POINTS: -100.0, Unit.COUNT: 0.0, Unit.SECONDS: 0.0}.get(metric.unit)
    if rule.above is not None and low is not None and rule.above < low:
        yield "above", f"{metric.name} is never less than {low:g}: it is above always"
    if rule.below is not None and metric.unit is Unit.POINTS and rule.below > _MOST_POINTS:
        yield "below", f"{metric.name} is never more than {_MOST_POINTS:g}: it is below always"


def _good_news(rule: Rule, better: Better) -> Iterator[tuple[str, str]]:
    way = better(rule.metric)
    watched = {"higher": ("above", "rise"), "lower": ("below", "drop")}.get(way or "", ())
    for field in watched:
        if getattr(rule, field) not in (None, False):
            yield field, f"{rule.metric} is better the {way} it is: this is an alert of good news"


def _noisy(rule: Rule) -> Iterator[tuple[str, str]]:
    if rule.for_ms:
        return
    if rule.drop or rule.rise:
        if not (rule.min_change or rule.min_change_percent):
            yield "for", "a difference that is due to chance fires; set for, or min_change"
    elif rule.recovers_at is None and not rule.keep_firing_for_ms:
        limit = rule.above if rule.below is None else rule.below
        text = (
            f"each time the value crosses {limit:g} the alert fires or is resolved; "
            "set for, recovers_at or keep_firing_for"
        )
        yield "for", text


_MOST_POINTS: Final = 100.0
_ALL: Final = 100.0


def _is_never_negative(metric: Metric) -> bool:
    return metric.unit in {Unit.COUNT, Unit.SECONDS} or metric.interval == "Wilson"


def _largest_change(metric: Metric) -> float | None:
    """Between two values of a metric, where it has bounds."""
    if metric.unit is Unit.POINTS:
        return 2 * _MOST_POINTS
    # Wilson's interval is that of a share.
    return 100.0 if metric.unit is Unit.PERCENT and metric.interval == "Wilson" else None
