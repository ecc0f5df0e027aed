"""Readings of the past: one metric over windows that end one after another."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from processor.core.panes import Window
from processor.core.past import PastPanes, PastWindows
from processor.metrics.asked import Asked, Watching, estimate
from processor.metrics.registry import Metric
from schemas.timestamps import format_rfc3339

Point = dict[str, Any]
"""A reading of the past as JSON-ready fields."""


@dataclass(frozen=True, slots=True)
class Series:
    """What readings are of.

    Attributes:
        metric: of the catalogue in use.
        window: its size and panes.
        key: the segment's key.
        currency: of a metric in money, else ``None``.
    """

    metric: Metric
    window: Window
    key: str
    currency: str | None = None


def points(
    series: Series,
    panes: PastPanes,
    ends_ms: Iterable[int],
    *,
    whole_from_ms: int,
    low_sample_under: int,
) -> tuple[list[Point], Asked]:
    """Readings of windows that end at each of these times.

    Args:
        series: what they are of.
        panes: what is stored of it.
        ends_ms: borders of panes, ascending.
        whole_from_ms: the time from which all events of the metric's types are counted.
        low_sample_under: fewer observations than this are flagged.

    Returns:
        The readings, and what the metric asked for: where something was not read, they are not
        right yet.
    """
    asked = Asked()
    windows = PastWindows(series.window, series.key, panes)
    found: list[Point] = []
    for end_ms in ends_ms:
        counts = Watching(windows.at(end_ms), asked)
        says = estimate(series.metric, series.currency, counts)
        start_ms = max(0, end_ms - series.window.size_ms)
        found.append(
            {
                "window_start": format_rfc3339(start_ms),
                "window_end": format_rfc3339(end_ms),
                "value": says.value,
                "n": says.n,
                "low": says.low,
                "high": says.high,
                "low_sample": says.n < low_sample_under,
                "incomplete": whole_from_ms > start_ms or says.lacks,
            }
        )
    return found, asked
