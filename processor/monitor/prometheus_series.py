"""Which series are exported, so that there are not more than a Prometheus likes.

A metric has the readings of its whole first, then those of segments, by the configured sets and
within a set by the segment's key, all windows of one segment together. What is beyond the limit is
left out and counted. The order depends on names alone, so the same series stay from page to page.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas.readings import parse_segment_key

_PARTS: Final = 3
_PARTS_OF_MONEY: Final = 4


@dataclass(frozen=True, slots=True)
class Series:
    """One reading's series.

    Attributes:
        key: the reading's key.
        metric: its metric.
        labels: what tells it from others of the metric.
        order: what it is sorted by.
    """

    key: str
    metric: str
    labels: Mapping[str, str]
    order: tuple[Any, ...]


Choice = tuple[list[Series], dict[str, int]]
"""Series to export, and by metric how many were left out."""


def choose_series(
    keys: Iterable[str],
    *,
    metrics: Collection[str],
    windows: Sequence[str],
    segment_sets: Sequence[Sequence[str]],
    most: int,
) -> Choice:
    """What to export of the readings that there are.

    Args:
        keys: of all readings.
        metrics: those in use: what was published before is not exported.
        windows: in order; others are not exported.
        segment_sets: dimensions that are segmented by, in order; others are not exported.
        most: series a metric.

    Returns:
        The series, by metric; and by metric how many were left out.
    """
    places = {"": 0} | {_names(names): place for place, names in enumerate(segment_sets, 1)}
    spans = {window: place for place, window in enumerate(windows)}
    found: dict[str, list[Series]] = {name: [] for name in metrics}
    for key in keys:
        series = _series(key, places, spans)
        if series is not None and series.metric in found:
            found[series.metric].append(series)
    chosen: list[Series] = []
    left_out: dict[str, int] = {}
    for name, of_metric in found.items():
        of_metric.sort(key=lambda series: series.order)
        chosen += of_metric[:most]
        left_out[name] = max(0, len(of_metric) - most)
    return chosen, left_out


def _series(key: str, places: Mapping[str, int], spans: Mapping[str, int]) -> Series | None:
    parts = key.split("|")
    if len(parts) not in {_PARTS, _PARTS_OF_MONEY} or parts[1] not in spans:
        return None
    metric, window, segment = parts[:_PARTS]
    values = parse_segment_key(segment)
    dimensions = _names(values)
    if dimensions not in places:
        return None
    currency = parts[_PARTS] if len(parts) == _PARTS_OF_MONEY else ""
    labels = {"window": window, "segment": segment, "dimensions": dimensions}
    labels |= {f"dim_{name}": value for name, value in values.items()}
    if currency:
        labels["currency"] = currency
    return Series(key, metric, labels, (places[dimensions], segment, currency, spans[window]))


def _names(dimensions: Iterable[str]) -> str:
    return ",".join(sorted(dimensions))
