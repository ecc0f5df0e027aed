"""What holds for every metric, whatever was counted."""

import math
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.estimate import Estimate
from processor.core.session_history import Outcome
from processor.metrics.catalogue import CATALOGUE, Metric, configured, get
from tests.metrics.events import Event, added, counted, items

GA4 = configured(bounce_mode="ga4")["bounce_rate"]
METRICS = {**CATALOGUE, "bounce_rate under ga4": GA4}


def estimates(metric: Metric, counts: Mapping[str, int]) -> dict[str | None, Estimate]:
    return dict(metric.estimates(counts))


@given(items=items, data=st.data())
def test_split_anywhere_and_added_is_the_same_estimate(
    items: list[Event | Outcome], data: st.DataObject
) -> None:
    pane_of = data.draw(
        st.lists(st.integers(0, 3), min_size=len(items), max_size=len(items)), "pane of each"
    )
    panes = [
        counted(item for item, at in zip(items, pane_of, strict=True) if at == pane)
        for pane in range(4)
    ]
    in_panes, together = added(*panes), counted(items)
    for name, metric in METRICS.items():
        assert estimates(metric, in_panes) == estimates(metric, together), name


@given(kept=items, taken_back=items)
def test_adding_and_taking_back_leaves_no_trace(
    kept: list[Event | Outcome], taken_back: list[Event | Outcome]
) -> None:
    counts = added(counted(kept), counted(taken_back), counted(taken_back, sign=-1))
    for name, metric in METRICS.items():
        assert estimates(metric, counts) == estimates(metric, counted(kept)), name


@given(items=items)
def test_value_is_a_finite_number_within_its_interval(items: list[Event | Outcome]) -> None:
    counts = counted(items)
    for name, metric in METRICS.items():
        for estimate in estimates(metric, counts).values():
            assert estimate.n >= 0, name
            for number in numbers(estimate):
                assert math.isfinite(number), name
                assert number != 0 or math.copysign(1, number) == 1, f"{name} is -0.0"
            if estimate.low is None or estimate.high is None:
                assert estimate.low is estimate.high is estimate.standard_error is None, name
                continue
            assert metric.interval is not None, name
            assert {type(number) for number in numbers(estimate)} == {float}, name
            assert estimate.value is not None, name
            # One answer lies just outside its adjusted Wald interval: see adjusted_wald.
            if not (metric.interval == "adj. Wald" and estimate.n == 1):
                assert estimate.low <= estimate.value <= estimate.high, name


RANGES = {
    "nps": (-100, 100),
    "csat": (0, 100),
    "ces": (1, 7),
    "cli": (1, 6),
    "net_emotional_value": (-100, 100),
    "bounce_rate": (0, 100),
    "conversion_rate": (0, 100),
    "cart_abandonment_rate": (0, 100),
    "avg_session_duration": (0, math.inf),
    "avg_resolution_time": (0, math.inf),
    "avg_first_response_time": (0, math.inf),
    "social_response_time": (0, math.inf),
}
FROM_SOURCES = {
    *(f"avg_{what}_time_p{p}" for what in ("resolution", "first_response") for p in (50, 90)),
    *("churn_rate", "retention_rate", "loyalty_participation_rate", "active_engagement_rate"),
    "story_retention_rate",  # may pass 100
    *("buying_customers", "repeat_purchase_rate", "upsell_rate"),
}
"""Metrics with an interval that need more than counters: tested by examples and by the oracle."""


def test_every_interval_has_a_range_below() -> None:
    with_interval = {metric.name for metric in METRICS.values() if metric.interval}
    assert set(RANGES) | FROM_SOURCES == with_interval


@given(items=items)
def test_value_and_ends_stay_within_what_the_metric_can_be(items: list[Event | Outcome]) -> None:
    counts = counted(items)
    for name, (lowest, highest) in RANGES.items():
        estimate = METRICS[name].compute(counts)
        for number in (estimate.value, estimate.low, estimate.high):
            assert number is None or lowest <= number <= highest, name


@given(items=items, times=st.integers(2, 50))
def test_more_of_the_same_keeps_the_value_and_narrows_the_interval(
    items: list[Event | Outcome], times: int
) -> None:
    counts = counted(items)
    multiple = {measure: times * count for measure, count in counts.items()}
    for name in RANGES:
        once, often = METRICS[name].compute(counts), METRICS[name].compute(multiple)
        assert often.value == once.value, name
        assert often.n == times * once.n, name
        if once.standard_error:
            assert often.standard_error is not None, name
            assert often.standard_error < once.standard_error, name


@given(st.lists(st.integers(0, 10), max_size=200))
def test_nps_with_promoters_and_detractors_exchanged_is_its_mirror(scores: list[int]) -> None:
    mirrored = [
        {0: 10, 10: 0, 9: 6, 6: 9}.get(score, 9 if score < 7 else score) for score in scores
    ]
    score, mirror = (
        get("nps").compute(
            counted({"type": "survey_response", "survey": "nps", "score": s} for s in some)
        )
        for some in (scores, mirrored)
    )
    if score.value is None:
        assert mirror.value is None
        return
    assert mirror.value == -score.value
    assert score.low is not None
    assert score.high is not None
    assert mirror.low == pytest.approx(-score.high)
    assert mirror.high == pytest.approx(-score.low)


@pytest.mark.parametrize(
    ("name", "part", "whole"),
    [
        ("bounce_rate", "session.bounced", "session.viewed"),
        ("conversion_rate", "session.converted", "session.closed"),
        ("cart_abandonment_rate", "session.abandoned", "session.carted"),
        ("csat", "csat5.5", None),
    ],
)
@given(yes=st.integers(0, 1000), no=st.integers(0, 1000))
def test_a_share_and_its_complement_are_symmetrical(
    name: str, part: str, whole: str | None, yes: int, no: int
) -> None:
    def share(of: int, beside: int) -> Estimate:
        rest = {"csat5.1": beside} if whole is None else {whole: of + beside}
        return get(name).compute({part: of, **rest})

    direct, complement = share(yes, no), share(no, yes)
    if direct.value is None:
        assert complement.value is None
        return
    assert complement.value is not None
    assert direct.value + complement.value == pytest.approx(100)
    assert direct.low is not None
    assert complement.high is not None
    assert direct.low + complement.high == pytest.approx(100)
    assert direct.standard_error == pytest.approx(complement.standard_error)


@given(yes=st.integers(0, 1000), no=st.integers(0, 1000))
def test_one_more_satisfied_answer_never_lowers_csat(yes: int, no: int) -> None:
    before, after = (
        get("csat").compute({"csat5.5": count, "csat5.2": no}) for count in (yes, yes + 1)
    )
    assert after.value is not None
    assert after.low is not None
    if before.value is not None:
        assert before.low is not None
        assert after.value >= before.value
        assert after.low >= before.low


def numbers(estimate: Estimate) -> Iterator[float]:
    fields = (estimate.value, estimate.low, estimate.high, estimate.standard_error)
    return (number for number in fields if number is not None)
