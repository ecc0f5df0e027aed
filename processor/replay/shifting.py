"""A log moved in time, as if it happened at another: all times of all events by the same amount.

The first event that takes part is moved to the time asked for, and every other by as much. Moved
are ``occurred_at``, and ``opened_at`` of support tickets: the only times that events have.
Durations, ids and everything else stay; so do lines that are not valid. Moved times are written
with ``Z`` and milliseconds.

What is selected by time, and what is refused as too far ahead, is decided by the times as they
stand in the log.
"""

import re
from collections.abc import Iterable, Iterator
from json import JSONDecoder
from json.decoder import scanstring  # type: ignore[attr-defined]  # known to typeshed by no name
from typing import Final

from processor.replay.selection import PlacedLine
from schemas.timestamps import format_rfc3339, parse_rfc3339

TIME_FIELDS: Final = ("occurred_at", "opened_at")
"""The fields of events that are times."""

_NAME: Final = b'"occurred_at"'
_TIME: Final = re.compile(_NAME + rb'[ \t\r\n]*:[ \t\r\n]*("([^"]*)")')
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_value_at = JSONDecoder().raw_decode


class ShiftError(ValueError):
    """A log cannot be moved so far: one of its times would be before 1970 or after 9998."""


class Shifter:
    """Moves the events of a run.

    Args:
        to_ms: when the first event shall have happened.

    Attributes:
        shift_ms: what is added to every time; 0 until the first event has come.
    """

    def __init__(self, to_ms: int) -> None:
        self.shift_ms = 0
        self._to_ms = to_ms
        self._is_set = False

    def shifted(self, lines: Iterable[PlacedLine]) -> Iterator[PlacedLine]:
        """The lines, moved; those that are not valid as they are.

        Raises:
            ShiftError: a moved time is before 1970 or after 9998.
        """
        for line in lines:
            if not line.is_valid:
                yield line._replace(time_ms=line.time_ms + self.shift_ms)
                continue
            if not self._is_set:
                self.shift_ms, self._is_set = self._to_ms - line.time_ms, True
            yield line._replace(
                time_ms=line.time_ms + self.shift_ms, raw=moved(line.raw, self.shift_ms)
            )


def moved(raw: bytes, shift_ms: int) -> bytes:
    """A valid event's line with its times moved; every other byte is as it was.

    Raises:
        ShiftError: a moved time is before 1970 or after 9998.

    >>> moved(b'{"type":"session", "occurred_at":"2026-03-01T13:00:00+01:00"}', 500)
    b'{"type":"session", "occurred_at":"2026-03-01T12:00:00.500Z"}'
    """
    pieces: list[bytes] = []
    end = 0
    for begin, stop, text in _times_in(raw):
        pieces += (raw[end:begin], b'"%s"' % _moved(text, shift_ms).encode())
        end = stop
    return b"".join((*pieces, raw[end:]))


def _moved(text: str, shift_ms: int) -> str:
    try:
        return format_rfc3339(parse_rfc3339(text) + shift_ms)
    except ValueError:
        raise ShiftError("the log cannot be moved so far: times are from 1970 to 9998") from None


def _times_in(raw: bytes) -> Iterable[tuple[int, int, str]]:
    """Where the times of a valid event stand, with their quotes, and what they say."""
    # The field is there; where its name stands only once and nothing is escaped, it is that.
    if raw.count(_NAME) == 1 and b"opened_at" not in raw and b"\\" not in raw:
        match = _TIME.search(raw)
        if match is not None:
            return ((*match.span(1), match[2].decode()),)
    return _times_at_top(raw.decode("latin-1"))


def _times_at_top(text: str) -> Iterator[tuple[int, int, str]]:
    """Go over the members of a JSON object; of bytes that are read as one character each."""
    at = _after_space(text, _after_space(text, 0) + 1)
    while text[at] != "}":
        name, at = scanstring(text, at + 1)
        begin = _after_space(text, _after_space(text, at) + 1)
        value, stop = _value_at(text, begin)
        if name in TIME_FIELDS and isinstance(value, str):
            yield begin, stop, value
        at = _after_space(text, stop)
        if text[at] == ",":
            at = _after_space(text, at + 1)


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return at if match is None else match.end()
