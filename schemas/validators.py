"""Validation of raw records: a fast path that only says no, and a slow one that says why.

validate = fast_validator(EventType.SESSION)
try:
    record = validate(raw)
except pydantic.ValidationError:
    refusal = explain(EventType.SESSION, raw)
"""

from schemas.errors import ErrorCode, InvalidEvent
from schemas.explanation import DEFAULT_MAX_BYTES, explain
from schemas.fast import fast_validator

__all__ = ["DEFAULT_MAX_BYTES", "ErrorCode", "InvalidEvent", "explain", "fast_validator"]
