"""A reading's fields, as a dict and as the text that goes to readers: the same to the last byte.

A tick of thousands of readings is written as text at once. What they share is written once: a
metric's beginning, a segment, a window's times.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from processor.core.estimate import Estimate
from processor.metrics.intervals import CONFIDENCE, differs
from processor.metrics.registry import Metric
from schemas.readings import parse_segment_key
from schemas.timestamps import format_rfc3339

Row = dict[str, Any]
"""A reading as JSON-ready fields, in the contract's order."""

_SEGMENTS: Final = 65_536
_BOOLS: Final = ("false", "true")


class At(NamedTuple):
    """What all readings of one window share at a tick.

    Attributes:
        window: its name.
        start_ms: its inclusive start.
        end_ms: its exclusive end.
        watermark_ms: the event-time watermark.
        provisional: whether late events may still change it.
        low_sample_under: fewer observations than this are flagged.
    """

    window: str
    start_ms: int
    end_ms: int
    watermark_ms: int
    provisional: bool
    low_sample_under: int


class Reading(NamedTuple):
    """What a metric says of a window and segment.

    Attributes:
        key: as `schemas.readings.reading_key` makes it.
        at: the window.
        metric: the metric.
        series: the segment's key.
        currency: of a metric in money, else ``None``.
        now: of the window.
        before: of the window before, as far as it may be compared.
        incomplete: events of the window may not be counted.
    """

    key: str
    at: At
    metric: Metric
    series: str
    currency: str | None
    now: Estimate
    before: Estimate
    incomplete: bool

    def row(self, revision: int) -> Row:
        """Its fields."""
        metric, at, now, before = self.metric, self.at, self.now, self.before
        row: Row = {
            "metric": metric.name,
            "window": at.window,
            "segment": segment(self.series),
        }
        if self.currency is not None:
            row["currency"] = self.currency
        row.update(
            value=now.value,
            unit=metric.unit,
            n=now.n,
            low=now.low,
            high=now.high,
            confidence=CONFIDENCE if metric.interval else None,
            low_sample=now.n < at.low_sample_under,
            window_start=_time(max(0, at.start_ms)),
            window_end=_time(at.end_ms),
            previous=before.value,
            change=_change(now, before),
            significant=differs(now, before),
            provisional=at.provisional,
            incomplete=self.incomplete,
            revision=revision,
            as_of=_time(at.watermark_ms),
        )
        return row

    def text(self, revision: int) -> str:
        """The JSON of `row`, without spaces."""
        metric, at, now, before = self.metric, self.at, self.now, self.before
        difference = differs(now, before)
        currency = "" if self.currency is None else f'"currency":"{self.currency}",'
        return (
            f"{_beginning(metric.name, at.window)}{_segment_text(self.series)},{currency}"
            f'"value":{_number(now.value)},{_unit(metric.unit.value)}{_number(now.n)},'
            f'"low":{_number(now.low)},"high":{_number(now.high)},'
            f'"confidence":{_CONFIDENCE if metric.interval else "null"},'
            f'"low_sample":{_BOOLS[now.n < at.low_sample_under]},{_times(at)}'
            f'{_number(before.value)},"change":{_number(_change(now, before))},'
            f'"significant":{"null" if difference is None else _BOOLS[difference]},'
            f'"provisional":{_BOOLS[at.provisional]},"incomplete":{_BOOLS[self.incomplete]},'
            f'"revision":{revision},"as_of":"{_time(at.watermark_ms)}"}}'
        )


def as_json(row: Row) -> str:
    """Fields as JSON, without spaces."""
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False)


@lru_cache(_SEGMENTS)
def segment(series: str) -> dict[str, str]:
    """The dimension values of a series; shared, so nobody changes them."""
    return parse_segment_key(series)


@lru_cache(_SEGMENTS)
def _segment_text(series: str) -> str:
    return as_json(parse_segment_key(series))


@lru_cache(1024)
def _beginning(metric: str, window: str) -> str:
    return f'{as_json({"metric": metric, "window": window})[:-1]},"segment":'


@lru_cache(64)
def _unit(unit: str) -> str:
    return f'"unit":"{unit}","n":'


@lru_cache(64)  # of each window, for as long as a tick takes
def _times(at: At) -> str:
    start, end = _time(max(0, at.start_ms)), _time(at.end_ms)
    return f'"window_start":"{start}","window_end":"{end}","previous":'


@lru_cache(256)  # a tick's readings share their times
def _time(ms: int) -> str:
    return format_rfc3339(ms)


def _change(now: Estimate, before: Estimate) -> float | None:
    if now.value is None or before.value is None:
        return None
    return now.value - before.value


_WRITERS: Final[dict[type, Callable[[Any], str]]] = {
    int: int.__repr__,
    float: float.__repr__,
    type(None): lambda _: "null",
}


def _number(value: float | None) -> str:
    return _WRITERS.get(type(value), json.dumps)(value)


_CONFIDENCE: Final = _number(CONFIDENCE)
