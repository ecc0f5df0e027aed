"""What fields the events of a type have, and samples of all events that make a difference.

Read off the contract's models, so that a metric of one's own can be checked before the first event
comes: whether a field exists, what it can be, and whether a condition fails on any of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from itertools import islice, product
from types import NoneType
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schemas.event_types import MODELS, EventType

_SPELT_OUT_MAX: Final = 20
_SAMPLES_MAX: Final = 20_000
_DIMENSIONS: Final = "dimensions"
_A_TIME: Final = "2026-03-01T12:00:00Z"


class Kind(StrEnum):
    """What values a field has."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the events of one type.

    Attributes:
        name: as in conditions; one inside an object has the object's before a dot.
        kind: of its values.
        values: all that it can be, where they can be spelt out.
    """

    name: str
    kind: Kind
    values: tuple[Any, ...] | None


@dataclass(frozen=True, slots=True)
class _Samples:
    kind: Kind
    values: tuple[Any, ...]
    are_all: bool
    may_lack: bool = False


_ANY_DIMENSION: Final = _Samples(Kind.TEXT, ("any",), are_all=False, may_lack=True)


def field_of(event_type: EventType, name: str) -> Field:
    """A field by its name; any name after ``dimensions.`` is one.

    Raises:
        LookupError: events of this type have no such field; the message names those they have.
    """
    if name.startswith(f"{_DIMENSIONS}.") and name != f"{_DIMENSIONS}.":
        return Field(name, Kind.TEXT, None)
    found = [variant[name] for variant in _variants(event_type) if name in variant]
    if not found:
        raise LookupError(
            f"{event_type} events have no field {name}; they have "
            f"{', '.join(field_names(event_type))}"
        )
    kinds = {samples.kind for samples in found}
    kind = Kind.NUMBER if kinds == {Kind.INTEGER, Kind.NUMBER} else found[0].kind
    if not all(samples.are_all for samples in found):
        return Field(name, kind, None)
    values = dict.fromkeys(value for samples in found for value in samples.values)
    return Field(name, kind, tuple(values))


def field_names(event_type: EventType) -> list[str]:
    """Every field of the events, in the contract's order."""
    names = dict.fromkeys(name for variant in _variants(event_type) for name in variant)
    return [*names, f"{_DIMENSIONS}.…"]


def sample_values(event_type: EventType, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Values that these fields can have together, ``None`` where an event lacks one.

    Every value of a field that can be spelt out, and some of each other; in the combinations that
    the contract allows, up to many thousands of them.
    """
    seen: set[tuple[Any, ...]] = set()
    for variant in _variants(event_type):
        columns = [_column(variant, name) for name in names]
        for values in islice(product(*columns), _SAMPLES_MAX):
            if values not in seen:
                seen.add(values)
                yield values


def _column(variant: Mapping[str, _Samples], name: str) -> tuple[Any, ...]:
    samples = _ANY_DIMENSION if name.startswith(f"{_DIMENSIONS}.") else variant.get(name)
    if samples is None:
        return (None,)
    return (*samples.values, None) if samples.may_lack else samples.values


@cache
def _variants(event_type: EventType) -> tuple[Mapping[str, _Samples], ...]:
    """The fields of each model of the type, as the fast validator gives them."""
    return tuple(dict(_fields(model)) for model in MODELS[event_type])


def _fields(model: type[BaseModel], parent: str = "") -> Iterator[tuple[str, _Samples]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if name in {_DIMENSIONS, "type"} or annotation is NoneType:
            continue
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _fields(annotation, f"{name}.")
        elif annotation is Decimal:  # money is counted in minor units
            yield f"{name}_minor", _Samples(Kind.INTEGER, (0, 1999), are_all=False)
        else:
            yield f"{parent}{name}", _samples(field)


def _samples(field: FieldInfo) -> _Samples:
    annotation: Any = field.annotation
    may_lack = NoneType in get_args(annotation)
    if may_lack:
        annotation = next(arg for arg in get_args(annotation) if arg is not NoneType)
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        values = get_args(annotation)
        kind = Kind.TEXT if isinstance(values[0], str) else Kind.INTEGER
        return _Samples(kind, values, are_all=True, may_lack=may_lack)
    if annotation is bool:
        return _Samples(Kind.BOOLEAN, (False, True), are_all=True, may_lack=may_lack)
    if annotation is int:
        return _integers(field, may_lack=may_lack)
    if annotation is float:
        return _Samples(Kind.NUMBER, (0.0, 0.25, 86_400.5), are_all=False, may_lack=may_lack)
    text = _A_TIME if annotation is datetime else "any"
    return _Samples(Kind.TEXT, (text,), are_all=False, may_lack=may_lack)


def _integers(field: FieldInfo, *, may_lack: bool) -> _Samples:
    bounds = {type(rule).__name__: rule for rule in field.metadata}
    low, high = bounds["Ge"].ge, bounds["Le"].le
    if high - low <= _SPELT_OUT_MAX:
        return _Samples(Kind.INTEGER, tuple(range(low, high + 1)), are_all=True, may_lack=may_lack)
    return _Samples(Kind.INTEGER, (low, 1, 1000), are_all=False, may_lack=may_lack)
