"""Deadlines in whole seconds: nothing is missed, and what is not due yet is asked about again."""

from hypothesis import given
from hypothesis import strategies as st

from processor.core.deadlines import Deadlines


def test_a_second_passes_when_a_time_in_it_does() -> None:
    deadlines = Deadlines[str]()
    assert deadlines.add("a", 1_500, None) == 2
    assert deadlines.passed(1_000) == []
    assert deadlines.passed(1_001) == [(2, ["a"])]
    assert deadlines.passed(9_000) == []


def test_a_later_deadline_does_not_replace_an_earlier_one() -> None:
    deadlines = Deadlines[str]()
    first = deadlines.add("a", 1_000, None)
    assert deadlines.add("a", 5_000, first) == first
    assert deadlines.add("a", 400, first) == 1
    assert deadlines.passed(10_000) == [(1, ["a"])]


@given(st.lists(st.integers(0, 9_999), max_size=30), st.lists(st.integers(0, 10_000), max_size=8))
def test_each_is_found_when_it_is_due_and_not_lost_before(due: list[int], times: list[int]) -> None:
    deadlines = Deadlines[int]()
    for number, due_ms in enumerate(due):
        deadlines.add(number, due_ms, None)
    done: set[int] = set()
    for time_ms in sorted(times):
        for _, numbers in deadlines.passed(time_ms):
            for number in numbers:
                if due[number] <= time_ms:
                    done.add(number)
                else:
                    deadlines.add(number, due[number], None)
        assert done == {number for number, due_ms in enumerate(due) if due_ms <= time_ms}
