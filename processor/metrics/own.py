"""Metrics of one's own: counts, shares, means, distinct numbers and percentiles of any event field.

A module that ``metrics.modules`` of the configuration names calls these functions; each call is a
metric. It is counted, stored, published and replayed as those of the catalogue are. ::

    from processor.metrics.own import count, distinct, mean, quantile, ratio, where

    ratio(
        "unhappy_answers",
        summary="The share of NPS answers from 0 to 6 that came by mail",
        event="survey_response",
        among=where(survey="nps", dimensions__channel="email"),
        of=where(score__le=6),
    )

What is wrong is said at once, where the module is loaded: every function is tried with all values
that can be spelt out, and samples of the others. One that raises for an event all the same costs
neither the event nor the worker: the event does not count in that metric, and counts in the metric
``own_metric_failures``.
"""

import sys
from typing import Any, Final

from processor.core.estimate import Counts, Estimate
from processor.core.observation import MAGNITUDE_MAX, Observation
from processor.metrics import estimates
from processor.metrics.conditions import Condition, name_of, parameters, where
from processor.metrics.event_model import Kind
from processor.metrics.own_definition import (
    Definition,
    OwnMetric,
    OwnMetricError,
    Rule,
    Value,
    joined,
)
from processor.metrics.plan import Increments, square_counters, squares
from schemas.readings import Unit

__all__ = [
    "OwnMetric",
    "OwnMetricError",
    "count",
    "distinct",
    "mean",
    "quantile",
    "ratio",
    "where",
]

VALUE_MAX: Final = 10**12
"""The largest value that a mean may be of: the sums of squares fit into counters of 64 bits."""

_EVERY: Final = where()


def count(name: str, *, summary: str, event: str, among: Condition = _EVERY) -> OwnMetric:
    """How many events there are.

    Args:
        name: in readings; lower-case letters, digits and underscores.
        summary: what it says, in one sentence.
        event: the type of the events.
        among: which of them are counted; all unless given.

    Raises:
        OwnMetricError: here and in the others, if the metric cannot be; with file and line.
    """
    definition = Definition(name, summary, event, _caller())
    measure = f"{definition.family}.n"

    def apply(values: tuple[Any, ...]) -> Increments:
        return ((measure, 1),) if among.holds(values) else ()

    def compute(counts: Counts) -> Estimate:
        return estimates.tally(counts.get(measure, 0))

    definition.check(among)
    formula = f"number of {definition.events(among)}"
    return definition.made(Unit.COUNT, None, formula, compute, counting=Rule(among.fields, apply))


def ratio(
    name: str, *, summary: str, event: str, of: Condition, among: Condition = _EVERY
) -> OwnMetric:
    """The share of some events among others, in percent, with its Wilson interval.

    Args:
        name: as of `count`.
        summary: as of `count`.
        event: the type of the events.
        of: those that are the share; only what `among` holds of is asked.
        among: the events that it is a share of; all unless given.
    """
    definition = Definition(name, summary, event, _caller())
    part, whole = f"{definition.family}.part", f"{definition.family}.whole"
    fields, (among_at, of_at) = joined(among.fields, of.fields)

    def apply(values: tuple[Any, ...]) -> Increments:
        if not among.holds(tuple(values[i] for i in among_at)):
            return ()
        is_part = of.holds(tuple(values[i] for i in of_at))
        return ((part, 1), (whole, 1)) if is_part else ((whole, 1),)

    def compute(counts: Counts) -> Estimate:
        return estimates.percent(counts.get(part, 0), counts.get(whole, 0))

    definition.check(among, of)
    formula = f"100 * those where {of} / {definition.events(among)}"
    return definition.made(Unit.PERCENT, "Wilson", formula, compute, counting=Rule(fields, apply))


