"""Published readings against the counts of the log."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from processor.core.config import EngineConfig
from processor.metrics.catalogue import CATALOGUE
from schemas.readings import segment_key
from schemas.timestamps import parse_rfc3339
from tests.harness.expected import ExpectedCounts

Row = Mapping[str, Any]
Counts = Mapping[str, int]


def _nps(counts: Counts) -> tuple[int, int]:
    scores = {score: counts.get(f"nps.{score}", 0) for score in range(11)}
    of_five = {score: counts.get(f"nps5.{score}", 0) for score in range(1, 6)}
    promoters = scores[9] + scores[10] + of_five[5]
    detractors = sum(scores[s] for s in range(7)) + sum(of_five[s] for s in (1, 2, 3))
    return promoters - detractors, sum(scores.values()) + sum(of_five.values())


def _csat(counts: Counts) -> tuple[int, int]:
    satisfied = sum(counts.get(f"csat5.{s}", 0) for s in (4, 5))
    satisfied += sum(counts.get(f"csat10.{s}", 0) for s in (8, 9, 10))
    return satisfied, sum(n for measure, n in counts.items() if measure.startswith("csat"))


_NEVER_WRONG: Final[Mapping[str, Callable[[Counts], tuple[int, int]]]] = {
    "nps": _nps,
    "csat": _csat,
    "ctr": lambda counts: (counts.get("clicks", 0), counts.get("impressions", 0)),
    "bounce_rate": lambda counts: (
        counts.get("session.bounced", 0),
        counts.get("session.viewed", 0),
    ),
}
"""Numerator and denominator of the four that must never be wrong, written out once more."""


def differences(
    rows: Mapping[str, Row], expected: ExpectedCounts, clock_ms: int, config: EngineConfig
) -> list[str]:
    """What the rows say otherwise than the log, a line each; none where all are right.

    A reading holds until it is said anew, so each is compared over the window that ends at the
    clock. Over the window that it names it held for the events that had come by then: a late one,
    or a session that closes later, may fall into it when it has slid past.

    Args:
        rows: readings by key, all of one tick.
        expected: the counters of the log.
        clock_ms: the event clock of that tick.
        config: the windows.
    """

    @cache
    def window(series: str, start_ms: int, end_ms: int) -> Counter[str]:
        return expected.window(series, start_ms, end_ms)

    windows = {window.name: window for window in config.windows}
    found = []
    for key, row in rows.items():
        named_end_ms = parse_rfc3339(row["window_end"])
        pane_ms, size_ms = windows[row["window"]].pane_ms, windows[row["window"]].size_ms
        end_ms = clock_ms - clock_ms % pane_ms + pane_ms
        assert parse_rfc3339(row["window_start"]) == max(0, named_end_ms - size_ms), row
        assert named_end_ms <= end_ms, row
        assert named_end_ms % pane_ms == 0, row
        series = segment_key(row["segment"])
        now = _estimate(row, window(series, end_ms - size_ms, end_ms))
        before = _estimate(row, window(series, end_ms - 2 * size_ms, end_ms - size_ms))
        wanted = {**now, "previous": before["value"]}
        said = {field: row[field] for field in wanted}
        if said != wanted:
            found.append(f"{key} until {end_ms} (named {named_end_ms}): {said} != {wanted}")
    return found


def _estimate(row: Row, counts: Counter[str]) -> dict[str, Any]:
    metric, currency = CATALOGUE[row["metric"]], row.get("currency")
    estimate = metric.compute_for(counts, currency) if currency else metric.compute(counts)
    if row["metric"] in _NEVER_WRONG:
        part, whole = _NEVER_WRONG[row["metric"]](counts)
        assert (estimate.value, estimate.n) == (100 * part / whole if whole else None, whole)
    return {
        "value": estimate.value,
        "n": estimate.n,
        "low": estimate.low,
        "high": estimate.high,
    }
