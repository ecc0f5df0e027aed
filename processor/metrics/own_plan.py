"""Metrics of one's own in the plan by which events are counted, and what of them failed.

Their fields are read beside those of the plan, so that events are still counted once for each
distinct combination of values.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from processor.core.estimate import Counts, Estimate
from processor.core.observation import Observation
from processor.metrics.estimates import tally
from processor.metrics.own_definition import OwnMetric, Rule
from processor.metrics.plan import Increments, MeasurePlan
from processor.metrics.registry import Metric
from schemas.event_types import EventType
from schemas.readings import Unit

FAILURES: Final = "own_metric_failures"
_COUNTED: Final = "own_failures.n"
_OBSERVED: Final = "own_failures"

_T = TypeVar("_T")

log = logging.getLogger(__name__)


def plan_with(plan: MeasurePlan, own: Iterable[OwnMetric]) -> MeasurePlan:
    """The plan that also counts and observes what metrics of one's own are made of.

    A rule that raises for an event adds nothing but one to the failures.

    Args:
        plan: of one event type.
        own: metrics of any type; those of others are left out.
    """
    ours = [one for one in own if one.event_type == plan.event_type]
    counting = [(one, one.counting) for one in ours if one.counting is not None]
    observing = [(one, one.observing) for one in ours if one.observing is not None]
    if counting:
        plan = _counting(plan, counting)
    if observing:
        plan = _observing(plan, observing)
    return plan


def failures_of(own: Sequence[OwnMetric]) -> Metric:
    """The metric that counts how often one of these metrics failed for an event."""
    types = {one.event_type for one in own}
    return Metric(
        name=FAILURES,
        unit=Unit.COUNT,
        event_types=tuple(name.value for name in EventType if name in types),
        interval=None,
        per_currency=False,
        summary="Events for which a function of a metric of one's own raised",
        formula="events that counters lack, and events that samples lack",
        source="every such event is left out of the metric that failed",
        defined_at=__name__,
        compute=_failures,
        currencies=lambda _counts: (),
        compute_for=_not_money,
    )


def _failures(counts: Counts) -> Estimate:
    return tally(counts.get(_COUNTED, 0) + counts.get(f"{_OBSERVED}.distinct", 0))


def _not_money(_counts: Counts, currency: str) -> Estimate:
    raise TypeError(f"{FAILURES} is not money: ask compute(counts), not {currency}")


def _all_added(
    applied: Iterable[Callable[[tuple[Any, ...]], Iterable[_T] | None]],
    values: tuple[Any, ...],
    added_to: list[_T],
) -> bool:
    """Whether no rule failed; what the others add goes into the list."""
    failed = False
    for apply in applied:
        added = apply(values)
        if added is None:
            failed = True
        else:
            added_to.extend(added)
    return not failed


def _counting(plan: MeasurePlan, rules: Sequence[tuple[OwnMetric, Rule]]) -> MeasurePlan:
    reads, applied = _placed(plan.reads, rules)
    width, count_others = len(plan.reads), plan.count

    def count(values: tuple[Any, ...]) -> Increments:
        counted = list(count_others(values[:width]))
        if not _all_added(applied, values, counted):
            counted.append((_COUNTED, 1))
        return tuple(counted)

    return replace(plan, reads=reads, count=count)


def _observing(plan: MeasurePlan, rules: Sequence[tuple[OwnMetric, Rule]]) -> MeasurePlan:
    observes, applied = _placed(plan.observes, rules)
    width, observe_others = len(plan.observes), plan.observe

    def observe(values: tuple[Any, ...]) -> list[Observation]:
        observed = list(observe_others(values[:width])) if width else []
        if not _all_added(applied, values, observed):
            observed.append(Observation(_OBSERVED, None))
        return observed

    return replace(plan, observes=observes, observe=observe)


Applied = Callable[[tuple[Any, ...]], tuple[Any, ...] | None]
"""Values of all fields → what one rule adds; ``None`` where it failed."""


def _placed(
    before: tuple[str, ...], rules: Sequence[tuple[OwnMetric, Rule]]
) -> tuple[tuple[str, ...], list[Applied]]:
    """The fields with those of the rules behind them, and the rules as functions of all."""
    fields = tuple(dict.fromkeys((*before, *(f for _, rule in rules for f in rule.fields))))
    return fields, [_guarded(one, rule, fields) for one, rule in rules]


def _guarded(own: OwnMetric, rule: Rule, fields: tuple[str, ...]) -> Applied:
    places = tuple(map(fields.index, rule.fields))
    apply = rule.apply
    was_said = False

    def applied(values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        nonlocal was_said
        try:
            return apply(tuple(values[i] for i in places))
        except Exception as error:  # noqa: BLE001 - what a function of one's own raises costs no event
            if not was_said:
                was_said = True
                # Its words may quote what the event holds, and that is not logged.
                log.warning(
                    "%s: %s fails with %s for an event, which is left out of it and counted in "
                    "%s; further ones are not said",
                    *(own.metric.defined_at, own.metric.name, type(error).__name__, FAILURES),
                )
            return None

    return applied
