"""The types of event fields: one definition for models, fast validators and JSON Schema.

Each type says its rule three times over from one place: constraints for pydantic's validator,
a description for JSON Schema, and the same description for the message of a dead letter
("score: must be an integer from 0 to 10").

None of the types that survey events use calls back into Python: a record is checked entirely in
pydantic's compiled core. Amounts and records with a rule across two fields do call back.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

from schemas.money import CURRENCIES, DECIMAL_PATTERN, MAX_MINOR, parse_amount
from schemas.timestamps import RFC3339_PATTERN, format_rfc3339, from_ms, parse_rfc3339, to_ms

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue

MAX_COUNT = 10**15
"""Bound of counts: far above any customer base, and safe as a double and in sums."""

MAX_SECONDS = 10**9
"""Bound of durations in seconds: 31 years."""

DIMENSION_NAME_PATTERN = r"^[a-z][a-z0-9_]{0,31}$"


class Omittable:
    """Marks `X | None` whose `None` means "left out": absent in JSON, and never `null` there.

    From Python, `None` is accepted, so that a model can be built with every argument given.
    """

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Refuse null in JSON, keep it in Python."""
        nullable = handler(source)
        assert nullable["type"] == "nullable", "Omittable stands on `X | None`"
        return core_schema.json_or_python_schema(
            json_schema=nullable["schema"],
            python_schema=nullable,
            serialization=core_schema.simple_ser_schema("any"),
        )


class MustBeAbsent:
    """Marks a field that may not be given: it tells two variants of a record apart."""

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """No integer is at least 1 and at most 0: a check that never calls back into Python."""
        return core_schema.json_or_python_schema(
            json_schema=core_schema.int_schema(ge=1, le=0, strict=True),
            python_schema=core_schema.none_schema(),
            serialization=core_schema.simple_ser_schema("any"),
        )

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Nothing is valid here."""
        return {"not": {}}


class ExactInteger:
    """Marks `Literal[5]`: only the integer 5, where pydantic's literals also take 5.0."""

    def __get_pydantic_core_schema__(
        self, source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """A range of one integer."""
        (value,) = get_args(source)
        return core_schema.int_schema(ge=value, le=value, strict=True, metadata={"const": value})

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The constant."""
        return {"type": "integer", "const": schema["metadata"]["const"]}


class Rfc3339:
    """Marks a datetime that is RFC 3339 text in JSON, and UTC in whole milliseconds in Python."""

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Text to datetime from JSON, datetime to the same in UTC from Python."""
        text = core_schema.str_schema(pattern=RFC3339_PATTERN, strict=True)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(
                lambda value: from_ms(parse_rfc3339(value)), text
            ),
            python_schema=core_schema.no_info_after_validator_function(
                lambda value: from_ms(to_ms(value)), core_schema.datetime_schema(strict=True)
            ),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: format_rfc3339(to_ms(value)), when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """A string with the standard's format, and a pattern for validators that skip formats."""
        return {"type": "string", "format": "date-time", "pattern": RFC3339_PATTERN}


class Money:
    """Marks a Decimal that is a JSON number or a decimal string, read exactly."""

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Every value through `parse_amount`."""
        return core_schema.no_info_plain_validator_function(parse_amount)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The rule without the currency's decimals, which JSON Schema cannot relate."""
        return {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": MAX_MINOR},
                {"type": "string", "pattern": DECIMAL_PATTERN},
            ]
        }


class KnownCurrency:
    """Marks a currency code of the standard's table."""

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """A set look-up in pydantic's core."""
        return core_schema.literal_schema(list(CURRENCIES))


def integer(low: int, high: int) -> Any:
    """The rule of a whole number within bounds, both included, for use inside `Annotated`."""
    return Field(ge=low, le=high, description=f"an integer from {low} to {high}")


_IDENTITY = "a string of 1 to 128 characters"
_ID = StringConstraints(min_length=1, max_length=128)

Identity = Annotated[str, _ID, Field(description=_IDENTITY)]
OptionalIdentity = Annotated[Annotated[str, _ID] | None, Omittable(), Field(description=_IDENTITY)]
OptionalText = Annotated[str | None, Omittable(), Field(description="a string")]

Absent = Annotated[None, MustBeAbsent(), Field(description="left out")]

_TIMESTAMP = "an RFC 3339 date-time with seconds and an offset or Z, in the years 1970 to 9998"
Timestamp = Annotated[datetime, Rfc3339(), Field(description=_TIMESTAMP)]
TimestampText = Annotated[
    str, StringConstraints(pattern=RFC3339_PATTERN), Field(description=_TIMESTAMP)
]
"""The fast form of a `Timestamp`: the text, its shape checked, its calendar not."""

DimensionName = Annotated[str, StringConstraints(pattern=DIMENSION_NAME_PATTERN)]
DimensionValue = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Dimensions = Annotated[
    dict[DimensionName, DimensionValue],
    Field(
        max_length=16,
        description=(
            "an object of at most 16 entries, names of lower-case letters, digits and underscores "
            "(a letter first, at most 32), values strings of 1 to 64 characters"
        ),
    ),
]

Amount = Annotated[
    Decimal,
    Money(),
    Field(
        description=(
            "a JSON number or a plain decimal string, at least 0, "
            "with no more decimals than the currency has"
        )
    ),
]
Currency = Annotated[
    str, KnownCurrency(), Field(description="a code of ISO 4217 with minor units, such as EUR")
]
Count = Annotated[int, integer(0, MAX_COUNT)]
Seconds = Annotated[
    float,
    Field(ge=0, le=MAX_SECONDS, description=f"a number of seconds from 0 to {MAX_SECONDS}"),
]
