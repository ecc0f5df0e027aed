"""The words of an alert: values are filled in, and never read."""

from typing import Any

import pytest

from processor.alerting.evaluator import Evaluator
from processor.alerting.wording import filled, names_in
from tests.alerting.readings import START_MS, reading_of, rule_of


@pytest.mark.parametrize(
    "template",
    ["{value.real}", "{value[0]}", "{}", "{0}", "{value!r}", "{value:{n}}", "{value:d}", "{a b}"],
)
def test_only_plain_names_and_formats_of_numbers_are_taken(template: str) -> None:
    with pytest.raises(ValueError, match=r"plain name|format"):
        names_in(template)


@pytest.mark.parametrize("template", ["{value", "value}", "{value:.1f"])
def test_braces_have_to_match(template: str) -> None:
    with pytest.raises(ValueError, match=r"'[{}]'"):
        names_in(template)


@pytest.mark.parametrize(
    ("template", "value", "text"),
    [
        ("{value}", 12.345, "12.35"),
        ("{value}", 12.0, "12"),
        ("{value}", -0.001, "0"),
        ("{value}", 7, "7"),
        ("{value:.1f}", 12.345, "12.3"),
        ("{value:,.0f}", 1234567, "1,234,567"),
        ("{value:+.1f}", -3.21, "-3.2"),
        ("{value}", None, "no data"),
        ("{value:.1f}", None, "no data"),
        ("{value:.1f}", "email", "email"),
        ("{{{value}}}", 1, "{1}"),
        ("100 % of {value} \N{SNOWMAN}", "a", "100 % of a \N{SNOWMAN}"),
    ],
)
def test_how_values_are_written(template: str, value: Any, text: str) -> None:
    assert filled(template, {"value": value}) == text


def test_nothing_in_a_value_is_read_as_a_template() -> None:
    hostile = "{n}{value.__class__}%s$(x){{"
    rule = rule_of(by=["channel"], annotations={"summary": "{channel} has {value}; {segment}"})
    evaluator = Evaluator([rule], min_samples=30)
    evaluator.update([reading_of(20, {"channel": hostile})])
    (row,) = evaluator.evaluate(START_MS).changes
    assert row["annotations"]["summary"] == f"{hostile} has 20; channel {hostile}"
    assert row["labels"]["channel"] == hostile


def test_an_alert_about_nothing_says_so() -> None:
    rule = rule_of(no_data="alert", annotations={"summary": "{value} of {n}, in {segment}"})
    (row,) = Evaluator([rule], min_samples=30).evaluate(START_MS).changes
    assert row["annotations"]["summary"] == "no data of no data, in everything"
