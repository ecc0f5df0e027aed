"""The contract's worked examples, one test each, in its words."""

import pytest

from processor.core.estimate import Counts, Estimate
from processor.metrics.catalogue import CATALOGUE, configured, get
from processor.metrics.intervals import adjusted_wald

EXAMPLES = [
    pytest.param(
        "nps",
        {"nps.9": 60, "nps.10": 30, "nps.7": 30, "nps.8": 40, "nps.0": 15, "nps.6": 25},
        25.0,
        200,
        id="NPS, 200 answers: 90 promoters, 70 passives, 40 detractors",
    ),
    pytest.param(
        "nps",
        {"nps.9": 40, "nps5.5": 25, "nps.8": 20, "nps5.4": 5, "nps.6": 4, "nps5.3": 6},
        55.0,
        100,
        id="NPS, 100 answers: 65 promoters, 25 passives, 10 detractors",
    ),
    pytest.param(
        "csat", {"csat5.4": 4, "csat5.5": 5, "csat5.3": 1}, 90.0, 10, id="CSAT, 9 satisfied of 10"
    ),
    pytest.param("csat", {"csat5.0": 2, "csat5.3": 3}, 0.0, 5, id="CSAT, 0 of 5"),
    pytest.param(
        "ces",
        {"ces.7": 1, "ces.6": 1, "ces.5": 1, "ces.2": 1},
        5.0,
        4,
        id="CES, answers 7, 6, 5, 2",
    ),
    pytest.param(
        "churn_rate",
        {"customers.at_start": 100, "customers.left": 25, "customers.at_end": 75},
        25.0,
        100,
        id="churn, 100 subscribers, 25 leave",
    ),
    pytest.param(
        "retention_rate",
        {"customers.at_start": 100, "customers.left": 25, "customers.at_end": 75},
        75.0,
        100,
        id="retention, 100 subscribers, 25 leave",
    ),
    pytest.param(
        "retention_rate",
        {"customers.at_start": 1000, "customers.left": 775, "customers.at_end": 225},
        22.5,
        1000,
        id="retention 22.5",
    ),
    pytest.param(
        "churn_rate",
        {"customers.at_start": 1000, "customers.left": 775, "customers.at_end": 225},
        77.5,
        1000,
        id="churn 77.5 where retention is 22.5",
    ),
]


@pytest.mark.parametrize(("name", "counts", "value", "n"), EXAMPLES)
def test_value_holds_exactly(name: str, counts: Counts, value: float, n: int) -> None:
    estimate = get(name).compute(counts)
    assert estimate.value == value
    assert estimate.n == n


def test_nps_interval_3_promoters_of_3_is_minus_7_to_107_before_clipping_published_clipped() -> (
    None
):
    interval = adjusted_wald(3, 0, 3)
    assert interval is not None
    assert (round(100 * interval.low), round(100 * interval.high)) == (-7, 107)
    estimate = get("nps").compute({"nps.9": 1, "nps.10": 2})
    assert estimate.low is not None
    assert (estimate.value, round(estimate.low), estimate.high) == (100.0, -7, 100.0)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        pytest.param(
            {"csat5.4": 9, "csat5.2": 1}, 59.6, 98.2, id="CSAT, 9 of 10: Wilson 59.6 … 98.2"
        ),
        pytest.param({"csat5.3": 5}, 0.0, 43.4, id="CSAT, 0 of 5: Wilson 0.0 … 43.4"),
    ],
)
def test_wilson_interval_of_csat(counts: Counts, low: float, high: float) -> None:
    estimate = get("csat").compute(counts)
    assert estimate.low is not None
    assert estimate.high is not None
    assert (round(estimate.low, 1), round(estimate.high, 1)) == (low, high)


def test_revenue_20_000_and_400_orders_give_an_average_of_50() -> None:
    counts = {"order.n.USD": 400, "order.minor.USD": 2_000_000}
    assert get("revenue").compute_for(counts, "USD").value == 20_000
    average = get("average_purchase_value").compute_for(counts, "USD")
    assert average == Estimate(50.0, 400)


def test_180_customers_of_5_years_are_worth_555_55_each() -> None:
    counts = {
        "order.n.USD": 400,
        "order.minor.USD": 2_000_000,
        "buyers.distinct": 180,
        "buyers.sampled": 180,
        "buyers.magnitudes": 180 * 5 * 31_557_600_000,
        "buyers.USD.distinct": 180,
    }
    assert get("purchase_frequency").compute(counts) == Estimate(400 / 180, 180)
    assert get("customer_value").compute_for(counts, "USD") == Estimate(20_000 / 180, 180)
    assert get("customer_lifespan").compute(counts) == Estimate(5.0, 180)
    assert get("clv").compute_for(counts, "USD") == Estimate(100_000 / 180, 180)
    years = configured(customer_lifespan_years=2.5)["clv"]
    assert years.compute_for(counts, "USD") == Estimate(50_000 / 180, 180)


@pytest.mark.parametrize(
    "name", [m.name for m in CATALOGUE.values() if not m.per_currency and m.unit != "count"]
)
def test_no_answers_is_null_with_n_0(name: str) -> None:
    assert get(name).compute({}) == Estimate(None, 0)


