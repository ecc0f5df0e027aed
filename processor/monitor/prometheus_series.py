"""Which series are exported, so that there are not more than a Prometheus likes.

A metric has the readings of its whole first, then those of segments, by the configured sets and
within a set by the segment's key, all windows of one segment together. What is beyond the limit is
left out and counted. The order depends on names alone, so the same series stay from page to page.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.readings import parse_segment_key

_Order = tuple[int, str, str, int]
"""Place of the set of dimensions, segment, currency, place of the window."""

_PARTS: Final = 3
_PARTS_OF_MONEY: Final = 4


@dataclass(frozen=True, slots=True)
class Series:
    """One reading's series.

    Attributes:
        key: the reading's key.
        metric: its metric.
        labels: what tells it from others of the metric.
    """

    key: str
    metric: str
    labels: Mapping[str, str]


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
    segments: dict[str, _Segment] = {}  # most keys share theirs with others
    found: dict[str, list[tuple[_Order, str]]] = {name: [] for name in metrics}
    for key in keys:
        parts = key.split("|")
        if len(parts) not in {_PARTS, _PARTS_OF_MONEY}:
            continue
        metric, window, text = parts[:_PARTS]
        if metric not in found or window not in spans:
            continue
        segment = segments.get(text) or segments.setdefault(text, _Segment.of(text))
        if segment.dimensions in places:
            currency = parts[_PARTS] if len(parts) == _PARTS_OF_MONEY else ""
            order = places[segment.dimensions], text, currency, spans[window]
            found[metric].append((order, key))
    chosen: list[Series] = []
    left_out: dict[str, int] = {}
    for name, of_metric in found.items():
        of_metric.sort()
        chosen += (
            Series(key, name, segments[text].labels(windows[span], text, currency))
            for (_, text, currency, span), key in of_metric[:most]
        )
        left_out[name] = max(0, len(of_metric) - most)
    return chosen, left_out


@dataclass(frozen=True, slots=True)
class _Segment:
    dimensions: str
    values: Mapping[str, str]

    @classmethod
    def of(cls, text: str) -> "_Segment":
        values = parse_segment_key(text)
        return cls(_names(values), values)

    def labels(self, window: str, text: str, currency: str) -> dict[str, str]:
        labels = {"window": window, "segment": text, "dimensions": self.dimensions}
        labels |= {f"dim_{name}": value for name, value in self.values.items()}
        return labels | ({"currency": currency} if currency else {})


def _names(dimensions: Iterable[str]) -> str:
    return ",".join(sorted(dimensions))
