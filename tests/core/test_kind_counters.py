"""Counters of kinds of events, summed in columns: equal to brute force, however large or far."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.kind_counters import KindCounters, distinct
from processor.core.rollup import Seconds

FIRST_MS = 1_700_000_000_000

Kind = tuple[tuple[str, ...], tuple[tuple[str, int], ...]]

KINDS: list[Kind] = [
    (("", "channel=app"), (("n", 1), ("sum", 7))),
    (("", "channel=web"), (("n", 1),)),
    ((), ()),
    (("",), (("sum", -3),)),
]
SMALL, LARGE, HUGE = 1, 1 << 50, 1 << 70


def brute_force(kinds: list[Kind], events: list[tuple[int, int]]) -> Seconds:
    found: defaultdict[int, defaultdict[str, Counter[str]]] = defaultdict(
        lambda: defaultdict(Counter)
    )
    for second, kind in events:
        series, increments = kinds[kind]
        for name in series:
            for measure, amount in increments:
                found[FIRST_MS + 1000 * second][name][measure] += amount
    return {
        second: {series: dict(counts) for series, counts in by_series.items()}
        for second, by_series in found.items()
    }


def without_zeros(seconds: Seconds) -> dict[int, dict[str, dict[str, int]]]:
    return {
        second: kept
        for second, by_series in seconds.items()
        if (
            kept := {
                series: some
                for series, counts in by_series.items()
                if (some := {measure: n for measure, n in counts.items() if n})
            }
        )
    }


@pytest.mark.parametrize("scale", [SMALL, LARGE, HUGE])
@pytest.mark.parametrize("last_second", [3, 5_000_000])
@given(data=st.data())
def test_counters_are_those_of_brute_force(
    scale: int, last_second: int, data: st.DataObject
) -> None:
    kinds: list[Kind] = [(s, tuple((m, n * scale) for m, n in added)) for s, added in KINDS]
    event = st.tuples(st.integers(0, last_second), st.integers(0, len(kinds) - 1))
    events = data.draw(st.lists(event, min_size=1, max_size=40))
    places = np.array([second * len(kinds) + kind for second, kind in events], np.int64)
    found, times = distinct(places)
    second, kind = np.divmod(found, len(kinds))
    counted = KindCounters(kinds).by_second(FIRST_MS, second, kind, times)
    assert without_zeros(counted) == without_zeros(brute_force(kinds, events))


@given(st.lists(st.integers(0, 10_000_000), min_size=1) | st.lists(st.integers(0, 9), min_size=1))
def test_numbers_are_counted_in_order(numbers: list[int]) -> None:
    found, times = distinct(np.array(numbers, np.int64))
    assert list(zip(found.tolist(), times.tolist(), strict=True)) == sorted(
        Counter(numbers).items()
    )
