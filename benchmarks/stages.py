"""Where the time goes, by stage: samples of the event loop's stack, weighed by its CPU time.

Unlike a tracing profiler this makes calls no dearer. A signal comes every two milliseconds of the
process's CPU time; the stack is then worth what the loop's thread has used since the last one.
"""

import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Final

_EVERY_S: Final = 0.002

PUBLISHER: Final = "publisher's ticks"
FLUSHES: Final = "flushes"
OTHER: Final = "the rest: interpreter, settings, logging"

_TASKS: Final = {
    "processor/streaming/publisher": PUBLISHER,
    "processor/streaming/alerts": PUBLISHER,
    "processor/streaming/flushing": FLUSHES,
    "processor/state/partition": FLUSHES,
}
"""What a stack is for, whatever it is in: the innermost of these that is in it."""

_STAGES: Final = {
    "processor/core/parsing": "validating and placing in time",
    "schemas/": "validating and placing in time",
    "processor/core/dedup": "remembering ids",
    "processor/core/fingerprints": "remembering ids",
    "processor/core/tally": "counting",
    "processor/core/rollup": "counting",
    "processor/core/segments": "counting",
    "processor/core/session": "sessions",
    "processor/core/customers": "customers, samples and bases",
    "processor/core/sampl": "customers, samples and bases",
    "processor/core/observ": "customers, samples and bases",
    "processor/core/base": "customers, samples and bases",
    "processor/metrics/": "what an event adds (measures)",
    "processor/core/": "the engine's loop",
    "processor/streaming/": "transport and agents",
    "faust/": "transport and agents",
    "mode/": "transport and agents",
    "aiokafka/": "Kafka client",
    "redis/": "Redis client",
    "asyncio/": "transport and agents",
}
"""What the innermost frame that is named here says; longer names are looked at first."""

_ORDERED: Final = sorted(_STAGES.items(), key=lambda item: -len(item[0]))


class Sampler:
    """Samples the thread that starts it, which has to be the main thread.

    Attributes:
        stages: CPU seconds by stage.
        places: CPU seconds by file and function, of the innermost frame.
    """

    def __init__(self) -> None:
        self.stages: defaultdict[str, float] = defaultdict(float)
        self.places: defaultdict[str, float] = defaultdict(float)
        self._last_s = 0.0

    def start(self) -> None:
        """Take samples from now on."""
        self._last_s = time.thread_time()
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)

    def stop(self) -> None:
        """Take no more."""
        signal.setitimer(signal.ITIMER_PROF, 0)

    def shares(self, cpu_s: float) -> dict[str, float]:
        """The share of each stage in so much CPU time of the process, largest first.

        What the loop's thread did not use is that of other threads, which fetch.
        """
        threads_s = max(0.0, cpu_s - sum(self.stages.values()))
        stages = {**self.stages, "fetching thread": threads_s}
        return {stage: seconds / cpu_s for stage, seconds in largest(stages)}

    def _sample(self, _signal: int, frame: FrameType | None) -> None:
        now_s = time.thread_time()
        used_s, self._last_s = now_s - self._last_s, now_s
        if frame is not None:
            self.places[f"{_module(frame)}:{frame.f_code.co_qualname}"] += used_s
        self.stages[stage_of(frame)] += used_s


def largest(seconds: Mapping[str, float]) -> list[tuple[str, float]]:
    """What took how long, the longest first."""
    return sorted(seconds.items(), key=lambda item: -item[1])


def stage_of(frame: FrameType | None) -> str:
    """The stage that a stack belongs to, from its innermost frame."""
    modules = [_module(one) for one in _outwards(frame)]
    for module in modules:
        for name, stage in _TASKS.items():
            if module.startswith(name):
                return stage
    for module in modules:
        for name, stage in _ORDERED:
            if module.startswith(name):
                return stage
    return OTHER


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _module(frame: FrameType) -> str:
    """The file of a frame, from its package on."""
    path = frame.f_code.co_filename
    for root in ("/site-packages/", "/processor/", "/schemas/", "/lib/python3"):
        before, found, after = path.rpartition(root)
        if found:
            if root == "/lib/python3":
                return after.partition("/")[2]
            return after if root == "/site-packages/" else root.strip("/") + "/" + after
        del before
    return path
