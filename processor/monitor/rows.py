"""Readings as the API tells them: a row is a reading's fields with its key, state and target."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic_core import to_json

from processor.monitor.targets import level_of
from processor.settings import Target
from schemas.readings import reading_key, segment_key

_LINE_BREAKS: Final = tuple(
    (text.encode(), b"\\u%04x" % ord(text)) for text in ("\u0085", "\u2028", "\u2029")
)

State = Literal["ok", "no_data", "low_sample", "provisional", "incomplete"]


@dataclass(frozen=True, slots=True)
class Row:
    """One reading, as it is told.

    Attributes:
        key: of its series.
        metric: its metric.
        window: its window.
        segment: dimension values it is for.
        series: the segment's key.
        fields: all that is told, JSON-ready.
        json: the same, encoded.
    """

    key: str
    metric: str
    window: str
    segment: Mapping[str, str]
    series: str
    fields: Mapping[str, Any]
    json: bytes


class RowMaker:
    """Makes rows of readings.

    Args:
        targets: what is fair, good and excellent, by metric.
    """

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._targets = targets

    def key(self, reading: Mapping[str, Any]) -> str:
        """The key of a reading's series."""
        return reading_key(
            reading["metric"], reading["window"], reading["segment"], reading.get("currency")
        )

    def row(self, reading: Mapping[str, Any]) -> Row:
        """The row of a reading as it was published."""
        metric, window, segment = reading["metric"], reading["window"], reading["segment"]
        key = self.key(reading)
        target = self._targets.get(metric)
        fields = {
            **reading,
            "key": key,
            "state": state_of(reading),
            "target": None if target is None else level_of(reading["value"], target),
        }
        return Row(key, metric, window, segment, segment_key(segment), fields, encode(fields))


def encode(fields: Mapping[str, Any]) -> bytes:
    """JSON on one line, also for clients that break lines where Unicode would."""
    encoded = to_json(fields)
    for separator, escaped in _LINE_BREAKS:
        if separator in encoded:
            encoded = encoded.replace(separator, escaped)
    return encoded


def state_of(reading: Mapping[str, Any]) -> State:
    """The worst that is to be said of a reading.

    Examples:
        >>> state_of({"value": None, "incomplete": False, "low_sample": True})
        'no_data'
    """
    if reading["incomplete"]:
        return "incomplete"
    if reading["value"] is None:
        return "no_data"
    if reading["low_sample"]:
        return "low_sample"
    return "provisional" if reading["provisional"] else "ok"
