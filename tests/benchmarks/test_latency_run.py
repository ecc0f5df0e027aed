"""A short load through a real worker, end to end: what is measured is what was counted."""

import json
import time
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.latencies import STAGES, passed, tick_summary
from benchmarks.latency import Servers, Settings, pipeline, told
from benchmarks.load import Plan


@pytest.mark.timeout(120)
async def test_every_probe_is_followed_from_its_intended_time_to_its_reading(
    kafka_bootstrap: str, redis_url: str, topic_prefix: str, tmp_path: Path
) -> None:
    servers = Servers(kafka_bootstrap, redis_url, {})
    name, settings, few = topic_prefix[:-1], Settings(0.1, 0.05), Plan(200, 0.1)
    async with pipeline(servers, name, settings, tmp_path, warm_up=few) as (running, times):
        run = await running.load(Plan(1_000, 1.0))
    noted = json.loads(times.read_text(encoding="utf-8"))
    probes = passed(run.sent["probes"], running.seen, run.before, noted)
    assert len(probes) == sum(run.plan.probes().values()) == 200
    # All clocks are one, so causes are before effects, wherever they were noted.
    inside = [STAGES.index(stage) for stage in ("fetched", "at the agent", "taken", "stored")]
    for probe in probes:
        for earlier, later in pairwise(inside):
            assert probe.at_ns[earlier] <= probe.at_ns[later]
        # Redis has what is stored before the worker is told so: a tick may be ahead of that.
        assert probe.at_ns[STAGES.index("taken")] <= probe.at_ns[STAGES.index("in Redis")]
        assert probe.intended_ns < probe.at_ns[inside[0]]
    row = told(run, running, noted)
    assert row["redis"]["p50"] <= row["redis"]["p99"] <= row["redis"]["max"]
    assert row["cpu_s"].keys() == {"worker", "reader", "generator"}
    # On a busy machine a tick may last longer than the load did, and none have begun within it.
    assert row["ticks"] <= tick_summary(noted["ticks"], 0, time.monotonic_ns())["ticks"]
    assert noted["ticks"]
