"""Why a record was refused: one exception, one list of codes.

The codes and texts end up in the headers of dead letters, so they are for the person who runs the
producer: they name the field and the rule, and never repeat what the record said.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """What kind of rule a record broke; the header `cx.error.code` of its dead letter."""

    EMPTY_VALUE = "empty_value"
    """No bytes at all: a tombstone or an empty record."""
    TOO_LARGE = "too_large"
    INVALID_JSON = "invalid_json"
    """Not JSON, not UTF-8, or nested deeper than the parser goes (200 levels)."""
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    INVALID_FIELD = "invalid_field"
    WRONG_TYPE = "wrong_type"
    """A well-known event on the topic of another type."""
    TOO_FAR_AHEAD = "too_far_ahead"
    """`occurred_at` is later than the clock plus the allowed skew (decided by the caller)."""
    TOO_LATE = "too_late"
    """Older than the retention of the longest window (decided by the caller)."""


class InvalidEvent(ValueError):  # noqa: N818 - the name of the API; it is a refusal, not a failure
    """A record that breaks a rule of the contract.

    Attributes:
        code: an `ErrorCode`, as its plain text.
        field: the field in the contract's names (`score`, `dimensions.channel`), "" where none.
        message: one sentence a producer can act on; holds no value of the record.
    """

    def __init__(self, code: str, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.code = str(code)
        self.field = field
        self.message = message

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling, which would otherwise call the constructor with the message alone."""
        return _rebuild, (self.code, self.message, self.field)


def _rebuild(code: str, message: str, field: str) -> InvalidEvent:
    return InvalidEvent(code, message, field=field)
