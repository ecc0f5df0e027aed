"""What holds for every metric, whatever was counted."""

import math
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.estimate import Estimate
from processor.metrics.catalogue import CATALOGUE, Metric, configured, get
from tests.metrics.events import Event, Outcome, added, counted, items

GA4 = configured(bounce_mode="ga4")["bounce_rate"]
METRICS = {**CATALOGUE, "bounce_rate under ga4": GA4}
every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)


def estimates(metric: Metric, counts: Mapping[str, int]) -> dict[str | None, Estimate]:
    return dict(metric.estimates(counts))


@every_metric
@given(items=items, data=st.data())
def test_split_anywhere_and_added_is_the_same_estimate(
    metric: Metric, items: list[Event | Outcome], data: st.DataObject
) -> None:
    pane_of = data.draw(
        st.lists(st.integers(0, 3), min_size=len(items), max_size=len(items)), "pane of each"
    )
    panes = [
        counted(item for item, at in zip(items, pane_of, strict=True) if at == pane)
        for pane in range(4)
    ]
    assert estimates(metric, added(*panes)) == estimates(metric, counted(items))


@every_metric
@given(kept=items, taken_back=items)
def test_adding_and_taking_back_leaves_no_trace(
    metric: Metric, kept: list[Event | Outcome], taken_back: list[Event | Outcome]
) -> None:
    counts = added(counted(kept), counted(taken_back), counted(taken_back, sign=-1))
    assert estimates(metric, counts) == estimates(metric, counted(kept))


@every_metric
@given(items=items)
def test_value_is_a_finite_number_within_its_interval(
    metric: Metric, items: list[Event | Outcome]
) -> None:
    for estimate in estimates(metric, counted(items)).values():
        assert estimate.n >= 0
        for number in numbers(estimate):
            assert math.isfinite(number)
            assert number != 0 or math.copysign(1, number) == 1, "no -0.0"
        if estimate.low is None or estimate.high is None:
            assert estimate.low is estimate.high is estimate.standard_error is None
            continue
        assert metric.interval is not None
        assert estimate.value is not None
        # One answer lies just outside its adjusted Wald interval: see adjusted_wald.
        if not (metric.interval == "adj. Wald" and estimate.n == 1):
            assert estimate.low <= estimate.value <= estimate.high


@every_metric
@given(items=items)
def test_value_and_ends_stay_within_the_unit(metric: Metric, items: list[Event | Outcome]) -> None:
    limits = {"points": (-100, 100), "percent": (0, 100), "seconds": (0, 86_400)}
    low, high = limits.get(metric.unit, (-math.inf, math.inf))
    for estimate in estimates(metric, counted(items)).values():
        ends = [end for end in (estimate.low, estimate.high) if end is not None]
        if metric.unit == "percent" and metric.interval is None:
            assert not ends  # may pass 100, and says so by having no interval
            continue
        if metric.unit == "seconds":
            ends = ends[:1]  # sessions end after a day; how far above the mean may be is open
        for number in [*ends, *([] if estimate.value is None else [estimate.value])]:
            assert low <= number <= high


@pytest.mark.parametrize(
    "metric", [metric for metric in METRICS.values() if metric.interval], ids=lambda m: m.name
)
@given(items=items, times=st.integers(2, 50))
def test_more_of_the_same_keeps_the_value_and_narrows_the_interval(
    metric: Metric, items: list[Event | Outcome], times: int
) -> None:
    counts = counted(items)
    once = metric.compute(counts)
    often = metric.compute({measure: times * count for measure, count in counts.items()})
    assert often.value == once.value
    assert often.n == times * once.n
    if once.standard_error is not None:
        assert often.standard_error is not None
        assert often.standard_error < once.standard_error or once.standard_error == 0


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
