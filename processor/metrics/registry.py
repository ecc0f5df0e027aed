"""What a metric is, and the decorators that make one of a function and its docstring.

Metric modules import this; everybody else imports the finished `processor.metrics.catalogue`.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from processor.core.estimate import Counts, Estimate
from schemas.readings import Unit

IntervalMethod = Literal["Wilson", "adj. Wald", "mean", "rank", "sketch"]

Compute = Callable[[Counts], Estimate]
ComputeFor = Callable[[Counts, str], Estimate]
Currencies = Callable[[Counts], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One entry of the catalogue.

    A metric has one value over a window, or, where it is money, one per currency. `estimates`
    serves both.

    Attributes:
        name: its name in readings, rules and queries: the function's.
        unit: the unit of its value.
        event_types: types of the events that its measures come from.
        interval: how its interval is computed; ``None`` where it has none.
        per_currency: whether it is money.
        summary: what it says, in one sentence.
        formula: how it is computed, in the terms of its field.
        source: where the definition comes from.
        defined_at: module and line of the function.
        compute: its estimate from the summed measures of a window; of a money metric, raises
            TypeError.
        currencies: the currencies that the measures hold; none for a metric that is not money.
        compute_for: its estimate in one currency; of a metric that is not money, raises TypeError.
    """

    name: str
    unit: Unit
    event_types: tuple[str, ...]
    interval: IntervalMethod | None
    per_currency: bool
    summary: str
    formula: str
    source: str
    defined_at: str
    compute: Compute
    currencies: Currencies
    compute_for: ComputeFor

    def estimates(self, counts: Counts) -> Iterator[tuple[str | None, Estimate]]:
        """Every estimate that a window has: (currency or ``None``, estimate).

        A currency that was published before and is gone from the window is not among them; ask
        `compute_for` for it, so that its last reading does not stand for ever.
        """
        if not self.per_currency:
            yield None, self.compute(counts)
            return
        for currency in self.currencies(counts):
            yield currency, self.compute_for(counts, currency)

    def computed_by(self, function: Compute) -> "Metric":
        """The same metric under another definition: the function's, and its docstring's words.

        Raises:
            TypeError: the docstring lacks a summary, formula or source.
        """
        return replace(self._said_by(function), compute=function)

    def computed_for_by(self, function: ComputeFor) -> "Metric":
        """As `computed_by`, of a metric in money.

        Raises:
            TypeError: the docstring lacks a summary, formula or source.
        """
        return replace(self._said_by(function), compute_for=function)

    def _said_by(self, function: Callable[..., Any]) -> "Metric":
        text = _documentation(function)
        return replace(
            self,
            summary=text.summary,
            formula=text.formula,
            source=text.source,
            defined_at=_place(function),
        )


_registered: dict[str, Metric] = {}


def metric(
    *, unit: Unit, event_types: tuple[str, ...], interval: IntervalMethod | None = None
) -> Callable[[Compute], Compute]:
    """Registers a function of a window's measures as the metric of the function's name.

    The docstring is its documentation: its first line is the summary, and it has a paragraph that
    begins ``Formula:`` and one that begins ``Source:``. The function itself is left as it is.

    Args:
        unit: of the value.
        event_types: types of the events that its measures come from.
        interval: how the interval is computed, where it has one.

    Raises:
        TypeError: on import, if the docstring lacks one of its parts.
        ValueError: on import, if the name is taken.
    """

    def register(function: Compute) -> Compute:
        name = _name(function)

        def one_currency(_counts: Counts, currency: str) -> Estimate:
            raise TypeError(f"{name} is not money: ask compute(counts), not {currency}")

        _add(function, unit, event_types, interval, (function, _no_currencies, one_currency))
        return function

    return register


def money_metric(
    *, event_types: tuple[str, ...], currencies: Currencies
) -> Callable[[ComputeFor], ComputeFor]:
    """Registers a function of a window's measures and a currency as a metric in money.

    As `metric`, with a value for each currency; money is never added across them.

    Args:
        event_types: types of the events that its measures come from.
        currencies: the currencies that a window's measures hold, in order.

    Raises:
        TypeError: on import, if the docstring lacks one of its parts.
        ValueError: on import, if the name is taken.
    """

    def register(function: ComputeFor) -> ComputeFor:
        name = _name(function)

        def no_currency(_counts: Counts) -> Estimate:
            raise TypeError(f"{name} is money: ask compute_for(counts, currency)")

        _add(function, Unit.MONEY, event_types, None, (no_currency, currencies, function))
        return function

    return register


def registered_by(module: str) -> Iterator[Metric]:
    """The metrics that a module of this (dotted) name defines, in the order of its source."""
    return (found for found in _registered.values() if found.defined_at.startswith(f"{module}:"))


def registered() -> Iterator[Metric]:
    """All metrics whose modules have been imported so far."""
    return iter(_registered.values())


def _add(
    function: Callable[..., Any],
    unit: Unit,
    event_types: tuple[str, ...],
    interval: IntervalMethod | None,
    parts: tuple[Compute, Currencies, ComputeFor],
) -> None:
    name, place, text = _name(function), _place(function), _documentation(function)
    if name in _registered:
        raise ValueError(
            f"two metrics are named {name!r}: {_registered[name].defined_at} and {place}; "
            "rename one of the functions"
        )
    compute, currencies, compute_for = parts
    _registered[name] = Metric(
        name=name,
        unit=unit,
        event_types=event_types,
        interval=interval,
        per_currency=unit is Unit.MONEY,
        summary=text.summary,
        formula=text.formula,
        source=text.source,
        defined_at=place,
        compute=compute,
        currencies=currencies,
        compute_for=compute_for,
    )


def _no_currencies(_counts: Counts) -> tuple[str, ...]:
    return ()


def _name(function: Callable[..., Any]) -> str:
    return function.__name__


def _place(function: Callable[..., Any]) -> str:
    return f"{function.__module__}:{inspect.unwrap(function).__code__.co_firstlineno}"


@dataclass(frozen=True, slots=True)
class _Documentation:
    summary: str
    formula: str
    source: str


def _documentation(function: Callable[..., Any]) -> _Documentation:
    lines = (inspect.getdoc(function) or "").splitlines()
    found = {
        "summary": lines[0].removesuffix(".") if lines else "",
        "formula": _paragraph(lines, "Formula:"),
        "source": _paragraph(lines, "Source:"),
    }
    missing = [part for part, text in found.items() if not text]
    if missing:
        raise TypeError(
            f"the docstring of {_name(function)} ({_place(function)}) has no "
            f"{' and no '.join(missing)}: a metric's docstring is its documentation, with a first "
            "line, a paragraph 'Formula: …' and a paragraph 'Source: …'"
        )
    return _Documentation(**found)


def _paragraph(lines: list[str], label: str) -> str:
    """The text after a label, to the next empty line or label, on one line."""
    text: list[str] = []
    for line in lines:
        if text and (not line or line.startswith(("Formula:", "Source:"))):
            break
        if text or line.startswith(label):
            text.append(line.removeprefix(label).strip())
    return " ".join(text).strip()
