"""The words of an alert: templates with values filled in, and plain words where there are none."""

from collections.abc import Mapping
from string import Formatter
from typing import Any, Final

ALWAYS: Final = frozenset(
    {
        "name", "metric", "window", "segment", "currency", "value", "unit", "n", "low", "high",
        "previous", "change", "condition", "severity", "state",
    }
)  # fmt: skip
"""Names that every alert's template may use, beside its dimensions and labels."""

NO_VALUE: Final = "no data"

_FORMATTER: Final = Formatter()


def names_in(template: str) -> set[str]:
    """The names that a template fills in.

    Raises:
        ValueError: braces that do not match, or more than a plain name between them: no attribute
            or item of a value can be asked for.

    >>> sorted(names_in("NPS of {channel}: {value:.1f}"))
    ['channel', 'value']
    """
    names: set[str] = set()
    for _, name, spec, conversion in _FORMATTER.parse(template):
        if name is None:
            continue
        if not name.isidentifier() or conversion or "{" in (spec or ""):
            raise ValueError(f"{{{name}}} is not a plain name such as {{value}} or {{value:.1f}}")
        if spec:
            _number(1.0, spec)
        names.add(name)
    return names


def filled(template: str, values: Mapping[str, Any]) -> str:
    """A template with its values.

    Numbers are written short: up to two decimals, or as the template's format says. What has no
    value is ``no data``. Nothing in a value is read as a template.

    Raises:
        KeyError: a name without an entry in ``values``.

    >>> filled("{metric} is {value} ({low:.1f} to {high})",
    ...        {"metric": "nps", "value": 12.345, "low": 3, "high": None})
    'nps is 12.35 (3.0 to no data)'
    """
    parts: list[str] = []
    for text, name, spec, _ in _FORMATTER.parse(template):
        parts.append(text)
        if name is not None:
            parts.append(_written(values[name], spec or ""))
    return "".join(parts)


def _written(value: Any, spec: str) -> str:
    if value is None:
        return NO_VALUE
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return _number(value, spec)


def _number(value: float, spec: str) -> str:
    if spec:
        return format(value, spec)
    text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return "0" if text == "-0" else text
