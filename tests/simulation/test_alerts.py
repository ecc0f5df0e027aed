"""What the shipped alert rules find in simulated traffic: what goes wrong, and nothing else."""

from typing import Final

import pytest

from benchmarks.alerts import CASES, Case, found, rehearsed, struck
from processor.alerting.default_rules import shipped_rules
from processor.simulation import KINDS, Incident

CASE_OF: Final = {case.incident: case for case in CASES}
TOGETHER: Final = ("nps-drop", "refund-wave", "outage")
"""Incidents of different sources of events: one run shows what each has to do with."""


def test_every_incident_is_a_case() -> None:
    assert set(CASE_OF) == set(KINDS)
    assert {case.rule for case in CASES} - {None} <= {rule.name for rule in shipped_rules()}


@pytest.mark.timeout(120)
def test_three_incidents_are_found_in_time_and_nothing_else_is() -> None:
    start_s = 2.25 * 3600
    run = rehearsed(
        seed=7,
        hours=3.75,
        incidents=[Incident(name, start_s, CASE_OF[name].duration_s) for name in TOGETHER],
    )
    cases = [CASE_OF[name] for name in TOGETHER]
    for case in cases:
        seconds = found(case, run.fired(), start_s).seconds
        assert seconds is not None, case.incident
        assert seconds <= 2 * case.span_s
    assert {one.rule for one in run.fired()} == {case.rule for case in cases}
    # What begins before anything goes wrong is a false alarm.
    assert min(one.fired_at_ms or 0 for one in run.fired()) > (run.first_ms or 0) + start_s * 1000


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", CASES, ids=[case.incident for case in CASES])
def test_an_incident_is_told_by_its_rule_alone(case: Case) -> None:
    assert struck(case, seed=11).is_right


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_quiet_week_raises_no_alert(seed: int) -> None:
    assert not rehearsed(seed=seed, hours=7 * 24).fired()
