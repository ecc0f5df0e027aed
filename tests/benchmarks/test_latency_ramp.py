"""The ramp finds the rate at which a backlog begins to grow, and is not led astray by one stall."""

import itertools
from collections.abc import Mapping
from typing import cast

import pytest

from benchmarks.latencies import Seen
from benchmarks.latency import BISECTIONS, STEP, Pipeline, Run, saturation
from benchmarks.load import Plan

SECOND = 1_000_000_000


class Backlogged:
    """A pipeline that counts so many events a second and no more; some loads meet a stall."""

    def __init__(self, most: float, stalls: Mapping[int, float] | None = None) -> None:
        self.seen: dict[str, Seen] = {}
        self._most = most
        self._stalls = stalls or {}
        self._loads = itertools.count()

    async def load(self, plan: Plan) -> Run:
        """What the generator and the reader would tell of 200 probes of one partition."""
        stall_s = self._stalls.get(next(self._loads), 0.0)
        growth = max(0.0, plan.rate / self._most - 1) + stall_s
        seen, probes = Seen(), []
        for number in range(200):
            at_s = plan.seconds * number / 200
            probes.append({"partition": 0, "intended_ns": int(at_s * SECOND)})
            seen.add(0, number + 1, int((at_s + 0.1 + growth * at_s) * SECOND))
        self.seen = {"redis": seen}
        return Run(plan, {"probes": probes}, {0: 0}, {})


@pytest.mark.parametrize("most", [3_000.0, 37_000.0, 110_000.0])
async def test_saturation_is_found_from_either_side(most: float) -> None:
    found = await saturation(cast("Pipeline", Backlogged(most)), first=10_000)
    # Growth of less than a twentieth is not told from noise.
    assert most * (1 - (STEP - 1) / 2**BISECTIONS) * 0.95 < found < most * 1.06


async def test_one_stall_is_not_saturation() -> None:
    stalled = Backlogged(37_000, stalls={0: 0.5, 3: 0.5})
    found = await saturation(cast("Pipeline", stalled), first=10_000)
    assert found > 0.85 * 37_000
