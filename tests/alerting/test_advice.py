"""What is certain to be amiss with rules that can work."""

from typing import Any, Final

import pytest

from processor.alerting.advice import advice_on
from processor.alerting.checks import Deployment, problems_of
from processor.alerting.default_rules import shipped_rules
from processor.alerting.rule import Rule
from processor.metrics.catalogue import CATALOGUE
from processor.monitor.directions import better_of

DEPLOYMENT: Final = Deployment(CATALOGUE, ("1h", "24h"), (("channel",),))
FINE: Final = {"metric": "nps", "window": "1h", "below": 30, "recovers_at": 35}


def advice(rule: Rule) -> list[tuple[str, str]]:
    return list(advice_on(rule, DEPLOYMENT, lambda metric: better_of(metric, {})))


CASES: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "fine": (FINE, ""),
    "held long enough": ({**FINE, "recovers_at": None, "for": "5m"}, ""),
    "flapping": ({**FINE, "recovers_at": None}, "for: each time the value crosses 30"),
    "by chance": (
        {**FINE, "below": None, "recovers_at": None, "drop": True},
        "for: a difference that is due to chance fires",
    ),
    "not by chance": (
        {**FINE, "below": None, "recovers_at": None, "drop": True, "min_change": 10},
        "",
    ),
    "held longer than a change is seen": (
        {**FINE, "below": None, "recovers_at": None, "drop": True, "for": "2h"},
        "for: a change is seen for two windows of 1h",
    ),
    "more than all": (
        {**FINE, "below": None, "recovers_at": None, "drop": True, "min_change": 201},
        "min_change: nps never changes by more than 200",
    ),
    "a share by more than all": (
        {"metric": "csat", "window": "1h", "drop": True, "min_change": 101},
        "min_change: csat never changes by more than 100",
    ),
    "more than its value": (
        {"metric": "orders", "window": "1h", "drop": True, "min_change_percent": 101},
        "min_change_percent: orders never loses more than all of its value",
    ),
    "a count that never is enough": (
        {"metric": "orders", "window": "1h", "below": 10, "min_samples": 10, "for": "5m"},
        "min_samples: the samples of orders are its value",
    ),
    "a signal that never is enough": (
        {"metric": "processor_lag", "above": 10, "min_samples": 1},
        "min_samples: processor_lag is no sample",
    ),
    "always above": (
        {"metric": "orders", "window": "1h", "above": -1, "for": "5m"},
        "above: orders is never less than 0",
    ),
    "always below": ({**FINE, "below": 101, "recovers_at": 102}, "below: nps is never more than"),
    "good news": (
        {"metric": "bounce_rate", "window": "1h", "below": 40, "for": "5m"},
        "below: bounce_rate is better the lower it is",
    ),
    "a good rise": (
        {"metric": "nps", "window": "1h", "rise": True, "for": "5m"},
        "rise: nps is better the higher it is",
    ),
}


@pytest.mark.parametrize(("fields", "expected"), CASES.values(), ids=CASES)
def test_advice(fields: dict[str, Any], expected: str) -> None:
    rule = Rule.model_validate({"name": "r", **fields})
    assert list(problems_of([rule], DEPLOYMENT)) == []
    said = [f"{field}: {text}" for field, text in advice(rule)]
    if not expected:
        assert said == []
    elif expected.startswith("above: orders"):  # and many orders are no bad news
        assert any(line.startswith(expected) for line in said)
    else:
        (line,) = said
        assert line.startswith(expected)


def test_there_is_none_on_the_shipped_rules() -> None:
    assert {rule.name: advice(rule) for rule in shipped_rules() if advice(rule)} == {}
