"""Simulated time: timestamps as text, and arrivals that follow the day's rhythm."""

import math
from datetime import UTC, datetime
from typing import Final

from processor.simulation.chance import EXPONENTIAL, Chance

_HOURLY: Final = (
    0.72, 0.66, 0.62, 0.62, 0.66, 0.74, 0.84, 0.94, 1.04, 1.12, 1.17, 1.19,
    1.18, 1.16, 1.15, 1.14, 1.13, 1.14, 1.17, 1.20, 1.18, 1.08, 0.94, 0.81,
)  # fmt: skip
"""How busy each hour (UTC) is: a quiet night, a midday and an evening peak."""

_DAY_MS: Final = 86_400_000
_STEP_MS: Final = 60_000
_HOUR_MS: Final = 3_600_000
# fsum, here and below: what sum() returns for floats depends on the Python version.
_MEAN: Final = math.fsum(_HOURLY) / len(_HOURLY)


class Timestamps:
    """Writes epoch milliseconds as RFC 3339; most calls fall into the second of the last."""

    __slots__ = ("_prefix", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._prefix = ""

    def __call__(self, at_ms: int) -> str:
        """Returns for example ``2026-03-01T09:30:00.250Z``."""
        second, millis = divmod(at_ms, 1000)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._prefix}.{millis:03d}Z"


def rhythm(at_ms: float) -> float:
    """Returns how busy an instant is relative to the day's mean, which is 1.

    Linear between the hours, so that no step shows in a graph.
    """
    hour, within = divmod(at_ms % _DAY_MS, _HOUR_MS)
    here, there = _HOURLY[int(hour)], _HOURLY[(int(hour) + 1) % 24]
    return (here + (there - here) * (within / _HOUR_MS)) / _MEAN


def mean_rhythm(start_ms: int, duration_s: float) -> float:
    """Returns the mean of :func:`rhythm` over a span, sampled at 1,000 points."""
    points = 1000
    step_ms = duration_s * 1000 / points
    samples = (rhythm(start_ms + (index + 0.5) * step_ms) for index in range(points))
    return math.fsum(samples) / points


class Arrivals:
    """A Poisson-like process: exponential gaps at a rate that follows the day.

    Args:
        chance: where the gaps come from.
        rate: mean events per second of event time, over the span (or the day, without an end).
        start_ms: epoch milliseconds.
        duration_s: the span, or ``None`` for no end.
        daily_rhythm: false for a constant rate.
    """

    __slots__ = ("_chance", "_elapsed_ms", "_gap_ms", "_mean_gap_ms", "_next_step_ms", "_start_ms")

    def __init__(
        self,
        chance: Chance,
        *,
        rate: float,
        start_ms: int,
        duration_s: float | None,
        daily_rhythm: bool,
    ) -> None:
        self._chance = chance
        self._start_ms = start_ms
        # A minute at night asked for at 1,000 events/s shall have 60,000, not the night's share.
        span_mean = mean_rhythm(start_ms, duration_s) if daily_rhythm and duration_s else 1.0
        self._mean_gap_ms = 1000 / rate * span_mean
        self._gap_ms = self._mean_gap_ms
        self._elapsed_ms = 0.0  # from the start: epoch floats would round small gaps
        self._next_step_ms = 0.0 if daily_rhythm else math.inf

    def next_ms(self) -> float:
        """Returns the next arrival, epoch milliseconds with a fraction."""
        if self._elapsed_ms >= self._next_step_ms:
            self._gap_ms = self._mean_gap_ms / rhythm(self._start_ms + self._elapsed_ms)
            self._next_step_ms = self._elapsed_ms + _STEP_MS
        self._elapsed_ms += self._gap_ms * self._chance.quantile(EXPONENTIAL)
        return self._start_ms + self._elapsed_ms
