"""Ends a process that hangs, so that its supervisor starts another one.

A thread looks at the worker's `Health` once a tick. When the event loop has not run for
``worker.stall_after_s``, or a partition with work has not moved for twice as long although nothing
is known that it could wait for, it logs what stands still, with the stacks of all threads and the
places where the tasks wait, and ends the process with exit code 1. What was counted and not yet
written was not acknowledged either: it is counted by the worker that takes over.

A worker that waits for Redis, Kafka or a dead-letter topic is left alone, and so is one that was
suspended: see :mod:`processor.streaming.progress`. While the worker stops there is nothing to
judge: a stop has a deadline of its own. Code that never lets go of the interpreter's lock stops
this thread as well; then the health checks get no answer, and their caller has to decide.
"""

import asyncio
import io
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Final

from processor.settings import Settings
from processor.streaming.health import Health
from processor.streaming.progress import StallJudge

log = logging.getLogger(__name__)

_TICK_S: Final = 1.0
_TICKS: Final = 10
"""At least so many looks are taken before a stall."""

_LAST_WORDS_S: Final = 5.0
_FRAMES: Final = 12
_TASK_FRAMES: Final = 3


class Watchdog(threading.Thread):
    """Looks until it is stopped.

    Args:
        health: what it looks at.
        settings: how long is too long.
        loop: its tasks are shown.
        end: ends the process, given what has stalled and the stacks.
    """

    def __init__(
        self,
        health: Health,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        end: Callable[[str, str], None],
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        stall_after_s = settings.worker.stall_after_s
        self._health = health
        self._loop = loop
        self._end = end
        self._tick_s = min(_TICK_S, stall_after_s / _TICKS)
        self._judge = StallJudge(
            stall_after_s,
            max(settings.kafka.request_timeout_s, settings.redis.timeout_s),
            self._tick_s,
        )
        self._told_to_stop = threading.Event()

    def run(self) -> None:
        """Look once a tick. Nothing is logged on the way: whoever writes logs may hang, too."""
        while not self._told_to_stop.wait(self._tick_s):
            if self._health.is_stopping:
                self._judge.forget()
                continue
            stalled = self._judge.look(self._health.beat, self._health.snapshot)
            if stalled is not None:
                self._end(stalled, self._stacks())
                return

    def _stacks(self) -> str:
        try:
            return stacks(self._loop)
        except RuntimeError as error:  # tasks came and went while they were looked at
            return f"not to be had: {error}"

    def stop(self) -> None:
        """Look no more."""
        self._told_to_stop.set()


def end_stalled(stalled: str, where: str) -> None:
    """Log what has stalled and where everything stands, and end the process with exit code 1."""
    leave(
        1,
        lambda: log.critical(
            "stalled: %s. Ending, to be started again; all stacks:\n%s", stalled, where
        ),
    )


def leave(code: int, say: Callable[[], None]) -> None:
    """End the process at once, after some last words.

    They are said in another thread and waited for a while only: what hangs may be the log.
    """

    def last_words() -> None:
        say()
        logging.shutdown()

    speaking = threading.Thread(target=last_words, name="last words", daemon=True)
    speaking.start()
    speaking.join(_LAST_WORDS_S)
    os._exit(code)


def stacks(loop: asyncio.AbstractEventLoop) -> str:
    """Where each thread is, the main thread first, and where each task of a loop waits."""
    shown = io.StringIO()
    frames = sys._current_frames()  # noqa: SLF001 - there is no other way to another thread's
    threads = sorted(threading.enumerate(), key=lambda t: t is not threading.main_thread())
    for thread in threads:
        frame = frames.get(thread.ident or 0)
        if frame is None or thread is threading.current_thread():
            continue
        shown.write(f"thread {thread.name}:\n")
        shown.writelines(traceback.format_stack(frame)[-_FRAMES:])
    for task in asyncio.all_tasks(loop):
        coroutine = task.get_coro()
        shown.write(f"task {getattr(coroutine, '__qualname__', task.get_name())}:\n")
        for frame in _waiting(coroutine)[-_TASK_FRAMES:]:
            shown.writelines(traceback.format_stack(frame, limit=1))
    return shown.getvalue()


def _waiting(coroutine: object) -> list[FrameType]:
    """Where a coroutine waits, outermost first: a task itself shows its outermost frame only."""
    frames = []
    awaited: object | None = coroutine
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "ag_frame", None)
        if frame is not None:
            frames.append(frame)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "ag_await", None)
    return frames
