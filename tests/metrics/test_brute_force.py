"""Means from counters against means from the values themselves."""

import math
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.estimate import Estimate
from processor.core.session_history import Outcome
from processor.metrics.catalogue import get
from processor.metrics.intervals import t_quantile
from tests.metrics.events import Event, counted, outcomes


def check(estimate: Estimate, values: list[float], lowest: float, highest: float) -> None:
    """An estimate is the mean of these values, with the textbook's t-interval."""
    assert estimate.n == len(values)
    if not values:
        assert estimate == Estimate(None, 0)
        return
    assert estimate.value == pytest.approx(fmean(values), rel=1e-12)
    if len(values) == 1:
        assert (estimate.low, estimate.high, estimate.standard_error) == (None, None, None)
        return
    half = t_quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    assert estimate.low == pytest.approx(max(lowest, fmean(values) - half), rel=1e-9, abs=1e-9)
    assert estimate.high == pytest.approx(min(highest, fmean(values) + half), rel=1e-9, abs=1e-9)


@given(st.lists(st.integers(1, 7), max_size=100))
def test_ces_is_the_mean_of_its_answers(scores: list[int]) -> None:
    events: list[Event] = [
        {"type": "survey_response", "survey": "ces", "score": score} for score in scores
    ]
    check(get("ces").compute(counted(events)), [float(s) for s in scores], lowest=1, highest=7)


@given(st.lists(st.tuples(*[st.integers(1, 6)] * 3), max_size=100))
def test_cli_is_the_mean_of_each_answer_s_mean(answers: list[tuple[int, int, int]]) -> None:
    events: list[Event] = [
        {
            "type": "survey_response",
            "survey": "cli",
            "answers": dict(zip(("recommend", "repurchase", "try_other"), three, strict=True)),
        }
        for three in answers
    ]
    means = [sum(three) / 3 for three in answers]
    check(get("cli").compute(counted(events)), means, lowest=1, highest=6)


@given(st.lists(outcomes, max_size=100))
def test_session_duration_is_the_mean_of_closed_sessions(sessions: list[Outcome]) -> None:
    seconds = [(session.last_ms - session.first_ms) / 1000 for session in sessions]
    check(
        get("avg_session_duration").compute(counted(sessions)), seconds, lowest=0, highest=math.inf
    )


@given(st.lists(outcomes, max_size=100))
def test_session_rates_are_the_shares_of_closed_sessions(sessions: list[Outcome]) -> None:
    viewed = [s for s in sessions if s.page_views]
    carted = [s for s in sessions if s.carted]
    shares = {
        "bounce_rate": ([s for s in viewed if s.page_views == 1], viewed),
        "conversion_rate": ([s for s in sessions if s.converted], sessions),
        "cart_abandonment_rate": ([s for s in carted if not s.ordered], carted),
    }
    for name, (part, whole) in shares.items():
        estimate = get(name).compute(counted(sessions))
        assert estimate.value == (100 * len(part) / len(whole) if whole else None)
        assert estimate.n == len(whole)
