"""What an incident does to the readings: the same run with and without it, through the replay.

Every source of events draws from a stream of its own. So whatever an incident has nothing to do
with is not about the same with it, but equal.
"""

from dataclasses import dataclass
from typing import Final

import pytest

from processor.metrics.catalogue import CATALOGUE
from processor.simulation import KINDS
from tests.simulation.replaying import Readings, readings

SESSIONS: Final = frozenset(
    name for name, metric in CATALOGUE.items() if metric.event_types == ("session",)
)
BUYING: Final = frozenset(
    name for name, metric in CATALOGUE.items() if metric.event_types == ("purchase",)
)


@dataclass(frozen=True)
class Effect:
    """What an incident does to readings.

    Attributes:
        times: metric → from and to: what its value is multiplied by.
        follows: metrics that move with it, because they say the same or part of it.
        near: metrics that are within a fifth of what they would have been: the same visitors
            and buyers come in another order.
    """

    times: dict[str, tuple[float, float]]
    follows: frozenset[str] = frozenset()
    near: frozenset[str] = frozenset()


EFFECTS: Final = {
    "nps-drop": Effect({"nps": (-1.5, -0.5)}),
    "csat-drop": Effect({"csat": (0.4, 0.6)}),
    "ctr-drop": Effect({"ctr": (0.1, 0.3)}, near=SESSIONS | BUYING),
    "bounce-spike": Effect(
        {"bounce_rate": (1.8, 2.5)},
        # Who leaves at once neither clicks nor buys, and is not there for long.
        follows=frozenset({"ctr", "conversion_rate", "avg_session_duration"}),
        near=SESSIONS | BUYING,
    ),
    "cart-trouble": Effect(
        {"cart_abandonment_rate": (1.3, 1.5)},
        follows=frozenset({"conversion_rate"}),
        near=SESSIONS | BUYING,
    ),
    "refund-wave": Effect(
        {"refunds": (6, 15), "revenue": (0.4, 0.8), "average_purchase_value": (0.4, 0.8)},
        follows=frozenset({"customer_value", "clv"}),
    ),
    "slow-support": Effect(
        {
            f"avg_{what}_time{which}": (3, 6)
            for what in ("resolution", "first_response")
            for which in ("", "_p50", "_p90")
        }
    ),
    "churn-wave": Effect(
        {"churn_rate": (50, 400), "retention_rate": (0.95, 0.995), "customers": (0.95, 0.995)},
        # Whoever left is followed by a newcomer, who has not bought yet and is no member.
        near=BUYING | {"loyalty_participation_rate", "active_engagement_rate", "redemption_rate"},
    ),
    "bad-press": Effect(
        {
            "social_mentions": (4, 10),
            "social_comments": (1.5, 4),
            "follower_growth_rate": (-40, -5),
            "followers": (0.99, 0.9999),
        }
    ),
    "outage": Effect({}, follows=SESSIONS, near=BUYING),
    "duplicate-storm": Effect({}),
    "poison": Effect({}),
}


def half_an_hour(*incidents: str) -> Readings:
    """Readings of a run that an incident, if any, strikes from its fifth minute on."""
    return readings(*incidents, rate=20, hours=0.5, window="20m")


ALWAYS: Final = ("nps-drop", "csat-drop", "ctr-drop", "bounce-spike", "outage", "poison")
"""In every run: those of the four metrics that must never be wrong, and of the stream itself."""


def test_every_incident_has_an_effect() -> None:
    assert set(EFFECTS) == set(KINDS)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "name", [*ALWAYS, *(pytest.param(n, marks=pytest.mark.soak) for n in KINDS if n not in ALWAYS)]
)
def test_an_incident_moves_what_it_names_and_nothing_else(name: str) -> None:
    effect = EFFECTS[name]
    usual, struck = half_an_hour(), half_an_hour(f"{name}@5m+1h")
    assert struck.keys() == usual.keys()
    for (metric, currency), row in struck.items():
        value, before = row["value"], usual[metric, currency]["value"]
        if metric in effect.times:
            low, high = effect.times[metric]
            assert low < value / before < high, metric
        elif metric in effect.follows:
            assert value != before, metric
        elif metric in effect.near:
            assert value == pytest.approx(before, rel=0.2), metric
        else:
            assert (value, row["n"]) == (before, usual[metric, currency]["n"]), metric


@pytest.mark.timeout(120)
def test_an_outage_leaves_no_session_to_tell_of() -> None:
    struck = half_an_hour("outage@5m+1h")
    assert {struck[metric, None]["n"] for metric in SESSIONS} == {0}
