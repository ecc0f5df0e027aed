"""Rows of readings as they are compared: where one belongs, and what it says."""

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from schemas.readings import reading_key
from schemas.timestamps import parse_rfc3339

Row = Mapping[str, Any]

NUMBERS: Final = ("value", "low", "high", "previous", "change")
"""The fields that a tolerance is for: never what was counted, flags or times."""

TIMES: Final = ("window_start", "window_end", "as_of")
ALIGNING: Final = frozenset({"metric", "window", "segment", "currency", "window_end"})
"""Say which row it is; rows that differ in one of these are not of each other."""

_FLAGS: Final = ("low_sample", "provisional", "incomplete")
_COUNTS: Final = ("n", "revision")
_PERCENT: Final = 100


class NotAReading(ValueError):  # noqa: N818 - what it is
    """A row that cannot be placed; the message says why."""


class Placed(NamedTuple):
    """A row as it is sorted to be compared.

    Attributes:
        key: of its series.
        end_ms: the end of its window.
        place: where it stands in its set, from 1.
        content: the row, or the bytes of its JSON; the same content is the same row.
    """

    key: str
    end_ms: int
    place: int
    content: Any


def place(row: Row, number: int, content: Any = None) -> Placed:
    """Find out where a row belongs, and that it can be a reading.

    Args:
        row: the fields.
        number: its place in its set.
        content: what is kept of it; the row itself by default.

    Raises:
        NotAReading: a field that is needed is missing, or one is of another kind.
    """
    try:
        metric, window, segment, end = (
            row[name] for name in ("metric", "window", "segment", "window_end")
        )
        row["value"]
    except KeyError as error:
        raise NotAReading(f"a reading has the field {error.args[0]!r}") from None
    except TypeError:
        raise NotAReading("a reading is a JSON object") from None
    currency = row.get("currency")
    _require(isinstance(metric, str) and metric, "metric must be a name")
    _require(isinstance(window, str) and window, "window must be a duration such as 24h")
    _require(currency is None or isinstance(currency, str), "currency must be a code such as EUR")
    _require(
        isinstance(segment, Mapping) and all(isinstance(v, str) for v in segment.values()),
        "segment must be an object of strings",
    )
    for name in NUMBERS:
        number_or_null = row.get(name)
        _require(number_or_null is None or _is_number(number_or_null), f"{name} must be a number")
    for name in _COUNTS:
        _require(_is_number(row.get(name, 0)), f"{name} must be a whole number")
    for name in _FLAGS:
        _require(isinstance(row.get(name, False), bool), f"{name} must be true or false")
    for name in TIMES:
        _require(_is_time(row.get(name, end)), f"{name} must be an RFC 3339 date-time")
    key = reading_key(metric, window, segment, currency)
    return Placed(key, parse_rfc3339(end), number, row if content is None else content)


def _require(condition: object, message: str) -> None:
    if not condition:
        raise NotAReading(message)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _is_time(value: Any) -> bool:
    try:
        parse_rfc3339(value)
    except (TypeError, ValueError):
        return False
    return True


def normal(name: str, value: Any) -> Any:
    """A value for ``==``, as JSON means it: 1 is 1.0 and not true; a time is its instant."""
    if name in TIMES and isinstance(value, str):
        return parse_rfc3339(value)
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
