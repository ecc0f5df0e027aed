"""Counters of coded events, summed in columns: equal to brute force, however large or far."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.code_counters import CodeCounters
from processor.core.columns import compacted, distinct

SMALL, LARGE, HUGE = 1, 1 << 50, 1 << 70

CODES = [[("n", 1), ("sum", 7)], [("n", 1)], [], [("sum", -7)]]


@pytest.mark.parametrize("scale", [SMALL, LARGE, HUGE])
@pytest.mark.parametrize("last_cell", [3, 5_000_000])
@given(data=st.data())
def test_counters_are_those_of_brute_force(scale: int, last_cell: int, data: st.DataObject) -> None:
    adds = [[(measure, amount * scale) for measure, amount in increments] for increments in CODES]
    event = st.tuples(st.integers(0, last_cell), st.integers(0, len(CODES) - 1))
    events = data.draw(st.lists(event, min_size=1, max_size=40))
    expected: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for cell, code in events:
        for measure, amount in adds[code]:
            expected[cell][measure] += amount
    cells, codes = (np.array(column, np.int64) for column in zip(*events, strict=True))
    counted = list(CodeCounters(adds).of(cells, codes))
    assert [cell for cell, _ in counted] == sorted(cell for cell, _ in counted)
    assert dict(counted) == {
        cell: kept
        for cell, counts in expected.items()
        if (kept := {measure: n for measure, n in counts.items() if n})
    }


def test_codes_that_add_nothing_and_no_events_make_no_counters() -> None:
    nothing, one = np.empty(0, np.int64), np.zeros(1, np.int64)
    assert list(CodeCounters([[]]).of(one, one)) == []
    assert list(CodeCounters([[("n", 1)]]).of(nothing, nothing)) == []


NUMBERS = st.lists(st.integers(0, 10_000_000), min_size=1) | st.lists(st.integers(0, 9), min_size=1)


@given(NUMBERS)
def test_numbers_are_counted_in_order(numbers: list[int]) -> None:
    found, times = distinct(np.array(numbers, np.int64))
    assert list(zip(found.tolist(), times.tolist(), strict=True)) == sorted(
        Counter(numbers).items()
    )


@given(NUMBERS)
def test_each_number_has_its_place_among_those_there_are(numbers: list[int]) -> None:
    found, places = compacted(np.array(numbers, np.int32))
    assert found == sorted(set(numbers))
    assert [found[place] for place in places.tolist()] == numbers
