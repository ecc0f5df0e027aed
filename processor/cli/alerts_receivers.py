"""Whether anybody is told of a rule's alerts: what is certain from the receivers' filters."""

from collections.abc import Iterator, Sequence
from typing import Final

from processor.alerting.rule import Rule
from processor.settings.receivers import Receiver

_UNKNOWN: Final = object()
"""The value of a label that depends on the alert."""


def untold(rules: Sequence[Rule], receivers: Sequence[Receiver]) -> Iterator[str]:
    """The names of rules whose alerts no receiver takes; none where there are no receivers."""
    if not receivers:
        return
    for rule in rules:
        if not any(_may_take(receiver, rule) for receiver in receivers):
            yield rule.name


def misnamed(rules: Sequence[Rule], receivers: Sequence[Receiver]) -> Iterator[tuple[str, str]]:
    """Receivers that ask for rules which are not there: (the receiver's name, that of the rule)."""
    known = {rule.name for rule in rules}
    for receiver in receivers:
        for name in receiver.rules:
            if name not in known:
                yield receiver.name, name


def _may_take(receiver: Receiver, rule: Rule) -> bool:
    if receiver.rules and rule.name not in receiver.rules:
        return False
    if receiver.severity and rule.severity not in receiver.severity:
        return False
    labels: dict[str, object] = {
        "alertname": rule.name,
        "severity": rule.severity,
        "metric": rule.metric,
        "currency": _UNKNOWN,
        **({} if rule.window is None else {"window": rule.window}),
        **dict.fromkeys(rule.by, _UNKNOWN),
        **rule.segment,
        **rule.labels,
    }
    return all(
        name in labels and labels[name] in {_UNKNOWN, value}
        for name, value in receiver.labels.items()
    )
