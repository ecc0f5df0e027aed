"""Which model a record is meant for: unions told apart by their literal fields.

pydantic's own discriminator wants one model per tag. Here a tag may stand for several ("nps" with
and without a scale): those are tried from left to right, so the common one comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TAGS = ("type", "survey", "action")
"""Fields that choose the model, from the outside in. (`scale` does too, but may be left out.)"""

Model = type[BaseModel]


def literal_values(model: Model, field: str) -> tuple[Any, ...]:
    """Values that a literal field allows; none where the field must be absent or is no literal."""
    annotation = model.model_fields[field].annotation
    return get_args(annotation) if get_origin(annotation) is Literal else ()


@dataclass(frozen=True)
class OneOf:
    """Annotation: the record is one of these models, chosen by `TAGS`.

    Attributes:
        models: the leaves of the union.
        form: what to validate a model's records as; the model itself by default.
    """

    models: tuple[Model, ...]
    form: Callable[[Model], Any] = lambda model: model

    def __get_pydantic_core_schema__(
        self, _source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Tagged unions inside tagged unions, down to single models."""
        return self._schema(self.models, lambda model: handler.generate_schema(self.form(model)))

    def _schema(
        self, models: Sequence[Model], generate: Callable[[Model], CoreSchema]
    ) -> CoreSchema:
        if len(models) == 1:
            return generate(models[0])
        for tag in TAGS:
            if not all(tag in model.model_fields for model in models):
                continue
            groups: dict[Any, list[Model]] = {}
            for model in models:
                for value in literal_values(model, tag):
                    groups.setdefault(value, []).append(model)
            if any(len(group) < len(models) for group in groups.values()):
                return core_schema.tagged_union_schema(
                    {value: self._schema(group, generate) for value, group in groups.items()},
                    discriminator=tag,
                )
        return core_schema.union_schema([generate(model) for model in models], mode="left_to_right")
