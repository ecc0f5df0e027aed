"""Nothing became dearer: each measure keeps to its budget in ``budgets.json``.

A failure names the measure. Where the price is meant, ``make budgets`` shows what changed and
writes it down, for whoever reads the change to see.
"""

import pytest

from tests.performance.budgets import is_time, judge, stored
from tests.performance.measures import MEASURES

_LOOKS_AT_TIME = 3


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_keeps_to_its_budget(name: str) -> None:
    measure, budget = MEASURES[name], stored()[name]
    said = judge(name, measure(), budget)
    if said is not None and is_time(name):
        # The least counts: what is dearer is so each time, and neighbours are not.
        said = judge(name, min(measure() for _ in range(_LOOKS_AT_TIME)), budget)
    assert said is None, said


def test_every_budget_is_of_a_measure() -> None:
    assert stored().keys() == MEASURES.keys()
