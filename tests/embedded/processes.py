"""Looking for processes that should be gone."""

from collections.abc import Iterable

import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own

from tests.harness.waiting import PATIENCE

_SECONDS = 25 * PATIENCE
"""Those whose owner was killed are given up to 20 s to end in order, and then killed."""


def exists(pid: int) -> bool:
    """Whether the process runs; one that only waits to be collected by its parent does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def survivors(pids: Iterable[int]) -> list[int]:
    """Those that still exist after a while; returns as soon as none does."""
    processes = []
    for pid in pids:
        try:
            processes.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=_SECONDS)
    return [process.pid for process in alive if exists(process.pid)]


def mentioning(text: str) -> list[int]:
    """Processes whose command line contains the text."""
    return [p.pid for p in psutil.process_iter(["cmdline"]) if text in str(p.info["cmdline"])]
