"""What a run took of the machine: this process's CPU time and memory, and Redis's."""

import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own
from prometheus_client import CollectorRegistry
from redis import Redis

OF_LOAD = ("redis_cpu_s", "redis_scripts", "redis_commands", "flushes", "flush_s")
"""What is told by event."""

_SCRIPT_CALLS = ("eval", "evalsha", "fcall")
_WORKER = "cxpulse_worker_"


@dataclass(frozen=True)
class Reading:
    """The counters of a moment; two of them make a measurement.

    Attributes:
        cpu_s: of the process, all its threads, user and system.
        loop_cpu_s: of the thread that asked, which runs the event loop.
        wall_s: a clock that never goes back.
        redis: what Redis counts: CPU seconds, script calls, all commands with those in scripts.
        worker: what the worker counts: flushes, ticks, readings.
    """

    cpu_s: float
    loop_cpu_s: float
    wall_s: float
    redis: Mapping[str, float]
    worker: Mapping[str, float]

    def since(self, before: "Reading") -> dict[str, float]:
        """What was used since then, by name."""
        cpu_s = self.cpu_s - before.cpu_s
        return {
            "cpu_s": cpu_s,
            "fetch_cpu_s": cpu_s - (self.loop_cpu_s - before.loop_cpu_s),
            "wall_s": self.wall_s - before.wall_s,
            **{name: value - before.redis[name] for name, value in self.redis.items()},
            **{name: value - before.worker[name] for name, value in self.worker.items()},
        }


class Meter:
    """Reads the counters of this process, of a Redis, and of a worker.

    Args:
        redis: a client of its own; without one Redis is not asked.
        registry: of the worker's counters; without one they are not read.
    """

    def __init__(
        self, redis: Redis | None = None, registry: CollectorRegistry | None = None
    ) -> None:
        self._redis = redis
        self._registry = registry

    def begin(self) -> Reading:
        """The counters now: asking Redis is not part of what follows."""
        redis, worker = self._of_redis(), self._of_worker()
        return Reading(time.process_time(), time.thread_time(), time.perf_counter(), redis, worker)

    def end(self) -> Reading:
        """The counters now: asking Redis is not part of what went before."""
        cpu_s, loop_s, wall_s = time.process_time(), time.thread_time(), time.perf_counter()
        return Reading(cpu_s, loop_s, wall_s, self._of_redis(), self._of_worker())

    def _of_redis(self) -> dict[str, float]:
        if self._redis is None:
            return {}
        cpu: Mapping[str, Any] = self._redis.info("cpu")
        calls = {
            name.removeprefix("cmdstat_"): stat["calls"]
            for name, stat in self._redis.info("commandstats").items()
        }
        return {
            "redis_cpu_s": cpu["used_cpu_user"] + cpu["used_cpu_sys"],
            "redis_scripts": float(sum(calls.get(name, 0) for name in _SCRIPT_CALLS)),
            "redis_commands": float(sum(calls.values())),
        }

    def _of_worker(self) -> dict[str, float]:
        if self._registry is None:
            return {}
        return {
            name: self._registry.get_sample_value(_WORKER + sample) or 0.0
            for name, sample in (
                ("flushes", "flush_seconds_count"),
                ("flush_s", "flush_seconds_sum"),
                ("ticks", "publish_seconds_count"),
                ("tick_s", "publish_seconds_sum"),
                ("readings", "published_readings_sum"),
            )
        }


def peak_rss_mb() -> float:
    """The most resident memory there was; on Linux that of `getrusage` begins with the parent's."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def memory() -> dict[str, float]:
    """Resident memory of this process in MB: the most there was, and now."""
    now_mb = psutil.Process().memory_info().rss / 2**20
    # After it: what grows in between, such as by this look, is in the peak as well.
    return {"rss_mb": peak_rss_mb(), "rss_end_mb": now_mb}
