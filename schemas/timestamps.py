"""RFC 3339 date-times as integer milliseconds since 1970-01-01T00:00:00Z, and back.

Milliseconds are the resolution of everything behind the contract; finer fractions are truncated.
The parser meets every event, so its common shapes are four dictionary look-ups: events come
nearly in order, and a minute that was converted once serves the thousands that follow.

References:
    RFC 3339, section 5.6 (grammar) and 5.7 (ranges).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

RFC3339_PATTERN = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""The shape of a date-time, for regular expression engines without look-around.

It cannot know the length of a month; `parse_rfc3339` does.
"""

MIN_MS = 0
MAX_MS = 253_370_764_799_999
"""The last millisecond of the year 9998: a day past it must still be a date that Python has."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MINUTE_MS = 60_000
_LEN_MINUTE = len("2026-03-01T12:00")
_LEN_SECOND = len("2026-03-01T12:00:00")

_TEXT = re.compile(RFC3339_PATTERN.removesuffix("$") + r"\Z")
_SECONDS = {f":{second:02}": second * 1000 for second in range(60)}
_FRACTIONS = {f".{ms:03}": ms for ms in range(1000)} | {"": 0}
_ZONES = {"Z": 0, "z": 0}
MS_OF_FRACTION = {f"{text}Z": ms for text, ms in _FRACTIONS.items()}
"""What follows the second of a date-time in UTC, with milliseconds or without: the milliseconds."""
_OFFSETS = {
    f"{sign}{hour:02}:{minute:02}": (-1 if sign == "-" else 1) * (hour * 60 + minute) * _MINUTE_MS
    for sign in "+-"
    for hour in range(24)
    for minute in range(60)
}
_LEN_OFFSET = len("+00:00")

# Minutes already converted. Bounded, because the minutes come from outside.
_minutes: dict[str, int] = {}
_MAX_MINUTES = 65_536


def parse_rfc3339(text: str) -> int:
    """Milliseconds since the epoch of an RFC 3339 date-time.

    Args:
        text: a date-time with seconds and an offset or `Z`, e.g. `2026-03-01T13:00:00.5+01:00`.

    Returns:
        Milliseconds in `[MIN_MS, MAX_MS]`; a finer fraction is truncated.

    Raises:
        ValueError: the text has another shape, names no real date or time (February 30, second
            60), or lies outside the years 1970 to 9998 in UTC. The message holds no part of it.

    Examples:
        >>> parse_rfc3339("2026-03-01T13:00:00.5+01:00")
        1772366400500
    """
    minute = _minutes.get(text[:_LEN_MINUTE])
    second = _SECONDS.get(text[_LEN_MINUTE:_LEN_SECOND])
    zone = _ZONES.get(text[-1:])
    if zone is not None:
        fraction = _FRACTIONS.get(text[_LEN_SECOND:-1])
    else:
        zone = _OFFSETS.get(text[-_LEN_OFFSET:])
        fraction = _FRACTIONS.get(text[_LEN_SECOND:-_LEN_OFFSET])
    if minute is None or second is None or fraction is None or zone is None:
        return _parse_any(text)
    ms = minute + second + fraction - zone
    if not MIN_MS <= ms <= MAX_MS:
        raise ValueError("the date-time must lie in the years 1970 to 9998")
    return ms


def _parse_any(text: str) -> int:
    """Parse a shape or a minute not met before; what is met often is remembered."""
    if _TEXT.match(text) is None:
        raise ValueError("not an RFC 3339 date-time with seconds and an offset or Z")
    head = text[:_LEN_MINUTE]
    try:
        # The local time of the text; its offset is taken off below.
        local = datetime.fromisoformat(head.upper()).replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError("the date-time names a day that its month does not have") from error
    minute = (local - _EPOCH) // _MILLISECOND
    if len(_minutes) >= _MAX_MINUTES:
        _minutes.clear()
    _minutes[head] = minute

    zulu = text[-1] in _ZONES
    zone = 0 if zulu else _OFFSETS[text[-_LEN_OFFSET:]]
    fraction = text[_LEN_SECOND:-1] if zulu else text[_LEN_SECOND:-_LEN_OFFSET]
    millis = int(fraction[1:4].ljust(3, "0")) if fraction else 0
    ms = minute + _SECONDS[text[_LEN_MINUTE:_LEN_SECOND]] + millis - zone
    if not MIN_MS <= ms <= MAX_MS:
        raise ValueError("the date-time must lie in the years 1970 to 9998")
    return ms


def format_rfc3339(ms: int) -> str:
    """Write milliseconds since the epoch as an RFC 3339 date-time in UTC, with milliseconds.

    Raises:
        ValueError: `ms` is outside `[MIN_MS, MAX_MS]`.

    Examples:
        >>> format_rfc3339(1772366400000)
        '2026-03-01T12:00:00.000Z'
    """
    if not MIN_MS <= ms <= MAX_MS:
        raise ValueError(f"{ms} ms is outside the years 1970 to 9998")
    return (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch of an aware datetime, truncated.

    Raises:
        ValueError: `moment` is naive, or outside the years 1970 to 9998.
    """
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError("a datetime without a time zone names no instant")
    ms = (moment - _EPOCH) // _MILLISECOND
    if not MIN_MS <= ms <= MAX_MS:
        raise ValueError("the date-time must lie in the years 1970 to 9998")
    return ms


def from_ms(ms: int) -> datetime:
    """The aware datetime in UTC of milliseconds since the epoch.

    Raises:
        ValueError: `ms` is outside `[MIN_MS, MAX_MS]`.
    """
    if not MIN_MS <= ms <= MAX_MS:
        raise ValueError(f"{ms} ms is outside the years 1970 to 9998")
    return _EPOCH + timedelta(milliseconds=ms)
