"""A simulated day has a value for every metric of the catalogue, and one that can be believed."""

import pytest

from processor.metrics.catalogue import CATALOGUE
from tests.simulation.replaying import readings

BELIEVABLE = {
    "nps": (20, 50),
    "csat": (70, 90),
    "ces": (4, 6),
    "cli": (3.5, 5.5),
    "net_emotional_value": (10, 60),
    "ctr": (3, 7),
    "bounce_rate": (30, 50),
    "avg_session_duration": (30, 120),
    "conversion_rate": (4, 15),
    "cart_abandonment_rate": (55, 80),
    "avg_resolution_time": (1800, 5400),
    "avg_resolution_time_p50": (1200, 3600),
    "avg_resolution_time_p90": (3600, 10_800),
    "avg_first_response_time": (300, 900),
    "avg_first_response_time_p50": (200, 600),
    "avg_first_response_time_p90": (700, 2000),
    "customers": (5_000, 20_000),
    "churn_rate": (0.1, 2),
    "retention_rate": (98, 99.9),
    "cac": (20, 400),
    "average_purchase_value": (60, 250),
    "purchase_frequency": (1, 3),
    "customer_value": (60, 750),
    "customer_lifespan": (0.000001, 1 / 365.25),
    "clv": (0.0001, 2),
    "repeat_purchase_rate": (10, 60),
    "repeat_to_one_time_ratio": (0.1, 1.5),
    "upsell_rate": (5, 20),
    "loyalty_participation_rate": (3, 25),
    "redemption_rate": (40, 75),
    "active_engagement_rate": (20, 95),
    "follower_growth_rate": (0.001, 1),
    "story_retention_rate": (60, 90),
    "social_response_time": (600, 4000),
}
"""From and to; money in dollars and euros. A count needs only to be above nothing."""

SEEDS = (1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (2, 3)))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.timeout(300)
def test_a_day_gives_every_metric_a_value(seed: int) -> None:
    day = readings(seed=seed, rate=1, hours=24)
    assert {metric for metric, _ in day} == set(CATALOGUE)
    for (metric, currency), row in day.items():
        assert row["value"] is not None, metric
        assert row["n"] > 0, metric
        if currency is None or metric not in BELIEVABLE:
            assert row["value"] > 0, metric


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.timeout(300)
def test_a_day_s_values_can_be_believed(seed: int) -> None:
    strange = {
        (metric, currency): row["value"]
        for (metric, currency), row in readings(seed=seed, rate=1, hours=24).items()
        if metric in BELIEVABLE and currency != "JPY"
        if not BELIEVABLE[metric][0] <= row["value"] <= BELIEVABLE[metric][1]
    }
    assert strange == {}


def test_what_is_no_count_has_a_range() -> None:
    counts = {name for name, metric in CATALOGUE.items() if metric.unit == "count"}
    assert set(BELIEVABLE) >= set(CATALOGUE) - counts - {"revenue"}
