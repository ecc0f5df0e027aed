"""What a piece of work does, in numbers that are the same on any machine and under any load.

Nothing here looks at a clock: function calls and bytecode instructions are counted while the work
is done, and bytes after it. Work that does the same does so many, however slowly.
"""

import cProfile
import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, Final

Work = Callable[[], object]

_INLINED: Final = {"<listcomp>", "<dictcomp>", "<setcomp>"}
"""Calls of Python 3.11 that later ones do not make."""

_TOOL: Final = 4
"""Of `sys.monitoring`: one that nobody else has a name for."""


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No collection of garbage comes in between, with the callbacks that others gave it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def calls(work: Work) -> int:
    """Calls of functions, in Python and in C, comprehensions not counted.

    What C code calls by itself, as ``map`` does, is counted if it is written in Python.
    """
    profile = cProfile.Profile()
    with _undisturbed():
        profile.runcall(work)
    return sum(
        entry.callcount
        for entry in profile.getstats()
        if isinstance(entry.code, str) or entry.code.co_name not in _INLINED
    )


def steps(work: Work) -> int:
    """Bytecode instructions: what loops in Python cost, too, that call nothing."""
    with _undisturbed():
        return _steps_monitored(work) if sys.version_info >= (3, 12) else _steps_traced(work)


def held_bytes(work: Work) -> int:
    """Bytes of what is still there when the work is done: what it returned, and left elsewhere."""
    traced = tracemalloc.is_tracing()
    if not traced:
        tracemalloc.start()
    try:
        gc.collect()
        with _undisturbed():
            before, _ = tracemalloc.get_traced_memory()
            kept = work()
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        del kept
    finally:
        if not traced:
            tracemalloc.stop()
    return after - before


def _steps_traced(work: Work) -> int:
    count = 0

    def enter(frame: FrameType, _event: str, _argument: Any) -> Callable[..., Any]:
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return step

    def step(_frame: FrameType, event: str, _argument: Any) -> Callable[..., Any]:
        nonlocal count
        count += event == "opcode"
        return step

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def _steps_monitored(work: Work) -> int:
    count = 0

    def step(_code: CodeType, _offset: int) -> None:
        nonlocal count
        count += 1

    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]  # of Python 3.12
    event = monitoring.events.INSTRUCTION
    monitoring.use_tool_id(_TOOL, "steps")
    try:
        monitoring.register_callback(_TOOL, event, step)
        monitoring.set_events(_TOOL, event)
        work()
    finally:
        monitoring.set_events(_TOOL, 0)
        monitoring.register_callback(_TOOL, event, None)
        monitoring.free_tool_id(_TOOL)
    return count
