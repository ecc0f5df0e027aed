"""What one reading says about one rule."""

from typing import Any

import pytest

from processor.alerting.judging import Judgement, judge
from tests.alerting.readings import changed, reading_of, rule_of

BREACH, CLEAR, UNDECIDED = Judgement.BREACH, Judgement.CLEAR, Judgement.UNDECIDED
NO_DATA = Judgement.NO_DATA


def verdict(reading: Any, **rule: Any) -> Judgement:
    return judge(rule_of(**rule), reading, min_samples=30)


@pytest.mark.parametrize(
    ("value", "fields", "judgement"),
    [
        (40, {}, BREACH),
        (40, {"significant": False}, CLEAR),
        (40, {"significant": None}, UNDECIDED),
        (40, {"change": None}, UNDECIDED),
        (40, {"n": 29}, UNDECIDED),
        (40, {"incomplete": True}, UNDECIDED),
        (80, {}, CLEAR),
        (50, {}, BREACH),
        (51, {}, CLEAR),
    ],
    ids=str,
)
def test_a_drop_from_sixty(value: float, fields: dict[str, Any], judgement: Judgement) -> None:
    assert verdict(changed(value, 60, **fields), drop=True, min_change=10) is judgement


@pytest.mark.parametrize(
    ("value", "before", "judgement"),
    [
        (30, 60, BREACH),
        (31, 60, CLEAR),
        (-90, -60, BREACH),
        (-89, -60, CLEAR),
        (-1, 0, BREACH),
        (0, 0, CLEAR),
    ],
)
def test_a_drop_by_half_of_the_value_before(
    value: float, before: float, judgement: Judgement
) -> None:
    assert verdict(changed(value, before), drop=True, min_change_percent=50) is judgement


def test_a_rise_is_the_other_way() -> None:
    assert verdict(changed(80, 60), rise=True) is BREACH
    assert verdict(changed(40, 60), rise=True) is CLEAR


def test_without_an_interval_the_size_decides() -> None:
    counted = changed(90, 30, significant=None, confidence=None, n=90)
    assert verdict(counted, rise=True, min_change_percent=200) is BREACH
    assert verdict(counted, rise=True, min_change_percent=201) is CLEAR
    assert verdict(counted, rise=True, min_change=60) is BREACH
    assert verdict(counted, rise=True) is UNDECIDED


def test_where_events_may_be_missing_nothing_observed_says_nothing() -> None:
    missing = reading_of(None, incomplete=True)
    for no_data in ("keep", "ok", "alert", "gone"):
        assert verdict(missing, no_data=no_data) is UNDECIDED


def test_only_what_was_there_can_be_gone() -> None:
    assert verdict(reading_of(None, previous=60.0), no_data="gone") is BREACH
    assert verdict(reading_of(None), no_data="gone") is UNDECIDED
    assert verdict(None, no_data="gone") is UNDECIDED
    assert verdict(reading_of(None, previous=60.0), no_data="alert") is NO_DATA
