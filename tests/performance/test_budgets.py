"""Nothing became dearer: each measure keeps to its budget in ``budgets.json``.

A failure names the measure. Where the price is meant, ``make budgets`` shows what changed and
writes it down, for whoever reads the change to see.
"""

import pytest

from tests.performance.budgets import judge, stored
from tests.performance.measures import MEASURES


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_keeps_to_its_budget(name: str) -> None:
    assert (said := judge(name, MEASURES[name](), stored()[name])) is None, said


def test_every_budget_is_of_a_measure() -> None:
    assert stored().keys() == MEASURES.keys()
