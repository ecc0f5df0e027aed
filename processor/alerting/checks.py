"""Whether rules can work at all: what they name must be there."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from processor.alerting.rule import Rule
from processor.alerting.signals import SIGNALS
from processor.metrics.registry import Metric
from schemas.readings import Unit


@dataclass(frozen=True, slots=True)
class Deployment:
    """What there is to watch.

    Attributes:
        catalogue: the metrics that are published.
        windows: their names.
        segment_sets: the sets of dimensions that readings are segmented by.
    """

    catalogue: Mapping[str, Metric]
    windows: Collection[str]
    segment_sets: Collection[tuple[str, ...]]


def problems_of(rules: Sequence[Rule], deployment: Deployment) -> Iterator[tuple[str, str]]:
    """What is wrong with rules in a deployment: (the rule's name, one sentence), in order."""
    names = [rule.name for rule in rules]
    for position, rule in enumerate(rules):
        if rule.name in names[:position]:
            yield rule.name, "another rule has this name"
        found = _of_signal(rule) if rule.metric in SIGNALS else _of_metric(rule, deployment)
        for problem in found:
            yield rule.name, problem


def watches(rule: Rule, deployment: Deployment) -> str:
    """What a rule watches and asks for, in a sentence for its author."""
    subject = rule.metric
    metric = deployment.catalogue.get(rule.metric)
    if rule.window is not None:
        subject += f" over {rule.window}"
    fixed = ", ".join(f"{name} {value}" for name, value in sorted(rule.segment.items()))
    free = [name for name in rule.by if name not in rule.segment]
    if fixed:
        subject += f" of {fixed}"
    if free:
        subject += f", an alert for each {' and '.join(free)}"
    if metric is not None and metric.per_currency:
        subject += f", in {rule.currency or 'each currency'}"
    parts = [f"{subject}: {rule.condition}"]
    if rule.for_ms:
        parts.append(f"for {rule.for_}")
    if rule.keep_firing_for_ms:
        parts.append(f"until well for {rule.keep_firing_for}")
    if rule.no_data != "keep":
        parts.append(_NO_DATA[rule.no_data])
    return ", ".join(parts)


_NO_DATA: Final = {
    "ok": "no data is fine",
    "alert": "no data is an alert, too",
    "gone": "no data any more is an alert, too",
}


def _of_signal(rule: Rule) -> Iterator[str]:
    given = {
        "window": rule.window is not None,
        "by": bool(rule.by),
        "segment": bool(rule.segment),
        "currency": rule.currency is not None,
        "drop": rule.drop,
        "rise": rule.rise,
    }
    for name in (name for name, is_given in given.items() if is_given):
        yield f"{name}: {rule.metric} is of the whole processor and of now; leave it out"


def _of_metric(rule: Rule, deployment: Deployment) -> Iterator[str]:
    metric = deployment.catalogue.get(rule.metric)
    if metric is None:
        known = [*deployment.catalogue, *SIGNALS]
        yield f"metric: there is no {rule.metric!r}{_meant(rule.metric, known)}"
    if rule.window is None:
        yield f"window: is required; there are {', '.join(deployment.windows)}"
    elif rule.window not in deployment.windows:
        windows = ", ".join(deployment.windows)
        yield f"window: there is no {rule.window!r}; configured are {windows}"
    if rule.dimensions and rule.dimensions not in map(frozenset, deployment.segment_sets):
        sets = "; ".join(",".join(names) for names in deployment.segment_sets) or "none"
        named = ",".join(sorted(rule.dimensions))
        yield f"by: nothing is segmented by {named}; engine.segments are: {sets}"
    if metric is None:
        return
    sized = rule.min_change or rule.min_change_percent
    if (rule.drop or rule.rise) and metric.interval is None and not sized:
        yield (
            f"{'drop' if rule.drop else 'rise'}: {metric.name} has no interval, so that no "
            "difference of two windows can be significant; set min_change or min_change_percent"
        )
    if metric.per_currency and rule.currency is None and rule.no_data == "alert":
        yield f'currency: is required with no_data = "alert", as {metric.name} is money'
    if rule.currency is not None and not metric.per_currency:
        yield f"currency: {metric.name} is no money"
    yield from _out_of_reach(rule, metric)


def _out_of_reach(rule: Rule, metric: Metric) -> Iterator[str]:
    """Thresholds that no value can ever pass."""
    low, high = {
        Unit.POINTS: (-100.0, 100.0),
        Unit.COUNT: (0.0, float("inf")),
        Unit.SECONDS: (0.0, float("inf")),
    }.get(metric.unit, (float("-inf"), float("inf")))
    if rule.below is not None and rule.below <= low:
        yield f"below: {metric.name} is never below {low:g}"
    if rule.above is not None and rule.above >= high:
        yield f"above: {metric.name} is never above {high:g}"


def _meant(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else "; `cxpulse metrics` lists all"
