"""Why a record was refused, in the contract's terms: the slow path of validation.

It runs only for records that the fast validator refused, so it may parse them twice. It finds the
one model that a record was meant for and names the first rule it breaks. Nothing of the record's
content gets into the message: a value may be free text or an identifier.
"""

from __future__ import annotations

import math
import re
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from schemas.errors import ErrorCode, InvalidEvent
from schemas.event_types import MODELS, EventType
from schemas.fields import DIMENSION_NAME_PATTERN
from schemas.variants import literal_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.models import EventBase

DEFAULT_MAX_BYTES = 65_536

_CHOOSING_FIELDS = ("survey", "action", "scale")
_DIMENSION_NAME = re.compile(DIMENSION_NAME_PATTERN.removesuffix("$") + r"\Z")
_JSON_TYPES: dict[type, str] = {
    bool: "a boolean",
    int: "a number",
    float: "a number with a fraction or exponent",
    str: "a string",
    list: "an array",
    dict: "an object",
    NoneType: "null",
}


def explain(
    event_type: EventType, raw: bytes | None, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> InvalidEvent | None:
    """Say what is wrong with a record on the topic of `event_type`.

    Args:
        event_type: the type that the topic carries.
        raw: the record's value; None is a tombstone.
        max_bytes: larger records are refused unread.

    Returns:
        The first rule that the record breaks, not raised; None where it breaks none.
    """
    try:
        require_event(event_type, raw, max_bytes=max_bytes)
    except InvalidEvent as refusal:
        return refusal
    return None


def require_event(
    event_type: EventType | None, raw: bytes | None, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> EventBase:
    """Validate a record, with a precise error.

    Args:
        event_type: the type that it must have; None for whichever it says it has.
        raw: the record's value.
        max_bytes: larger records are refused unread.

    Returns:
        The event as its public model.

    Raises:
        InvalidEvent: the first rule that the record breaks.
    """
    if not raw:
        raise InvalidEvent(ErrorCode.EMPTY_VALUE, "the record has no value")
    if len(raw) > max_bytes:
        raise InvalidEvent(
            ErrorCode.TOO_LARGE, f"the record has {len(raw)} bytes, at most {max_bytes} are allowed"
        )
    try:
        record = from_json(raw)
    except ValueError as error:
        raise InvalidEvent(ErrorCode.INVALID_JSON, f"the record is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise InvalidEvent(
            ErrorCode.NOT_AN_OBJECT, f"the record must be an object, not {_json_type(record)}"
        )
    model = _choose_model(MODELS[_require_type(event_type, record)], record)
    try:
        return _adapter(model).validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _refusal(model, first) from error


@cache
def _adapter(model: type[EventBase]) -> TypeAdapter[EventBase]:
    return TypeAdapter(model)


def _require_type(expected: EventType | None, record: dict[str, Any]) -> EventType:
    if "type" not in record:
        raise InvalidEvent(ErrorCode.MISSING_FIELD, "type: is required", field="type")
    found = next((known for known in EventType if known.value == record["type"]), None)
    if found is None:
        allowed = [expected] if expected else list(EventType)
        raise InvalidEvent(
            ErrorCode.INVALID_FIELD, f"type: must be {_alternatives(allowed)}", field="type"
        )
    if expected is not None and found is not expected:
        raise InvalidEvent(
            ErrorCode.WRONG_TYPE,
            f"type: must be {expected} on this topic; {found} has the topic {found.topic}",
            field="type",
        )
    return found


def _choose_model(candidates: Sequence[type[EventBase]], record: dict[str, Any]) -> type[EventBase]:
    """Narrow a type's models down to the one that the record was meant for."""
    for field in _CHOOSING_FIELDS:
        if len(candidates) == 1:
            break
        if not all(field in model.model_fields for model in candidates):
            continue
        required = all(model.model_fields[field].is_required() for model in candidates)
        if field in record:
            fitting = [
                model
                for model in candidates
                if any(_same(record[field], value) for value in literal_values(model, field))
            ]
        else:
            fitting = [model for model in candidates if not model.model_fields[field].is_required()]
        if not fitting:
            if field not in record:
                raise InvalidEvent(ErrorCode.MISSING_FIELD, f"{field}: is required", field=field)
            values = {value: None for model in candidates for value in literal_values(model, field)}
            suffix = "" if required else ", or left out"
            raise InvalidEvent(
                ErrorCode.INVALID_FIELD,
                f"{field}: must be {_alternatives(list(values))}{suffix}",
                field=field,
            )
        candidates = fitting
    (model,) = candidates
    return model


def _same(given: object, allowed: object) -> bool:
    """Equality as JSON has it: true is not 1, and 5.0 is not the integer 5."""
    return type(given) is type(allowed) and given == allowed


def _refusal(model: type[BaseModel], error: ErrorDetails) -> InvalidEvent:
    """Put pydantic's first error in the contract's terms."""
    kind = error["type"]
    if not error["loc"]:
        # A rule across fields: these name theirs.
        field = error["ctx"]["field"]
        return InvalidEvent(ErrorCode.INVALID_FIELD, f"{field}: {error['msg']}", field=field)
    path = _safe_path(error["loc"])
    field = ".".join(path)
    if kind == "missing":
        return InvalidEvent(ErrorCode.MISSING_FIELD, f"{field}: is required", field=field)
    message = f"{field}: must be {_rule(model, path)}"
    given = error["input"]
    if kind.endswith("_type") or given is None:
        message += f", not {_json_type(given)}"
    return InvalidEvent(ErrorCode.INVALID_FIELD, message, field=field)


def _safe_path(loc: tuple[int | str, ...]) -> list[str]:
    """The field's path, without the name of a dimension where that name is not a valid one."""
    match [str(part) for part in loc]:
        # pydantic marks an error about a key with one more part.
        case ["dimensions", _, _]:
            return ["dimensions"]
        case ["dimensions", name] if not _DIMENSION_NAME.match(name):
            return ["dimensions"]
        case path:
            return path


def _rule(model: type[BaseModel], path: Sequence[str]) -> str:
    """The description of the field at a path, which is its rule in words."""
    field = model.model_fields[path[0]]
    if len(path) > 1:
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            return _rule(field.annotation, path[1:])
        return "a string of 1 to 64 characters"  # the value of a dimension
    if field.description:
        return field.description
    return _alternatives(literal_values(model, path[0]))


def _alternatives(values: Sequence[object]) -> str:
    *rest, last = [str(value) for value in values]
    return f"{', '.join(rest)} or {last}" if rest else last


def _json_type(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN, infinite or out of range"
    return _JSON_TYPES[type(value)]
