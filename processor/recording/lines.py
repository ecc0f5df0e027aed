"""A record's value as one line of a log, or why it cannot be one."""

import base64
import json
from enum import StrEnum
from typing import Any, Final

from pydantic_core import from_json

from schemas.events import EventType

_TYPES: Final = frozenset(EventType)


class Reason(StrEnum):
    """Why a record is not in the log."""

    NO_VALUE = "no_value"
    """A tombstone, or no bytes at all."""
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    WRONG_TOPIC = "wrong_topic"
    """An event of another type than its topic's. A worker refuses it; a log has one place for all
    types, so there it would be counted."""


def as_line(value: bytes | None, event_type: EventType) -> bytes | Reason:
    """The value as it is, or with spaces for line ends, without a line end of its own.

    JSON has line ends only between its tokens, where a space means the same; inside a string they
    are escaped. So nothing else of the value has to be touched, and its length stays.

    Args:
        value: as it stands in Kafka.
        event_type: of the topic.

    Examples:
        >>> value = b'{"score":' + bytes([10]) + b' 9}'
        >>> as_line(value, EventType.PURCHASE)
        b'{"score":  9}'
    """
    if not value:
        return Reason.NO_VALUE
    try:
        parsed = from_json(value)  # as the validators read it
    except ValueError:
        return _why_not_json(value)
    if isinstance(parsed, dict):
        named = parsed.get("type")
        if isinstance(named, str) and named != event_type and named in _TYPES:
            return Reason.WRONG_TOPIC
    if b"\n" in value or b"\r" in value:
        return value.replace(b"\n", b" ").replace(b"\r", b" ")
    return value


def _why_not_json(value: bytes) -> Reason:
    try:
        value.decode()
    except UnicodeDecodeError:
        return Reason.NOT_UTF8
    return Reason.NOT_JSON


def reject_line(record: Any, reason: Reason) -> bytes:
    """A line of a rejects file: where the record stands, why it is there, and all its bytes."""
    fields = {
        **_position(record),
        "reason": reason.value,
        "key": _base64(record.key),
        "value": _base64(record.value),
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def position_line(record: Any) -> bytes:
    """A line of a positions file: where the line of the same number comes from."""
    return json.dumps(_position(record), separators=(",", ":")).encode()


def _position(record: Any) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
    }


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
