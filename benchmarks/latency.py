"""How long until an event is in a published reading, at 10 %, 50 % and 90 % of saturation.

``python -m benchmarks.latency`` runs one worker as ``cxpulse worker`` does, on a real Kafka and a
real Redis, with a load generator (`benchmarks.load`) and a reader (`benchmarks.watching`) in
processes of their own. A latency begins when an event is *meant* to be sent, and ends when the
reader has the first reading that includes it: out of the stream of ticks in Redis, and out of the
topic, committed. First a ramp finds saturation: the highest rate at which latency does not grow.
Broker, Redis, generator and reader share the machine with the worker, so that is the machine's
saturation; the table says who used how much of it. Writes ``bench-results/latency.json``.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.latencies import Seen, grows, passed, stage_medians, summary, tick_summary
from benchmarks.load import CHANNELS, PRODUCTS, Plan
from benchmarks.processes import ROOT, Measured, cpu_s, spent_s
from benchmarks.watching import PLACES, READY
from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis
from processor.settings.sections import PublisherSettings, RedisSettings

LEVELS: Final = (0.1, 0.5, 0.9)
RAMP_SECONDS: Final = 6.0
FIRST_RATE: Final = 10_000.0
STEP: Final = 1.5
BISECTIONS: Final = 3


@dataclass(frozen=True)
class Settings:
    """How often the worker flushes and publishes, in seconds."""

    tick_s: float = PublisherSettings().interval_s
    flush_s: float = RedisSettings().flush_interval_s

    def __str__(self) -> str:
        return f"tick {self.tick_s:g} s, flush {self.flush_s:g} s"

    @property
    def environment(self) -> dict[str, str]:
        """As variables of a worker."""
        return {
            "CX_PUBLISHER__INTERVAL_S": str(self.tick_s),
            "CX_REDIS__FLUSH_INTERVAL_S": str(self.flush_s),
        }


SETTINGS: Final = (Settings(0.1, 0.05), Settings(0.1), Settings())
"""Saturation is looked for with the first; the last is what is not configured."""

_PARTITIONS: Final = 4
_WARM_UP: Final = Plan(2_000, 3.0, _PARTITIONS)
_CAUGHT_UP_S: Final = 120.0


class NotSeenError(Exception):
    """What was sent was not published in time: the pipeline stands still, or is far behind."""


@dataclass(frozen=True)
class Run:
    """One load, and what became of it.

    Attributes:
        plan: what was sent.
        sent: what the generator says.
        before: by partition the probes of earlier runs.
        cpu_s: of each process, while the load was sent.
    """

    plan: Plan
    sent: dict[str, Any]
    before: dict[int, int]
    cpu_s: dict[str, float]

    @property
    def span_ns(self) -> tuple[int, int]:
        """From the first intended time until the last."""
        probes = self.sent["probes"]
        return probes[0]["intended_ns"], probes[-1]["intended_ns"]

    def latencies_ms(self, seen: Seen) -> list[float]:
        """Of each probe in one place, in the order of intended times."""
        counts, found = dict(self.before), []
        for probe in self.sent["probes"]:
            partition = probe["partition"]
            counts[partition] += 1
            at_ns = seen.first(partition, counts[partition])
            if at_ns is None:
                raise NotSeenError(f"probe {counts[partition]} of partition {partition}")
            found.append((at_ns - probe["intended_ns"]) / 1e6)
        return found


@dataclass(frozen=True)
class Servers:
    """Where to measure.

    Attributes:
        bootstrap: the broker.
        redis_url: the Redis.
        pids: of their processes, by the names under which their CPU time is told.
    """

    bootstrap: str
    redis_url: str
    pids: Mapping[str, int]


class Pipeline:
    """One worker and the reader of its readings, and the loads they are given.

    Args:
        bootstrap: the broker.
        topic: of the events.
        pids: of the processes whose CPU time is told.

    Attributes:
        seen: by place what the reader has seen.
    """

    def __init__(self, bootstrap: str, topic: str, pids: Mapping[str, int]) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._pids = pids
        self._sent = dict.fromkeys(range(_PARTITIONS), 0)
        self.seen = {place: Seen() for place in PLACES}

    async def load(self, plan: Plan) -> Run:
        """Send a plan's events and wait until all its probes are published."""
        before = dict(self._sent)
        arguments = (
            f"--bootstrap={self._bootstrap}",
            f"--topic={self._topic}",
            f"--rate={plan.rate}",
            f"--seconds={plan.seconds}",
            f"--partitions={plan.partitions}",
        )
        generator = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.load",
            *arguments,
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        if generator.stdout is None:
            raise AssertionError("it was started with a pipe")
        await generator.stdout.readline()  # SENDING, or nothing if it failed
        cpu = cpu_s(self._pids)
        printed = await generator.stdout.read()
        spent = spent_s(cpu, cpu_s(self._pids))
        if await generator.wait():
            raise SystemExit(f"the load generator failed with {generator.returncode}")
        sent = json.loads(printed)
        spent["generator"] = sent["cpu_s"]
        for partition, probes in plan.probes().items():
            self._sent[partition] += probes
        await self.caught_up()
        return Run(plan, sent, before, spent)

    async def caught_up(self) -> None:
        """Wait until everything that was sent is published in both places.

        Raises:
            NotSeenError: it takes too long.
        """
        try:
            async with asyncio.timeout(_CAUGHT_UP_S):
                while any(  # noqa: ASYNC110 - the reader's lines come meanwhile
                    seen.last(partition) < count
                    for seen in self.seen.values()
                    for partition, count in self._sent.items()
                ):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            last = {place: dict(seen.counts) for place, seen in self.seen.items()}
            shown = {p: {n: c[-1] for n, c in by.items() if c} for p, by in last.items()}
            raise NotSeenError(f"sent {self._sent}, seen {shown}") from None

    async def follow(self, printed: asyncio.StreamReader) -> None:
        """Take what the reader prints, until it ends."""
        while line := await printed.readline():
            place, partition, n, at_ns = line.split()
            self.seen[place.decode()].add(int(partition), int(n), int(at_ns))


