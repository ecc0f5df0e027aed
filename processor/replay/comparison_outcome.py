"""What a comparison of readings finds: differences, and a summary for each metric."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """How two sets of readings differ at one place."""

    ONLY_A = "only_a"
    ONLY_B = "only_b"
    FIELDS = "fields"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field that the two rows do not agree on; a field that is not there is ``None``."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class Difference:
    """A row without its counterpart, or two that do not agree.

    Attributes:
        kind: which of the two it is.
        key: of the series.
        metric: its name.
        window_end: as the row writes it.
        a: the place of the row in A, from 1; ``None`` where there is none.
        b: the same in B.
        fields: what they disagree on, by name; empty for a row without its counterpart.
    """

    kind: Kind
    key: str
    metric: str
    window_end: str
    a: int | None
    b: int | None
    fields: tuple[FieldDifference, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {
            "kind": self.kind.value,
            "key": self.key,
            "window_end": self.window_end,
            "a": self.a,
            "b": self.b,
            "fields": {found.name: {"a": found.a, "b": found.b} for found in self.fields},
        }


@dataclass(slots=True)
class MetricSummary:
    """What became of a metric's rows.

    Attributes:
        equal: pairs of rows that say the same.
        differing: pairs that do not.
        only_a: rows without their counterpart in B.
        only_b: rows without their counterpart in A.
        largest: the largest distance of two values, also one that was tolerated.
        fields: how many pairs differ in a field, by its name.
    """

    equal: int = 0
    differing: int = 0
    only_a: int = 0
    only_b: int = 0
    largest: float = 0.0
    fields: Counter[str] = field(default_factory=Counter)

    @property
    def compared(self) -> int:
        """Pairs of rows."""
        return self.equal + self.differing

    @property
    def differences(self) -> int:
        """How many differences there are; 0 where all is equal."""
        return self.differing + self.only_a + self.only_b

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {
            "compared": self.compared,
            "equal": self.equal,
            "differing": self.differing,
            "only_a": self.only_a,
            "only_b": self.only_b,
            "largest": self.largest,
            "fields": dict(sorted(self.fields.items())),
        }
