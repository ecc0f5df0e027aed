"""What each of these programs prints in the end: a JSON line. Needs nothing but Python."""

import json
import resource
import time
from collections.abc import Iterable
from pathlib import Path

Window = tuple[int, str, int, int, int]
"""Start in ms, segment, promoters, passives, detractors."""


class Measured:
    """CPU and wall time from the first event that was read to the last that is counted.

    Args:
        events: how many there are.
    """

    def __init__(self, events: int) -> None:
        self.events = events
        self._counted = 0
        self._before = 0
        self._cpu_s = self._wall_s = 0.0

    def first(self) -> None:
        """An event was read: measuring begins with the first of them."""
        if not self._before:
            self.begin(1)

    def one(self) -> bool:
        """Another event is counted; true of the last one, with which measuring ends."""
        self.first()
        self._counted += 1
        if self._counted == self.events:
            self.end()
        return self._counted == self.events

    def begin(self, already: int = 0) -> None:
        """Measure from now on: what starting took is left out, and so many events with it."""
        self._before = already
        self._cpu_s, self._wall_s = _cpu_s(), time.perf_counter()

    def end(self) -> None:
        """All results are there."""
        self._cpu_s = _cpu_s() - self._cpu_s
        self._wall_s = time.perf_counter() - self._wall_s

    def say(self, windows: Iterable[Window] = ()) -> None:
        """Print what it took, and the results."""
        events = self.events - self._before
        outcome = {
            "events": events,
            "cpu_s": self._cpu_s,
            "wall_s": self._wall_s,
            "per_cpu_s": events / self._cpu_s,
            "rss_mb": _peak_kib() / 1024,
            "windows": sorted(windows),
        }
        print(json.dumps(outcome), flush=True)


def _cpu_s() -> float:
    """User and system time of this process, its threads, and its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak_kib() -> int:
    """Resident memory at its peak; that of `getrusage` begins with the parent's, on Linux."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])
