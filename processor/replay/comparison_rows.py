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
_MOST_KEYS: Final = 20_000
_keys: dict[tuple[Any, ...], str] = {}
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
    _check(row)
    try:
        end_ms = parse_rfc3339(end)
    except (TypeError, ValueError):
        raise NotAReading("window_end must be an RFC 3339 date-time") from None
    key = _key(metric, window, segment, currency)
    return Placed(key, end_ms, number, row if content is None else content)


def _check(row: Row) -> None:
    # Written out, a sentence is made only for the row that is wrong: there are millions.
    for name in NUMBERS:
        if (value := row.get(name)) is not None and not _is_number(value):
            raise NotAReading(f"{name} must be a number or null")
    for name in _COUNTS:
        if not _is_number(row.get(name, 0)):
            raise NotAReading(f"{name} must be a number")
    for name in _FLAGS:
        if not isinstance(row.get(name, False), bool):
            raise NotAReading(f"{name} must be true or false")
    for name in TIMES:
        if (value := row.get(name)) is not None and not _is_time(value):
            raise NotAReading(f"{name} must be an RFC 3339 date-time")


def _key(metric: Any, window: Any, segment: Any, currency: Any) -> str:
    """The key of a series; those of the latest are remembered, as their rows often follow."""
    try:
        series = (metric, window, currency, *segment.items())
        found = _keys.get(series)
    except (AttributeError, TypeError):  # no object, or not of strings
        raise NotAReading("segment must be an object of strings") from None
    if found is not None:
        return found
    if not (isinstance(metric, str) and metric):
        raise NotAReading("metric must be a name")
    if not (isinstance(window, str) and window):
        raise NotAReading("window must be a duration such as 24h")
    if not (currency is None or isinstance(currency, str)):
        raise NotAReading("currency must be a code such as EUR")
    if not all(isinstance(value, str) for value in segment.values()):
        raise NotAReading("segment must be an object of strings")
    if len(_keys) >= _MOST_KEYS:
        _keys.clear()
    key = _keys[series] = reading_key(metric, window, segment, currency)
    return key


def _is_number(value: Any) -> bool:
    if type(value) is float:
        return math.isfinite(value)
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