@pytest.mark.parametrize("kind", ["order", "refund"])
def test_a_count_of_nothing_is_0(kind: str) -> None:
    assert get(f"{kind}s").compute({}) == Estimate(0, 0)


def test_csat_3_of_5_is_neutral_and_not_satisfied() -> None:
    assert get("csat").compute({"csat5.3": 1, "csat5.4": 1}).value == 50.0


@pytest.mark.parametrize(
    ("measure", "satisfied"),
    [
        *((f"csat5.{score}", score >= 4) for score in range(6)),
        *((f"csat7.{score}", score >= 6) for score in range(1, 8)),
        *((f"csat10.{score}", score >= 8) for score in range(1, 11)),
    ],
)
def test_csat_satisfied_is_4_of_5_or_6_of_7_or_8_of_10(measure: str, satisfied: bool) -> None:
    assert get("csat").compute({measure: 1}).value == (100.0 if satisfied else 0.0)


@pytest.mark.parametrize(
    ("measure", "points"),
    [
        *(
            (f"nps.{score}", 100.0 if score >= 9 else 0.0 if score >= 7 else -100.0)
            for score in range(11)
        ),
        *(
            (f"nps5.{score}", 100.0 if score == 5 else 0.0 if score == 4 else -100.0)
            for score in range(1, 6)
        ),
    ],
)
def test_nps_promoters_9_to_10_passives_7_to_8_detractors_0_to_6(
    measure: str, points: float
) -> None:
    assert get("nps").compute({measure: 1}).value == points


def test_ctr_may_pass_100_and_is_then_published_as_it_is() -> None:
    assert get("ctr").compute({"clicks": 3, "impressions": 2}) == Estimate(150.0, 2)


def test_money_is_never_added_across_currencies() -> None:
    counts = {
        "order.n.USD": 2, "order.minor.USD": 3000, "refund.n.USD": 1, "refund.minor.USD": 500,
        "order.n.JPY": 1, "order.minor.JPY": 700,
    }  # fmt: skip
    estimates = {
        name: dict(get(name).estimates(counts)) for name in ("revenue", "average_purchase_value")
    }
    assert estimates == {
        "revenue": {"JPY": Estimate(700.0, 1), "USD": Estimate(25.0, 3)},
        "average_purchase_value": {"JPY": Estimate(700.0, 1), "USD": Estimate(12.5, 2)},
    }


def test_refunds_without_an_order_have_no_average() -> None:
    counts = {"refund.n.USD": 1, "refund.minor.USD": 500}
    assert get("average_purchase_value").compute_for(counts, "USD") == Estimate(None, 0)
    assert get("revenue").compute_for(counts, "USD") == Estimate(-5.0, 1)


@pytest.mark.parametrize("name", ["churn_rate", "retention_rate", "active_engagement_rate"])
def test_a_rate_of_a_base_that_is_not_known_is_null(name: str) -> None:
    counts = {
        "customers.left": 3, "customers.joined": 4, "customers.unknown": 1,
        "active_members.distinct": 2, "members.unknown": 1,
    }  # fmt: skip
    assert get(name).compute(counts) == Estimate(None, 0)


def test_a_base_that_is_not_known_is_null_and_one_of_nothing_0() -> None:
    assert get("customers").compute({"customers.unknown": 1}) == Estimate(None, 0)
    assert get("customers").compute({"customers.at_end": 0}) == Estimate(0, 0)
    assert get("followers").compute({"followers.at_end": 3}) == Estimate(3, 3)


@pytest.mark.parametrize(
    ("name", "counts", "value"),
    [
        ("churn_rate", {"customers.at_start": 2, "customers.left": 3}, 150.0),
        (
            "retention_rate",
            {"customers.at_start": 4, "customers.at_end": 2, "customers.joined": 3},
            -25.0,
        ),
        ("story_retention_rate", {"social.story_view": 1, "social.story_completed": 2}, 200.0),
        ("active_engagement_rate", {"members.at_end": 1, "active_members.distinct": 2}, 200.0),
        ("loyalty_participation_rate", {"customers.at_end": 1, "members.at_end": 2}, 200.0),
    ],
)
def test_a_part_that_is_not_within_the_whole_is_published_without_an_interval(
    name: str, counts: Counts, value: float
) -> None:
    estimate = get(name).compute(counts)
    assert (estimate.value, estimate.low, estimate.high) == (value, None, None)


def test_acquisition_costs_what_was_spent_in_each_currency() -> None:
    counts = {
        "spend.n.USD": 2, "spend.minor.USD": 100_000, "spend.n.JPY": 1, "spend.minor.JPY": 700,
        "customers.joined": 20,
    }  # fmt: skip
    assert dict(get("cac").estimates(counts)) == {
        "JPY": Estimate(35.0, 20),
        "USD": Estimate(50.0, 20),
    }
    assert get("cac").compute_for({"spend.n.USD": 1, "spend.minor.USD": 5}, "USD") == Estimate(
        None, 0
    )
