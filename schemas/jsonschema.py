"""JSON Schema (draft 2020-12) of every message, generated from the models.

    python -m schemas.jsonschema --write DIR

writes one file for each message: `survey_response.json`, …, `reading.json`, `alert.json`.

JSON Schema cannot state these rules, so the schemas accept what breaks them: the calendar and the
years of a date-time, the decimals of an amount's currency, `opened_at` not after `occurred_at`,
`window_start` before `window_end`, and that `9.0` is no integer.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from schemas.alerts import Alert
from schemas.event_types import MODELS, EventType
from schemas.readings import Reading
from schemas.variants import OneOf

if TYPE_CHECKING:
    from pydantic_core import core_schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Generator(GenerateJsonSchema):
    """pydantic's generator, for what other tools understand as we mean it."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - an override
        """No titles that repeat the fields' names."""
        return False

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """State the pattern of names as a rule about every name, not about those that match."""
        result = super().dict_schema(schema)
        patterns = result.pop("patternProperties", None)
        if patterns:
            ((pattern, values),) = patterns.items()
            result["propertyNames"] = {"pattern": pattern}
            result["additionalProperties"] = values
        return result

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Drop OpenAPI's hint: it cannot say that one tag stands for several schemas."""
        result = super().tagged_union_schema(schema)
        result.pop("discriminator", None)
        return result

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Drop the default null of a field that may be left out, but not be null."""
        result = super().default_schema(schema)
        if result.get("default", ...) is None:
            del result["default"]
        return result


def json_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of every message.

    Returns:
        By name: the eight event types as `type` has them, `reading` and `alert`.
    """
    schemas = {
        event_type.value: _schema(event_type.value, Annotated[Any, OneOf(MODELS[event_type])])
        for event_type in EventType
    }
    schemas["reading"] = _schema("reading", Reading)
    schemas["alert"] = _schema("alert", Alert)
    return schemas


def _schema(name: str, message: Any) -> dict[str, Any]:
    body = TypeAdapter(message).json_schema(schema_generator=_Generator)
    return {"$schema": DIALECT, **body, "title": name}


def write(folder: Path) -> list[Path]:
    """Write one `<message>.json` for each message into a folder, which is created if needed.

    Returns:
        The files, in the order of `json_schemas`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, schema in json_schemas().items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        files.append(file)
    return files


def main() -> None:
    """Write the schemas, or print them as one object."""
    parser = argparse.ArgumentParser(
        prog="python -m schemas.jsonschema",
        description="JSON Schema of every message. Example: --write build/schemas",
    )
    parser.add_argument("--write", metavar="DIR", type=Path, help="one file for each message")
    folder: Path | None = parser.parse_args().write
    if folder is None:
        json.dump(json_schemas(), sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    for file in write(folder):
        sys.stderr.write(f"{file}\n")


if __name__ == "__main__":
    main()
