"""One computation for everybody who asks the same at about the same time."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from processor.state.cancelling import cancel_until_done

_T = TypeVar("_T")

KEPT: Final = 512
"""Answers that are kept at most."""


@dataclass(slots=True)
class _Kept(Generic[_T]):
    task: "asyncio.Task[_T]"
    revision: int
    fresh_until: float


class Shared(Generic[_T]):
    """Answers by question, as long as they are fresh.

    An answer is given again while the revision that it was made at is the same, or while it is
    fresh by the clock. Who asks while it is being made waits for the one that is.

    Args:
        at_once: how many are made at the same time.
    """

    def __init__(self, at_once: int = 2) -> None:
        self._kept: OrderedDict[Hashable, _Kept[_T]] = OrderedDict()
        self._room = asyncio.Semaphore(at_once)
        self.made = 0

    async def get(
        self,
        question: Hashable,
        revision: int,
        fresh_s: float,
        make: Callable[[], Awaitable[_T]],
    ) -> _T:
        """The answer, made if need be; whatever making it raises.

        Args:
            question: what is asked.
            revision: of what is published now; 0 where nothing is, then only the clock counts.
            fresh_s: how long the answer stands, whatever is published.
            make: makes the answer.
        """
        kept = self._kept.get(question)
        if kept is None or not self._stands(kept, revision):
            task = asyncio.ensure_future(self._make(make))
            task.add_done_callback(_was_seen)
            kept = _Kept(task, revision, time.monotonic() + fresh_s)
            self._kept[question] = kept
            if len(self._kept) > KEPT:
                self._drop_oldest()
        self._kept.move_to_end(question)
        # Who goes away does not take the answer away from the others.
        return await asyncio.shield(kept.task)

    @staticmethod
    def _stands(kept: _Kept[_T], revision: int) -> bool:
        if not kept.task.done():
            return True
        if kept.task.cancelled() or kept.task.exception() is not None:
            return False
        return (revision > 0 and kept.revision == revision) or time.monotonic() < kept.fresh_until

    async def _make(self, make: Callable[[], Awaitable[_T]]) -> _T:
        async with self._room:
            self.made += 1
            return await make()

    async def stop(self) -> None:
        """End what is being made."""
        await cancel_until_done([kept.task for kept in self._kept.values()])
        self._kept.clear()

    def _drop_oldest(self) -> None:
        for question, kept in self._kept.items():
            if kept.task.done():
                del self._kept[question]
                return


def _was_seen(task: "asyncio.Task[Any]") -> None:
    """An error that nobody waits for any more is no news: who asks again gets it again."""
    if not task.cancelled():
        task.exception()
