"""What every metric of the catalogue owes its readers; a new one is tested by existing."""

import doctest
import importlib
import inspect
import pkgutil
import re
from types import ModuleType

import pytest

import processor.metrics
from processor.core.estimate import Counts, Estimate
from processor.metrics import survey
from processor.metrics.catalogue import CATALOGUE, Metric, UnknownMetric, configured, get
from processor.metrics.engagement import ga4_bounce_rate
from processor.metrics.estimates import tally
from processor.metrics.registry import metric as register
from processor.metrics.registry import registered, registered_by
from schemas.event_types import EventType
from schemas.readings import Unit

MODULES = [
    importlib.import_module(f"processor.metrics.{found.name}")
    for found in pkgutil.iter_modules(processor.metrics.__path__)
]
SESSIONS = {"session.viewed": 5, "session.bounced": 2, "session.ga4_bounced": 1}

every_metric = pytest.mark.parametrize("metric", CATALOGUE.values(), ids=CATALOGUE)


def function_of(metric: Metric) -> object:
    return metric.compute_for if metric.per_currency else metric.compute


@every_metric
def test_unit_and_event_types_are_the_vocabulary_s(metric: Metric) -> None:
    assert metric.unit in Unit
    assert metric.event_types
    assert set(metric.event_types) <= set(EventType)
    assert metric.per_currency == (metric.unit is Unit.MONEY)


@every_metric
def test_docstring_says_what_how_and_whence(metric: Metric) -> None:
    assert metric.summary
    assert not metric.summary.endswith(".")
    assert metric.formula
    assert metric.source
    assert "\n" not in metric.summary + metric.formula + metric.source


@every_metric
def test_docstring_has_an_example(metric: Metric) -> None:
    found = doctest.DocTestParser().get_examples(inspect.getdoc(function_of(metric)) or "")
    assert any(f"{metric.name}(" in example.source for example in found)


@every_metric
def test_nothing_observed_is_null_and_a_count_of_nothing_0(metric: Metric) -> None:
    if metric.per_currency:
        assert list(metric.estimates({})) == []
        assert metric.compute_for({}, "USD") in {Estimate(None, 0), Estimate(0, 0)}
    elif metric.unit is Unit.COUNT:
        assert metric.compute({}) == Estimate(0, 0)
    else:
        assert metric.compute({}) == Estimate(None, 0)


@every_metric
def test_a_measure_that_is_0_is_as_good_as_absent(metric: Metric) -> None:
    zeros = dict.fromkeys(["nps.9", "clicks", "session.closed", "order.n.USD", "cli.n"], 0)
    assert list(metric.estimates(zeros)) == list(metric.estimates({}))


@every_metric
def test_the_wrong_question_about_money_is_refused(metric: Metric) -> None:
    if metric.per_currency:
        with pytest.raises(TypeError, match=f"{metric.name} is money"):
            metric.compute({})
    else:
        assert list(metric.currencies({"order.n.USD": 1})) == []
        with pytest.raises(TypeError, match=f"{metric.name} is not money"):
            metric.compute_for({}, "USD")


@every_metric
def test_name_needs_no_escape_in_keys_and_addresses(metric: Metric) -> None:
    assert re.fullmatch("[a-z][a-z0-9_]*", metric.name)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_in_docstrings_hold(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


def test_every_metric_that_is_registered_is_in_the_catalogue() -> None:
    of_modules = {found.name for module in MODULES for found in registered_by(module.__name__)}
    assert of_modules == set(CATALOGUE)


def test_catalogue_is_in_the_order_of_the_contract() -> None:
    assert list(CATALOGUE)[:10] == [
        "nps",
        "csat",
        "ces",
        "cli",
        "net_emotional_value",
        "ctr",
        "bounce_rate",
        "avg_session_duration",
        "conversion_rate",
        "cart_abandonment_rate",
    ]


def test_intervals_and_units_are_the_contract_s() -> None:
    assert {name: (m.unit.value, m.interval) for name, m in CATALOGUE.items()}.items() >= {
        "nps": ("points", "adj. Wald"),
        "csat": ("percent", "Wilson"),
        "ces": ("score", "mean"),
        "cli": ("score", "mean"),
        "net_emotional_value": ("points", "adj. Wald"),
        "ctr": ("percent", None),
        "bounce_rate": ("percent", "Wilson"),
        "avg_session_duration": ("seconds", "mean"),
        "conversion_rate": ("percent", "Wilson"),
        "cart_abandonment_rate": ("percent", "Wilson"),
        "average_purchase_value": ("money", None),
    }.items()


def test_catalogue_cannot_be_changed_in_place() -> None:
    with pytest.raises(TypeError):
        CATALOGUE["nps"] = get("csat")  # type: ignore[index]


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownMetric, match=r"^no metric 'bounce_rat'; did you mean 'bounce_rate'"):
        get("bounce_rat")
    with pytest.raises(UnknownMetric, match=r"^no metric 'x'; there are nps, csat, "):
        get("x")


def test_a_duplicate_fails_and_says_where_both_stand() -> None:
    def nps(_counts: Counts) -> Estimate:
        """Another.

        Formula: none
        Source: here
        """
        return tally(0)

    with pytest.raises(
        ValueError,
        match=r"named 'nps': processor\.metrics\.survey:\d+ and tests\.metrics\.test_catalogue:\d+",
    ):
        register(unit=Unit.COUNT, event_types=("session",))(nps)
    assert get("nps").compute is survey.nps


def test_a_metric_without_its_documentation_fails() -> None:
    def undocumented(_counts: Counts) -> Estimate:
        """Only what it is."""
        return tally(0)

    with pytest.raises(TypeError, match=r"undocumented \(.*\) has no formula and no source"):
        register(unit=Unit.COUNT, event_types=("session",))(undocumented)
    assert "undocumented" not in {found.name for found in registered()}


def test_bounce_mode_chooses_the_definition_and_its_words() -> None:
    ga4 = configured(bounce_mode="ga4")
    assert list(ga4) == list(CATALOGUE)
    assert ga4["bounce_rate"].compute(SESSIONS).value == 20.0
    assert ga4["bounce_rate"].compute is ga4_bounce_rate
    assert "GA4" in ga4["bounce_rate"].summary
    assert (ga4["bounce_rate"].name, ga4["bounce_rate"].unit) == ("bounce_rate", Unit.PERCENT)
    assert {n: m for n, m in ga4.items() if n != "bounce_rate"}.items() <= CATALOGUE.items()
    assert configured()["bounce_rate"].compute(SESSIONS).value == 40.0
    assert get("bounce_rate").compute(SESSIONS).value == 40.0


def test_an_unknown_bounce_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="'ga5' is none of contract, ga4"):
        configured(bounce_mode="ga5")  # type: ignore[arg-type]


def test_a_configured_lifespan_chooses_the_definition_of_clv_and_its_words() -> None:
    fixed = configured(customer_lifespan_years=3)
    assert list(fixed) == list(CATALOGUE)
    assert "configured lifespan" in fixed["clv"].summary
    assert (
        fixed["clv"].compute_for({"buyers.USD.distinct": 1, "order.minor.USD": 200}, "USD").value
        == 6
    )
    assert {n: m for n, m in fixed.items() if n != "clv"}.items() <= CATALOGUE.items()
    with pytest.raises(TypeError, match="is money"):
        fixed["clv"].compute({})


@pytest.mark.parametrize("years", [0, -1, float("inf"), float("nan")])
def test_a_lifespan_that_is_none_is_refused(years: float) -> None:
    with pytest.raises(ValueError, match="more than 0 years"):
        configured(customer_lifespan_years=years)
