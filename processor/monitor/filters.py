"""Which readings somebody wants: metrics, windows and segments, as a query names them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from processor.monitor.rows import Row
from schemas.readings import WHOLE

ANY: Final = "*"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_VALUE_MAX: Final = 64
_PARTS_MAX: Final = 16

_PART: Final = r"[a-z][a-z0-9_]{0,31}:([^,:*]+|\*)"
SEGMENT_PATTERN: Final = rf"^(all|{_PART}(,{_PART})*)$"


class FilterError(ValueError):
    """A query that names what cannot be.

    Attributes:
        field: the parameter.
    """

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.field = parameter


@dataclass(frozen=True, slots=True)
class SegmentFilter:
    """Segments of exactly these dimensions.

    Attributes:
        values: by dimension the value, or ``None`` for any.
    """

    values: tuple[tuple[str, str | None], ...]

    def matches(self, segment: Mapping[str, str]) -> bool:
        """Whether a segment is meant."""
        return len(segment) == len(self.values) and all(
            name in segment and (value is None or segment[name] == value)
            for name, value in self.values
        )


@dataclass(frozen=True, slots=True)
class Filter:
    """Which readings are wanted; without names, all.

    Attributes:
        metrics: names of metrics.
        windows: names of windows.
        segments: any of these.
    """

    metrics: frozenset[str] = field(default=frozenset())
    windows: frozenset[str] = field(default=frozenset())
    segments: frozenset[SegmentFilter] = field(default=frozenset())

    def matches(self, row: Row) -> bool:
        """Whether a row is wanted."""
        return (
            (not self.metrics or row.metric in self.metrics)
            and (not self.windows or row.window in self.windows)
            and (not self.segments or any(s.matches(row.segment) for s in self.segments))
        )


def parse_filter(
    metrics: Iterable[str],
    windows: Iterable[str],
    segments: Iterable[str],
    *,
    known_metrics: Iterable[str],
    known_windows: Iterable[str],
) -> Filter:
    """Read the parameters of a query.

    Args:
        metrics: values of ``metric``, each one name or several with commas.
        windows: values of ``window``, likewise.
        segments: values of ``segment``, each one segment.
        known_metrics: the names that there are.
        known_windows: the names that there are.

    Raises:
        FilterError: there is no such metric or window, or a segment is not one.
    """
    return Filter(
        frozenset(_names("metric", metrics, frozenset(known_metrics))),
        frozenset(_names("window", windows, frozenset(known_windows))),
        frozenset(map(parse_segment, segments)),
    )


def _names(parameter: str, texts: Iterable[str], known: frozenset[str]) -> Iterable[str]:
    for text in texts:
        for name in text.split(","):
            if name not in known:
                raise FilterError(parameter, f"no {parameter} {name!r}")
            yield name


def parse_segment(text: str) -> SegmentFilter:
    """Read one segment: ``all``, ``channel:email``, ``channel:email,product:x`` or ``channel:*``.

    A comma, colon, star or percent sign inside a value is percent-encoded.

    Raises:
        FilterError: it is not a segment.

    Examples:
        >>> parse_segment("channel:a%2Cb").values
        (('channel', 'a,b'),)
    """
    if text == WHOLE:
        return SegmentFilter(())
    values: dict[str, str | None] = {}
    parts = text.split(",")
    if len(parts) > _PARTS_MAX:
        raise FilterError("segment", f"more than {_PARTS_MAX} dimensions")
    for part in parts:
        name, separator, encoded = part.partition(":")
        if not separator or not _NAME.fullmatch(name):
            raise FilterError(
                "segment", f"{part!r} is not a dimension and a value, such as channel:email"
            )
        if name in values:
            raise FilterError("segment", f"{name} stands there twice")
        values[name] = None if encoded == ANY else _value(encoded)
    return SegmentFilter(tuple(sorted(values.items())))


def _value(encoded: str) -> str:
    try:
        value = unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        raise FilterError("segment", f"{encoded!r} is not UTF-8") from None
    if not 1 <= len(value) <= _VALUE_MAX:
        raise FilterError("segment", f"a value has 1 to {_VALUE_MAX} characters")
    if ANY in encoded or ":" in encoded:
        raise FilterError("segment", "a colon or star in a value is percent-encoded twice")
    return value
