"""One computation for all who ask the same."""

import asyncio

import pytest

from processor.monitor.shared import KEPT, Shared


class Making:
    """Makes answers, each when it is let."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.begun.set()
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return "answer"


async def test_who_goes_away_takes_nothing_from_the_others() -> None:
    shared: Shared[str] = Shared()
    making = Making()
    first = asyncio.create_task(shared.get("a", 1, 0, making))
    await making.begun.wait()
    second = asyncio.create_task(shared.get("a", 2, 0, making))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    making.may_end.set()
    assert await second == "answer"
    assert shared.made == 1


async def test_an_answer_stands_while_nothing_new_is_published_or_while_it_is_fresh() -> None:
    shared: Shared[str] = Shared()
    making = Making()
    making.may_end.set()
    for revision, fresh_s, made in (
        (1, 0, 1),
        (1, 0, 1),
        (2, 1e9, 2),
        (3, 0, 2),  # it was made to be fresh for long
        (4, 0, 2),
    ):
        await shared.get("a", revision, fresh_s, making)
        assert shared.made == made
    await shared.get("b", 0, 0, making)
    await shared.get("b", 0, 0, making)
    assert shared.made == 4, "nothing is published: only the clock counts"


async def test_a_failure_is_told_to_all_and_not_kept() -> None:
    shared: Shared[str] = Shared()
    making = Making()
    making.error = ValueError("no")
    asking = [asyncio.create_task(shared.get("a", 1, 1e9, making)) for _ in range(3)]
    await making.begun.wait()
    making.may_end.set()
    for task in asking:
        with pytest.raises(ValueError, match="no"):
            await task
    making.error = None
    assert await shared.get("a", 1, 1e9, making) == "answer"
    assert shared.made == 2


async def test_no_more_answers_are_kept_than_that() -> None:
    shared: Shared[str] = Shared()
    making = Making()
    making.may_end.set()
    for question in range(KEPT + 10):
        await shared.get(question, 1, 1e9, making)
    await shared.get(KEPT + 9, 1, 1e9, making)
    assert shared.made == KEPT + 10
    await shared.get(0, 1, 1e9, making)
    assert shared.made == KEPT + 11, "the oldest was dropped"


async def test_what_is_being_made_ends_with_the_monitor() -> None:
    shared: Shared[str] = Shared()
    making = Making()
    asking = asyncio.create_task(shared.get("a", 1, 0, making))
    await making.begun.wait()
    await shared.stop()
    with pytest.raises(asyncio.CancelledError):
        await asking
