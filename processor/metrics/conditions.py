"""Conditions on the fields of an event, for metrics of one's own.

>>> unhappy = where(survey="nps", score__le=6)
>>> unhappy.fields, unhappy.holds(("nps", 3)), str(unhappy)
(('survey', 'score'), True, 'survey = nps and score <= 6')
"""

import inspect
import operator
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from processor.metrics.event_model import Kind, field_of
from schemas.event_types import EventType

_OPERATORS: Final[dict[str, tuple[str, Callable[[Any, Any], Any]]]] = {
    "eq": ("=", operator.eq),
    "ne": ("!=", operator.ne),
    "lt": ("<", operator.lt),
    "le": ("<=", operator.le),
    "gt": (">", operator.gt),
    "ge": (">=", operator.ge),
    "in": ("in", lambda value, among: value in among),
}
_ORDERING: Final = {"lt", "le", "gt", "ge"}
_TYPES: Final[dict[Kind, tuple[type, ...]]] = {
    Kind.INTEGER: (int,),
    Kind.NUMBER: (int, float),
    Kind.TEXT: (str,),
    Kind.BOOLEAN: (bool,),
}


@dataclass(frozen=True, slots=True)
class _Check:
    """One thing that must hold: a comparison with constants, or a function."""

    fields: tuple[str, ...]
    holds: Callable[..., Any]
    text: str
    operation: str = ""
    constants: tuple[Any, ...] = ()

    def problem(self, event_type: EventType) -> str | None:
        fields = [field_of(event_type, name) for name in self.fields]
        if not self.operation:
            return None
        (field,) = fields
        if self.operation in _ORDERING and field.kind not in {Kind.INTEGER, Kind.NUMBER}:
            return f"{self.text}: {field.name} is {field.kind}, which has no order"
        for constant in self.constants:
            if constant is None:
                if self.operation in _ORDERING:
                    return f"{self.text}: nothing is more or less than None"
                continue
            is_bool = isinstance(constant, bool)
            if is_bool is not (field.kind is Kind.BOOLEAN) or not isinstance(
                constant, _TYPES[field.kind]
            ):
                return f"{self.text}: {field.name} is {field.kind}, and {constant!r} is not"
            if (
                self.operation not in _ORDERING
                and field.values is not None
                and constant not in field.values
            ):
                return f"{self.text}: {field.name} is one of {', '.join(map(str, field.values))}"
        return None


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of an event for it to be counted: all of its checks.

    Attributes:
        checks: in the order in which they are asked; the first that fails decides.
        fields: what they read.
    """

    checks: tuple[_Check, ...]
    fields: tuple[str, ...]
    _asked: tuple[tuple[Callable[..., Any], tuple[int, ...]], ...]

    def holds(self, values: tuple[Any, ...]) -> bool:
        """Whether it holds of these values of `fields`.

        Whatever a function of one's own raises comes out.
        """
        return all(holds(*(values[i] for i in places)) for holds, places in self._asked)

    def problem(self, event_type: EventType) -> str | None:
        """Why it cannot be asked of events of this type, or never holds.

        Raises:
            LookupError: they have no such field.
        """
        return next((found for check in self.checks if (found := check.problem(event_type))), None)

    def fixes(self, field: str) -> bool:
        """Whether it holds for one value of a field only."""
        return any(check.fields == (field,) and check.operation == "eq" for check in self.checks)

    def __str__(self) -> str:
        return " and ".join(check.text for check in self.checks)


def where(*functions: Callable[..., Any], **comparisons: Any) -> Condition:
    """A condition on the fields of an event: all comparisons hold, then all functions.

    A field inside an object is written with two underscores: ``dimensions__channel="email"``.
    A comparison other than equality ends with its name: ``score__le=6``, and so ``__lt``, ``__ge``,
    ``__gt``, ``__ne``, and ``__in`` with several values. A field that the event lacks compares to
    nothing but ``None``: ``customer_id__ne=None`` are the events that have one.

    A function is given the fields that its parameters name, ``None`` for one that the event lacks.

    >>> where(lambda score, scale: score / (scale or 10) > 0.5, survey="nps").fields
    ('survey', 'score', 'scale')

    Raises:
        TypeError: a function's parameters cannot name fields, or ``__in`` has no values.
    """
    checks = (
        *(_comparison(name, constant) for name, constant in comparisons.items()),
        *(
            _Check(parameters(function), function, f"{name_of(function)} holds")
            for function in functions
        ),
    )
    fields = tuple(dict.fromkeys(field for check in checks for field in check.fields))
    asked = tuple((check.holds, tuple(map(fields.index, check.fields))) for check in checks)
    return Condition(checks, fields, asked)


def parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """The fields that a function's parameters name.

    Raises:
        TypeError: it is no function of named parameters.
    """
    found = inspect.signature(function).parameters.values()
    if not found or any(p.kind in {p.VAR_KEYWORD, p.VAR_POSITIONAL, p.KEYWORD_ONLY} for p in found):
        raise TypeError(
            f"{name_of(function)} must name the fields that it reads as its parameters, "
            "such as score or dimensions__channel"
        )
    return tuple(field_name(p.name) for p in found)


def field_name(written: str) -> str:
    """The name of a field as it is written in Python."""
    parent, _, child = written.partition("__")
    return f"{parent}.{child}" if child else parent


def name_of(function: Callable[..., Any]) -> str:
    """What to call a function in a sentence."""
    name = getattr(function, "__name__", type(function).__name__)
    return "a function" if name == "<lambda>" else str(name)


def _comparison(written: str, constant: Any) -> _Check:
    stem, _, operation = written.rpartition("__")
    if not stem or operation not in _OPERATORS:
        stem, operation = written, "eq"
    name = field_name(stem)
    symbol, compare = _OPERATORS[operation]
    constants = _constants(written, constant) if operation == "in" else (constant,)
    against: Any = frozenset(constants) if operation == "in" else constant

    def holds(value: Any) -> bool:
        return (value is not None or None in constants) and bool(compare(value, against))

    if None in constants and operation == "ne":
        return _Check((name,), lambda value: value is not None, f"{name} is there", "ne", constants)
    text = f"{name} {symbol} {_written(constants, operation)}"
    return _Check((name,), holds, text, operation, constants)


def _constants(written: str, given: Any) -> tuple[Any, ...]:
    if isinstance(given, str) or not isinstance(given, Collection) or not given:
        raise TypeError(f"{written} takes several values, such as {written}=[...]")
    return tuple(given)


def _written(constants: Iterable[Any], operation: str) -> str:
    texts = ["absent" if constant is None else str(constant) for constant in constants]
    return f"({', '.join(texts)})" if operation == "in" else texts[0]
