"""What a metric says of one window: a value, the observations behind it, and how sure it is."""

from collections.abc import Mapping
from typing import NamedTuple

Counts = Mapping[str, int]
"""Measure name → how much was counted; a measure that is absent is 0."""


class Estimate(NamedTuple):
    """A metric's value over one window, before it is put into a reading.

    Attributes:
        value: the metric in its unit; ``None`` where nothing was observed.
        n: observations behind the value: the denominator of a ratio, the number of values in a
            mean, the count itself for a count.
        low: lower end of the 95 % interval, clipped to the metric's range; ``None`` without one.
        high: upper end, likewise.
        standard_error: half the unclipped interval's width over z (1.96): what two windows'
            intervals are compared by; ``None`` without an interval.
        lacks: whether the window is known to hold more than the value tells of.
    """

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    lacks: bool = False