@asynccontextmanager
async def pipeline(
    servers: Servers, name: str, settings: Settings, folder: Path, warm_up: Plan = _WARM_UP
) -> AsyncIterator[tuple[Pipeline, Path]]:
    """A worker under measurement with topics and keys of its own, and where it writes its times.

    Args:
        servers: where.
        name: begins the names of topics and keys.
        settings: of the worker.
        folder: of its log and its times.
        warm_up: a load before any that is measured.
    """
    env = {
        "CX_KAFKA__BOOTSTRAP": servers.bootstrap,
        "CX_KAFKA__GROUP": name,
        "CX_KAFKA__TOPIC_PREFIX": f"{name}.",
        "CX_KAFKA__READINGS_TOPIC": f"{name}.metrics",
        "CX_KAFKA__PARTITIONS": str(_PARTITIONS),
        "CX_ALERTING__TOPIC": f"{name}.alerts",
        "CX_REDIS__URL": servers.redis_url,
        "CX_REDIS__PREFIX": name,
        "CX_ENGINE__SEGMENTS": json.dumps([["channel"], ["product"]]),
        **settings.environment,
    }
    times = folder / f"{name}.json"
    with Measured(name, ("benchmarks.timed_worker", str(times)), folder, env) as worker:
        await worker.until_said("ready, counting")
        watching = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.watching",
            f"--bootstrap={servers.bootstrap}",
            f"--topic={name}.metrics",
            f"--redis={servers.redis_url}",
            f"--prefix={name}",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        if watching.stdout is None or watching.stdin is None:
            raise AssertionError("it was started with pipes")
        async with asyncio.timeout(60):
            if (said := await watching.stdout.readline()).decode().strip() != READY:
                raise SystemExit(f"the reader ended, or said {said!r}")
        pids = {**servers.pids, "worker": worker.pid, "reader": watching.pid}
        running = Pipeline(servers.bootstrap, f"{name}.survey-response", pids)
        following = asyncio.create_task(running.follow(watching.stdout))
        try:
            await running.load(warm_up)
            yield running, times
        finally:
            watching.stdin.close()
            await watching.wait()
            await following


