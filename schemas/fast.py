"""Validators for the hot path, derived from the models by code.

A pydantic model costs three times a dictionary. So each model is turned into a TypedDict with the
same field types, and records are validated from bytes to dict in one call. Differences from the
models, all of them on purpose:

- a timestamp stays a text, checked by its shape (whoever needs the time converts it once, and
  `parse_rfc3339` refuses February 30);
- optional fields left out stay out; only defaults with a meaning (`kind`, `scale`) are filled in;
- an event with money holds `amount_minor`, the exact integer that is counted, for `amount`.
"""

from __future__ import annotations

from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, Union, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import PydanticUndefined
from typing_extensions import TypedDict

from schemas.event_types import MODELS, EventType
from schemas.fields import Money, Omittable, Rfc3339, TimestampText
from schemas.models import CONFIG, MoneyBase, SupportTicketHandled, check_amount, check_opened
from schemas.timestamps import parse_rfc3339
from schemas.variants import OneOf

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.fields import FieldInfo

Record = dict[str, Any]


def fast_validator(event_type: EventType) -> Callable[[bytes], Record]:
    """Build the validator of one type's records, or return the one built before.

    Returns:
        A function from the bytes of one record to its known fields. It raises
        `pydantic.ValidationError` where the record breaks a rule (other than the calendar of
        `occurred_at`), and nothing else; `explain` says what is wrong in the contract's terms.
    """
    return _adapter(event_type).validator.validate_json


@cache
def _adapter(event_type: EventType) -> TypeAdapter[Record]:
    # Of what a record says, its ids and times never come again: to look each up among the strings
    # made before takes a quarter of the time of a record, and only the keys are found.
    return TypeAdapter(
        Annotated[Any, OneOf(MODELS[event_type], form=_fast_form)],
        config=ConfigDict(cache_strings="keys"),
    )


def _fast_form(model: type[BaseModel]) -> Any:
    """The TypedDict of a model, with its rules across fields behind it."""
    form = _typed_dict(model)
    if issubclass(model, MoneyBase):
        return Annotated[form, AfterValidator(_with_minor_units)]
    if issubclass(model, SupportTicketHandled):
        return Annotated[form, AfterValidator(_opened_before)]
    return form


def _typed_dict(model: type[BaseModel]) -> Any:
    fields = {name: _field_form(field) for name, field in model.model_fields.items()}
    make: Any = TypedDict  # the type checker wants the fields written out
    form = make(model.__name__, fields)
    form.__pydantic_config__ = CONFIG
    return form


def _field_form(field: FieldInfo) -> Any:
    annotation, metadata = field.annotation, list(field.metadata)
    if any(isinstance(item, Rfc3339) for item in metadata):
        annotation, metadata = TimestampText, []
    elif any(isinstance(item, Money) for item in metadata):
        annotation, metadata = Any, []  # read and checked with its currency, in one go
    elif any(isinstance(item, Omittable) for item in metadata):
        # Absence needs no None here.
        inner = tuple(arg for arg in get_args(annotation) if arg is not NoneType)
        annotation = Union[inner]  # type: ignore[assignment]  # noqa: UP007 - members known at run time only
        metadata = [item for item in metadata if not isinstance(item, Omittable)]
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        annotation = _typed_dict(annotation)
    if field.default not in (PydanticUndefined, None):
        metadata.append(Field(default=field.default))
    form: Any = Annotated[(annotation, *metadata)] if metadata else annotation
    return form if field.is_required() else NotRequired[form]


def _with_minor_units(record: Record) -> Record:
    record["amount_minor"] = check_amount(record.pop("amount"), record["currency"])
    return record


def _opened_before(record: Record) -> Record:
    check_opened(parse_rfc3339(record["opened_at"]), parse_rfc3339(record["occurred_at"]))
    return record
