import asyncio
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.replay.pacing import Pacer, paced, paced_async, paced_batches, parse_speed

TIMES = st.lists(st.integers(0, 10**13), min_size=1, max_size=50)


@given(times=TIMES, speed=st.floats(0.01, 1e6), gap=st.none() | st.integers(1, 10**9))
def test_what_is_due_never_goes_back_and_is_told_from_the_start(
    times: list[int], speed: float, gap: int | None
) -> None:
    pacer = Pacer(speed, gap)
    due = [pacer.due_s(ms) for ms in times]
    assert due[0] == 0
    assert due == sorted(due)
    if gap is None:
        latest = [max(times[: i + 1]) - times[0] for i in range(len(times))]
        assert due == [ms / 1000 / speed for ms in latest]
    else:
        assert due[-1] <= (len(times) - 1) * gap / 1000 / speed * (1 + 1e-9)


@given(times=TIMES)
def test_at_full_speed_everything_is_due_at_once(times: list[int]) -> None:
    pacer = Pacer(max_gap_ms=5_000)
    assert {pacer.due_s(ms) for ms in times} == {0.0}


def test_a_gap_longer_than_the_largest_counts_as_that_one() -> None:
    pacer = Pacer(2, 5_000)
    assert [pacer.due_s(s * 1000) for s in (0, 4, 9, 100, 100, 101)] == [0, 2, 4.5, 7, 7, 7.5]


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast", "", "1e400"])
def test_a_speed_is_a_positive_number_or_max(text: str) -> None:
    with pytest.raises(ValueError, match="a positive number such as 10, or max"):
        parse_speed(text)


def test_a_pacer_refuses_what_it_cannot_do() -> None:
    for speed in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="speed is a positive number"):
            Pacer(speed)
    with pytest.raises(ValueError, match="largest gap must be positive"):
        Pacer(1, 0)


class Hands:
    """A clock that is moved by sleeping, a little further than asked, as clocks do."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []

    def read(self) -> float:
        return self.now_s

    def sleep(self, for_s: float) -> None:
        self.slept.append(for_s)
        self.now_s += for_s + 0.001


def test_waits_that_take_too_long_do_not_add_up() -> None:
    hands = Hands()
    came = [
        hands.now_s - 1000
        for _ in paced(
            range(0, 100_000, 10), lambda ms: ms, Pacer(1), clock=hands.read, sleep=hands.sleep
        )
    ]
    assert len(came) == 10_000
    assert all(0 <= at - 0.01 * i < 0.002 for i, at in enumerate(came))


def test_what_was_due_during_a_delay_comes_at_once() -> None:
    hands = Hands()
    pace = paced(
        [0, 1000, 2000, 9000], lambda ms: ms, Pacer(1), clock=hands.read, sleep=hands.sleep
    )
    assert next(pace) == 0
    hands.now_s += 5
    assert [next(pace), next(pace)] == [1000, 2000]
    assert hands.slept == []
    assert next(pace) == 9000
    assert hands.slept == pytest.approx([4])


def test_what_is_due_comes_in_batches_and_none_waits_for_its_batch_to_be_full() -> None:
    hands = Hands()
    times = [None, 0, 0, 0, 0, None, 1000, 1000, None, 2000]
    came = [
        (batch, round(hands.now_s - 1000))
        for batch in paced_batches(
            times, lambda ms: ms, Pacer(1), size=3, clock=hands.read, sleep=hands.sleep
        )
    ]
    assert came == [
        ([None, 0, 0], 0),
        ([0, 0, None], 0),
        ([1000, 1000, None], 1),
        ([2000], 2),
    ]


async def test_other_tasks_run_while_a_log_is_paced() -> None:
    hands = Hands()

    async def other() -> None:
        while True:  # the clock moves on by its turns alone: without them it is never time
            hands.now_s += 0.001
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    times = [None, 0, 5, None, 3, 50]
    came = [ms async for ms in paced_async(times, lambda ms: ms, Pacer(1), clock=hands.read)]
    task.cancel()
    assert came == times
    assert hands.now_s >= 1000.05


async def test_a_loop_is_not_kept_at_full_speed_either() -> None:
    hands = Hands()
    turns = 0

    def times() -> Iterator[int]:
        for ms in range(1000):
            hands.now_s += 0.001
            yield ms

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    came = [ms async for ms in paced_async(times(), lambda ms: ms, Pacer(), clock=hands.read)]
    task.cancel()
    assert len(came) == 1000
    assert 40 <= turns <= 60
