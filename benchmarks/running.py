"""Runs subjects: each in a process of its own, in turn, several rounds, on one Kafka and Redis."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.events import create, produce
from benchmarks.peers import PeerError, run_peer
from benchmarks.variants import Variant
from benchmarks.workloads import WORKLOADS

Run = dict[str, float]
"""What one run took, by name."""

_TIMEOUT_S = 900
_LAST_LINES = 60
"""Of a subject that failed: enough for a traceback."""
_TICK_CHANNELS = 10_000
_LIVE_EVENTS = 200_000
_SETTLED_S = 60.0
"""No tick by the clock, where ticks are measured one by one."""


class RunError(RuntimeError):
    """A subject failed, or counted something else; the message says what."""


@dataclass
class Bench:
    """The servers, the logs on them, and how long those are.

    Attributes:
        bootstrap: ``host:port`` of the broker.
        redis_url: of the Redis.
        events: of a log.
        sessions: of a log of sessions.
        say: told what is done, in a line.
        prefix: of all topics, where others use the broker, too.
        lengths: events of each log that was written.
        bytes_each: mean length of its records.
    """

    bootstrap: str
    redis_url: str
    events: int
    sessions: int
    say: Callable[[str], None]
    prefix: str = ""
    lengths: dict[str, int] = field(default_factory=dict)
    bytes_each: dict[str, float] = field(default_factory=dict)

    def write_logs(self, variants: Mapping[str, Variant]) -> None:
        """Write the logs that variants read."""
        for variant in variants.values():
            if variant.mode not in ("tick", "live") and variant.log not in self.lengths:
                self._write_log(variant.log)

    def _write_log(self, name: str) -> None:
        workload = WORKLOADS[name]
        length = round((self.sessions if workload.sessions else self.events) * workload.times)
        log = workload.events(length)
        count, size = asyncio.run(produce(self.bootstrap, f"{self.prefix}{name}.", log))
        self.lengths[name], self.bytes_each[name] = count, size / count
        of_sessions = f" of {length:,} sessions" if workload.sessions else ""
        self.say(f"{name}: {workload.about}{of_sessions}: {count:,} of {size / count:.0f} bytes")

    def run(self, name: str, variant: Variant, profile: str | None = None) -> Run:
        """Run one variant once.

        Args:
            name: of the variant.
            variant: what to run.
            profile: as `benchmarks.subject` has it; what it says goes to standard error.

        Raises:
            RunError: the subject failed, or did not count every event once.
            PeerError: a peer failed, or counted something else.
        """
        if variant.mode == "peer":
            prefix = f"{self.prefix}{variant.log}."
            return run_peer(name, self.bootstrap, prefix, self.lengths[variant.log])
        unique = f"{self.prefix}bench-{time.time_ns()}"
        prefix, events = f"{self.prefix}{variant.log}.", self.lengths.get(variant.log, 0)
        if variant.mode in ("tick", "live"):
            prefix, events = f"{unique}.", _TICK_CHANNELS
            asyncio.run(create(self.bootstrap, prefix))
            if variant.mode == "live":
                events = _LIVE_EVENTS
        command = [sys.executable, "-m", "benchmarks.subject", variant.mode, str(events)]
        if profile is not None:
            command += ["--profile", profile]
        environment = {**os.environ, **self._environment(variant, unique, prefix)}
        done = subprocess.run(
            command,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith('{"events"')]
        if done.returncode or not lines:
            last = "\n".join(done.stderr.splitlines()[-_LAST_LINES:])
            raise RunError(f"{variant.about}: exit code {done.returncode}\n{last}")
        if profile is not None:
            self.say(done.stderr)
        found: Run = json.loads(lines[-1])
        if found.get("counted", events) != events:
            raise RunError(f"{variant.about}: counted {found['counted']:,.0f} of {events:,}")
        return found

    def _environment(self, variant: Variant, unique: str, prefix: str) -> dict[str, str]:
        """A group, a Redis prefix and output topics of its own; the rest are the defaults."""
        settings = {
            "CX_KAFKA__BOOTSTRAP": self.bootstrap,
            "CX_KAFKA__GROUP": unique,
            "CX_KAFKA__TOPIC_PREFIX": prefix,
            "CX_KAFKA__READINGS_TOPIC": f"{unique}.metrics",
            "CX_ALERTING__TOPIC": f"{unique}.alerts",
            "CX_REDIS__URL": self.redis_url,
            "CX_REDIS__PREFIX": unique,
            "CX_PUBLISHER__METRICS": json.dumps(variant.metrics),
            "CX_ENGINE__WINDOWS": json.dumps(variant.windows),
            "CX_ENGINE__SEGMENTS": json.dumps(variant.segments),
            "CX_ENGINE__SEGMENT_CAP": str(variant.segment_cap),
        }
        if variant.mode == "tick":
            settings["CX_PUBLISHER__INTERVAL_S"] = str(_SETTLED_S)
            settings["CX_PUBLISHER__LEASE_TTL_S"] = "30"
        return settings

    def rounds(self, variants: Mapping[str, Variant], count: int) -> tuple["Results", list[str]]:
        """Run all variants in turn, several times.

        Args:
            variants: what to run.
            count: how many rounds; fewer of those that ask for fewer.

        Returns:
            Of each variant its runs, and what failed: a variant that did is not run again.
        """
        results: Results = {name: [] for name in variants}
        failed: dict[str, str] = {}
        for round_ in range(count):
            for name, variant in variants.items():
                if name in failed or round_ >= variant.rounds:
                    continue
                began = time.monotonic()
                try:
                    found = self.run(name, variant)
                except (RunError, PeerError, subprocess.TimeoutExpired) as error:
                    failed[name] = f"{name}: {error}"
                    self.say(failed[name])
                    continue
                results[name].append(found)
                took = time.monotonic() - began
                rate = f"{found['per_cpu_s']:,.0f} events/CPU-s, " if "per_cpu_s" in found else ""
                self.say(f"round {round_ + 1}/{count} {name}: {rate}{took:.0f} s")
        return results, list(failed.values())

    def stages(self, variants: Mapping[str, Variant]) -> dict[str, dict[str, float]]:
        """The share of each stage in the CPU time of those variants, largest first.

        Raises:
            RunError: a subject failed.
        """
        found = {}
        for name, variant in variants.items():
            took = self.run(name, variant, profile="stages")
            found[name] = {
                stage.removeprefix("stage:"): share
                for stage, share in took.items()
                if stage.startswith("stage:")
            }
        return found


Results = dict[str, list[Run]]
