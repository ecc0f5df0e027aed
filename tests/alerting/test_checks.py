"""Whether rules can work in a deployment: each problem, with its field, in a sentence."""

from typing import Any, Final

import pytest

from processor.alerting.checks import Deployment, problems_of, watches
from processor.metrics.catalogue import CATALOGUE
from tests.alerting.readings import rule_of

DEPLOYMENT: Final = Deployment(CATALOGUE, ("1h", "24h"), (("channel",), ("channel", "product")))


def problems(**fields: Any) -> list[str]:
    return [text for _, text in problems_of([rule_of(**fields)], DEPLOYMENT)]


def test_a_rule_that_can_work_has_no_problem() -> None:
    assert not problems()
    assert not problems(by=["product", "channel"])
    assert not problems(by=["product"], segment={"channel": "email"})
    assert not problems(metric="processor_lag", window=None, above=1)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"metric": "npps"}, "metric: there is no 'npps'; did you mean 'nps'?"),
        ({"metric": "processor_lagg"}, "did you mean 'processor_lag'?"),
        ({"metric": "zzzz"}, "metric: there is no 'zzzz'; `cxpulse metrics` lists all"),
        ({"window": None}, "window: is required; there are 1h, 24h"),
        ({"window": "7d"}, "window: there is no '7d'; configured are 1h, 24h"),
        (
            {"by": ["country"]},
            "by: nothing is segmented by country; engine.segments are: channel; channel,product",
        ),
        (
            {"metric": "ctr", "drop": True},
            (
                "drop: ctr has no interval, so that no difference of two windows can be "
                "significant; set min_change or min_change_percent"
            ),
        ),
        (
            {"metric": "revenue", "no_data": "alert"},
            'currency: is required with no_data = "alert", as revenue is money',
        ),
        ({"currency": "EUR"}, "currency: nps is no money"),
        ({"below": -100}, "below: nps is never below -100"),
        ({"above": 100}, "above: nps is never above 100"),
        ({"metric": "refunds", "below": 0}, "below: refunds is never below 0"),
        (
            {"metric": "processor_lag", "above": 1},
            "window: processor_lag is of the whole processor and of now; leave it out",
        ),
        (
            {"metric": "processor_lag", "window": None, "rise": True},
            "rise: processor_lag is of the whole processor and of now; leave it out",
        ),
    ],
    ids=str,
)
def test_a_problem_is_said(fields: dict[str, Any], said: str) -> None:
    (found,) = problems(**fields)
    assert said in found


def test_a_size_stands_in_for_an_interval() -> None:
    assert not problems(metric="ctr", drop=True, min_change_percent=50)
    assert not problems(metric="refunds", rise=True, min_change=100)


def test_all_problems_of_all_rules_are_said_in_order() -> None:
    rules = [rule_of(metric="npps", window="7d", by=["team"]), rule_of(), rule_of(name="other")]
    found = [(name, text.split(":")[0]) for name, text in problems_of(rules, DEPLOYMENT)]
    assert found == [
        ("low", "metric"),
        ("low", "window"),
        ("low", "by"),
        ("low", "another rule has this name"),
    ]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "nps over 1h: below 30"),
        (
            {
                "by": ["product"],
                "segment": {"channel": "email"},
                "recovers_at": 35,
                "for": "10m",
                "keep_firing_for": "5m",
                "no_data": "alert",
            },
            (
                "nps over 1h of channel email, an alert for each product: below 30, until 35, "
                "for 10m, until well for 5m, no data is an alert, too"
            ),
        ),
        ({"metric": "revenue", "no_data": "ok"}, "in each currency: below 30, no data is fine"),
        ({"metric": "revenue", "currency": "EUR"}, "revenue over 1h, in EUR: below 30"),
        ({"no_data": "gone"}, "below 30, no data any more is an alert, too"),
        ({"metric": "processor_lag", "window": None, "above": 5}, "processor_lag: above 5"),
    ],
    ids=str,
)
def test_what_a_rule_watches_in_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    assert sentence in watches(rule_of(**fields), DEPLOYMENT)
