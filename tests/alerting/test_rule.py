"""What a rule may say, and what its author is told."""

from typing import Any

import pytest
from pydantic import ValidationError

from processor.alerting.rule import Rule

BASE = {"name": "low", "metric": "nps", "window": "1h"}


def problem_of(**fields: Any) -> str:
    """What is wrong with a rule, in one text."""
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate({**BASE, **fields})
    return "; ".join(error["msg"] for error in caught.value.errors())


def test_the_example_of_the_contract_is_a_rule() -> None:
    rule = Rule.model_validate(
        {
            "name": "NPS low by channel",
            "metric": "nps",
            "window": "24h",
            "by": ["channel"],
            "below": 30,
            "recovers_at": 35,
            "for": "10m",
            "keep_firing_for": "5m",
            "min_samples": 50,
            "no_data": "keep",
            "severity": "critical",
        }
    )
    assert (rule.for_ms, rule.keep_firing_for_ms) == (600_000, 300_000)
    assert rule.dimensions == {"channel"}
    assert rule.condition == "below 30, until 35"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "needs exactly one of below, above, drop and rise: found none"),
        ({"below": 1, "drop": True}, "found below and drop"),
        ({"below": 30, "recovers_at": 29}, "recovers_at must not be less than below"),
        ({"above": 30, "recovers_at": 31}, "recovers_at must not be more than above"),
        ({"drop": True, "recovers_at": 3}, "a drop or rise is over when it is over"),
        ({"below": 1, "min_change": 3}, "min_change goes with drop or rise"),
        ({"above": 1, "min_change_percent": 3}, "min_change_percent goes with drop or rise"),
        ({"below": 1, "by": ["channel", "channel"]}, "by names a dimension twice"),
        ({"below": 1, "labels": {"severity": "x"}}, "severity is set by the alert itself"),
        (
            {"below": 1, "by": ["team"], "labels": {"team": "x"}},
            "team is a dimension of the alert already",
        ),
        (
            {"below": 1, "annotations": {"summary": "{channel}"}},
            "annotations.summary: there is no {channel}; there are change, condition",
        ),
        ({"below": 1, "annotations": {"summary": "{value.__class__}"}}, "is not a plain name"),
        ({"below": 1, "annotations": {"summary": "{value"}}, "expected '}'"),
        ({"below": float("nan")}, "finite"),
        ({"below": 1, "for": "soon"}, "soon"),
        ({"below": 1, "severity": "Very bad"}, "pattern"),
        ({"below": 1, "no_data": "panic"}, "'keep', 'ok', 'alert' or 'gone'"),
        ({"below": 1, "belows": 2}, "Extra inputs"),
        ({"below": 1, "min_samples": -1}, "greater than or equal to 0"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_said(fields: dict[str, Any], said: str) -> None:
    assert said in problem_of(**fields)


def test_all_problems_are_said_at_once() -> None:
    said = problem_of(by=["a", "a"], labels={"metric": "x"})
    assert "exactly one of" in said
    assert "twice" in said
    assert "metric is set" in said


@pytest.mark.parametrize(
    ("fields", "condition"),
    [
        ({"above": 5}, "above 5"),
        ({"drop": True}, "significant drop against the window before"),
        ({"rise": True, "min_change": 2.5}, "significant rise of at least 2.5 against"),
        ({"rise": True, "min_change_percent": 50}, "significant rise of at least 50 % against"),
        (
            {"drop": True, "min_change": 1, "min_change_percent": 50},
            "significant drop of at least 1 and 50 % against",
        ),
    ],
    ids=str,
)
def test_the_condition_in_words(fields: dict[str, Any], condition: str) -> None:
    assert Rule.model_validate({**BASE, **fields}).condition.startswith(condition)


def test_no_span_may_be_written_as_zero() -> None:
    rule = Rule.model_validate({**BASE, "below": 1, "for": "0m", "keep_firing_for": "0s"})
    assert rule.for_ms == rule.keep_firing_for_ms == 0


def test_a_value_that_is_wrong_is_not_quoted() -> None:
    """Rules may come from a variable of the environment, beside secrets."""
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate({**BASE, "below": "s3cret"})
    assert "s3cret" not in str(caught.value)