def mean(
    name: str,
    *,
    summary: str,
    event: str,
    value: Value,
    among: Condition = _EVERY,
    unit: str = Unit.SCORE,
    per: int = 1,
) -> OwnMetric:
    """The mean of an integer, with its t-interval.

    Args:
        name: as of `count`.
        summary: as of `count`.
        event: the type of the events.
        value: an integer field, or a function that gives an integer of at most 10^12 (either
            sign); an event of which it is ``None`` has none.
        among: the events that are asked; all unless given.
        unit: of the mean.
        per: what one unit holds of the value's own: 1000 where milliseconds give seconds.
    """
    definition = Definition(name, summary, event, _caller())
    family = definition.family
    measured = definition.value(value, among, -VALUE_MAX, VALUE_MAX)
    limits = definition.limits(value)

    def apply(values: tuple[Any, ...]) -> Increments:
        found = measured.apply(values)
        if not found:
            return ()
        counted = ((f"{family}.n", 1), (f"{family}.sum", found[0]))
        return tuple(
            (measure, n)
            for measure, n in (*counted, *square_counters(f"{family}.sum", found[0]))
            if n
        )

    def compute(counts: Counts) -> Estimate:
        return estimates.mean(
            total=counts.get(f"{family}.sum", 0),
            total_of_squares=squares(counts, f"{family}.sum"),
            n=counts.get(f"{family}.n", 0),
            per=per,
            lowest=limits[0] / per,
            highest=limits[1] / per,
        )

    formula = f"mean of {_said(value)}{_divided(per)} over {definition.events(among)}"
    return definition.made(
        definition.unit(unit, per), "mean", formula, compute, counting=Rule(measured.fields, apply)
    )


def distinct(
    name: str, *, summary: str, event: str, value: str, among: Condition = _EVERY
) -> OwnMetric:
    """How many different values a field has, exact up to 8192 in a window and segment.

    Args:
        name: as of `count`.
        summary: as of `count`.
        event: the type of the events.
        value: a text field, such as ``customer_id`` or ``dimensions.page``. Its values are kept
            as keyed hashes only; events that lack it count nothing.
        among: the events that are looked at; all unless given.
    """
    definition = Definition(name, summary, event, _caller())
    family = definition.family
    if definition.field(value).kind is not Kind.TEXT:
        definition.refuse(f"{value} is no text: a distinct number is of texts")
    fields, (among_at, (value_at,)) = joined(among.fields, (value,))

    def apply(values: tuple[Any, ...]) -> tuple[Observation, ...]:
        identity = values[value_at]
        if identity is None or not among.holds(tuple(values[i] for i in among_at)):
            return ()
        return (Observation(family, identity),)

    def compute(counts: Counts) -> Estimate:
        return estimates.distinct(counts, family)

    definition.check(among)
    formula = f"different values of {value} over {definition.events(among)}"
    return definition.made(Unit.COUNT, "sketch", formula, compute, observing=Rule(fields, apply))


def quantile(
    name: str,
    *,
    summary: str,
    event: str,
    value: Value,
    percent: int = 50,
    among: Condition = _EVERY,
    unit: str = Unit.SCORE,
    per: int = 1,
) -> OwnMetric:
    """A percentile of an integer, with the bounds of its rank; exact up to 8192 events.

    Args:
        name: as of `count`.
        summary: as of `count`.
        event: the type of the events.
        value: as of `mean`, but not negative, and at most 2^55 - 1.
        percent: 1…99; the median unless given.
        among: the events that are asked; all unless given.
        unit: as of `mean`.
        per: as of `mean`.
    """
    definition = Definition(name, summary, event, _caller())
    family = definition.family
    if not 1 <= percent <= 99:  # noqa: PLR2004 - a percentile
        definition.refuse(f"percent is 1 to 99, not {percent}")
    measured = definition.value(value, among, 0, MAGNITUDE_MAX)

    def apply(values: tuple[Any, ...]) -> tuple[Observation, ...]:
        return tuple(Observation(family, None, found) for found in measured.apply(values))

    def compute(counts: Counts) -> Estimate:
        return estimates.percentile(counts, family, percent, per=per)

    formula = (
        f"percentile {percent} of {_said(value)}{_divided(per)} over {definition.events(among)}"
    )
    return definition.made(
        definition.unit(unit, per),
        "rank",
        formula,
        compute,
        observing=Rule(measured.fields, apply),
    )


def _said(value: Value) -> str:
    if isinstance(value, str):
        return value
    return f"{name_of(value)} of {', '.join(parameters(value))}"


def _divided(per: int) -> str:
    return f" / {per}" if per != 1 else ""


def _caller() -> str:
    """File and line of the call of a function here."""
    frame = sys._getframe(2)  # noqa: SLF001 - the only way to say where a metric was written
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
