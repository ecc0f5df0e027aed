"""The rules that are shipped: each can work, and tells people what they need to know."""

from typing import Final

import pytest

from processor.alerting.checks import Deployment, problems_of, watches
from processor.alerting.default_rules import default_rules, shipped_rules
from processor.alerting.rule import Rule
from processor.alerting.signals import SIGNALS
from processor.core.config import DEFAULT_SEGMENT_SETS, DEFAULT_WINDOWS
from processor.core.panes import parse_duration_ms
from processor.metrics.catalogue import CATALOGUE
from processor.settings import Settings

DEPLOYMENT: Final = Deployment(CATALOGUE, DEFAULT_WINDOWS, DEFAULT_SEGMENT_SETS)
EACH: Final = pytest.mark.parametrize("rule", shipped_rules(), ids=lambda rule: rule.name)


def test_they_are_in_use_where_a_configuration_names_none() -> None:
    assert Settings().rules(CATALOGUE) == shipped_rules()
    assert Settings(alerts=()).rules(CATALOGUE) == ()


def test_all_of_them_can_work_by_default() -> None:
    assert not list(problems_of(shipped_rules(), DEPLOYMENT))


def test_those_that_watch_what_is_not_there_are_left_out() -> None:
    few = {name: CATALOGUE[name] for name in ("nps", "csat")}
    kept = default_rules(Deployment(few, ("24h",), ()))
    assert {rule.metric for rule in kept} == {"nps", *SIGNALS}
    assert default_rules(Deployment({}, ("7d",), ())) == tuple(
        rule for rule in shipped_rules() if rule.metric in SIGNALS
    )


@EACH
def test_each_says_what_happened_and_how_bad_it_is(rule: Rule) -> None:
    assert {"summary", "description"} <= set(rule.annotations)
    assert "{value" in "".join(rule.annotations.values())
    assert rule.severity in {"critical", "warning"}
    assert watches(rule, DEPLOYMENT)


@EACH
def test_none_is_due_to_chance_or_to_a_moment(rule: Rule) -> None:
    """A test at 0.95 in every pane finds something every day."""
    if rule.metric in SIGNALS:
        return
    assert rule.min_samples
    assert 0 < rule.for_ms < parse_duration_ms(rule.window or "")
    if rule.drop or rule.rise:
        assert rule.min_change or rule.min_change_percent
    else:
        assert rule.recovers_at is not None
