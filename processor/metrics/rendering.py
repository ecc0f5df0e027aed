"""A reading's fields, as a dict and as the text that goes to readers: the same to the last byte.

A tick of thousands of readings is written as text at once. What they share is written once: a
metric's beginning, a segment, a window's times.
"""

import json
from dataclasses import dataclass, field
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
_NULL: Final = "null"


class _Frame(NamedTuple):
    """The parts of a text that all readings of a window and metric share, in their order."""

    beginning: str
    unit: str
    confidence: str
    times: str
    provisional: str
    as_of: str


@dataclass(slots=True)
class At:
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
    _frames: dict[str, _Frame] = field(default_factory=dict, init=False, repr=False, compare=False)

    def frame(self, metric: Metric) -> _Frame:
        """What the texts of a metric's readings share."""
        found = self._frames.get(metric.name)
        if found is None:
            named = as_json({"metric": metric.name, "window": self.window})
            start, end = _time(max(0, self.start_ms)), _time(self.end_ms)
            found = self._frames[metric.name] = _Frame(
                f'{named[:-1]},"segment":',
                f',"unit":"{metric.unit.value}","n":',
                f',"confidence":{CONFIDENCE if metric.interval else _NULL},"low_sample":',
                f',"window_start":"{start}","window_end":"{end}","previous":',
                f',"provisional":{_BOOLS[self.provisional]},"incomplete":',
                f',"as_of":"{_time(self.watermark_ms)}"}}',
            )
        return found


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
        at, now, before = self.at, self.now, self.before
        value, n, low, high = now[:4]
        previous, change, difference = before.value, _change(now, before), differs(now, before)
        frame = at.frame(self.metric)
        currency = "" if self.currency is None else f',"currency":"{self.currency}"'
        # Numbers are ints and floats, whose JSON is their repr.
        return (
            f"{frame.beginning}{_segment_text(self.series)}{currency}"
            f',"value":{_NULL if value is None else repr(value)}{frame.unit}{n}'
            f',"low":{_NULL if low is None else repr(low)}'
            f',"high":{_NULL if high is None else repr(high)}'
            f"{frame.confidence}{_BOOLS[n < at.low_sample_under]}"
            f"{frame.times}{_NULL if previous is None else repr(previous)}"
            f',"change":{_NULL if change is None else repr(change)}'
            f',"significant":{_NULL if difference is None else _BOOLS[difference]}'
            f"{frame.provisional}{_BOOLS[self.incomplete]}"
            f',"revision":{revision}{frame.as_of}'
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


@lru_cache(256)  # a tick's readings share their times
def _time(ms: int) -> str:
    return format_rfc3339(ms)


def _change(now: Estimate, before: Estimate) -> float | None:
    if now.value is None or before.value is None:
        return None
    return now.value - before.value