async def grows_at(running: Pipeline, rate: float) -> bool:
    """Whether latency grows at a rate, twice in turn: a machine may stall once by itself."""
    for _ in range(2):
        run = await running.load(Plan(rate, RAMP_SECONDS, _PARTITIONS))
        late_ms = run.latencies_ms(running.seen["redis"])
        growing = grows([probe["intended_ns"] for probe in run.sent["probes"]], late_ms)
        print(
            f"  {rate:9,.0f} events/s: {'grows' if growing else 'keeps up'}, "
            f"last {late_ms[-1]:,.0f} ms",
            flush=True,
        )
        if not growing:
            return False
    return True


async def saturation(running: Pipeline, first: float) -> float:
    """The highest rate, to a few per cent, at which latency does not grow; prints each step."""
    low, high = 0.0, 0.0
    rate, left = first, BISECTIONS
    while left:
        if await grows_at(running, rate):
            high = rate
        else:
            low = rate
        if low and high:
            rate, left = (low + high) / 2, left - 1
        else:
            rate *= STEP if low else 1 / STEP
    return low


def told(run: Run, running: Pipeline, noted: Mapping[str, Any]) -> dict[str, Any]:
    """What one run showed, ready for JSON."""
    probes = passed(run.sent["probes"], running.seen, run.before, noted)
    from_ns, to_ns = run.span_ns
    handed_late_ms = [probe["late_ns"] / 1e6 for probe in run.sent["probes"]]
    return {
        "rate": run.plan.rate,
        "seconds": run.plan.seconds,
        "partitions": run.plan.partitions,
        "values": [1, len(CHANNELS) + run.plan.partitions, len(PRODUCTS)],
        "probes": len(probes),
        "redis": summary([probe.latency_ms(-2) for probe in probes]),
        "kafka": summary([probe.latency_ms(-1) for probe in probes]),
        "stages": stage_medians(probes),
        "generator_late": summary(handed_late_ms),
        "cpu_s": run.cpu_s,
        "flushes": sum(from_ns <= begun < to_ns for _, _, begun, _ in noted["flushes"]),
        **tick_summary(noted["ticks"], from_ns, to_ns),
    }


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Find saturation, and measure at each level with each of the settings."""
    rows: list[dict[str, Any]] = []
    rate = options.saturation
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedKafka() as kafka,
        EmbeddedRedis(appendonly=True) as redis,
    ):
        pids = {"Kafka": kafka.pid, "Redis": redis.pid}
        servers = Servers(kafka.bootstrap, redis.url, pids)
        for number, settings in enumerate(SETTINGS[: options.settings]):
            print(settings, flush=True)
            name = f"latency{number}"
            async with pipeline(servers, name, settings, Path(folder)) as (running, times):
                rate = rate or await saturation(running, FIRST_RATE)
                runs = [
                    (level, await running.load(Plan(rate * level, options.seconds, _PARTITIONS)))
                    for _ in range(options.rounds)
                    for level in LEVELS
                ]
            noted = json.loads(times.read_text(encoding="utf-8"))
            for level, run in runs:
                about = {"settings": str(settings), "level": level, **asdict(settings)}
                rows.append({**about, **told(run, running, noted)})
                print(line(rows[-1]), flush=True)
    return {"saturation": rate, "cores": os.cpu_count(), "rows": rows}


def line(row: Mapping[str, Any]) -> str:
    """A row for people."""
    shown = f"  {row['level']:4.0%} {row['rate']:8,.0f}/s"
    for place in PLACES:
        shown += f"  {place}" + "".join(f" {ms:6.0f}" for ms in row[place].values())
    used = ", ".join(f"{name} {s / row['seconds']:.2f}" for name, s in row["cpu_s"].items())
    stages = ", ".join(f"{stage} +{ms:.0f}" for stage, ms in row["stages"].items())
    return f"{shown} ms\n       {stages} ms; cores: {used}"


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load")
    parser.add_argument("--rounds", type=int, default=1, help="loads of each level")
    parser.add_argument(
        "--settings", type=int, default=len(SETTINGS), help="of which so many, from the first"
    )
    parser.add_argument("--saturation", type=float, help="events a second: spares the ramp")
    parser.add_argument("--out", type=Path, default=Path("bench-results/latency.json"))
    options = parser.parse_args()
    print("percentiles 50, 95, 99, 99.9 and the most, from the intended time of sending")
    found = asyncio.run(measure(options))
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"saturation {found['saturation']:,.0f} events/s; written to {options.out}")


if __name__ == "__main__":
    main()
