"""What a metric of one's own is, and how a mistake in one is found and said.

`processor.metrics.own` has the functions that people call.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from processor.core.estimate import Counts, Estimate
from processor.metrics.conditions import Condition, parameters
from processor.metrics.event_model import Field, Kind, field_of, sample_values
from processor.metrics.registry import IntervalMethod, Metric
from schemas.event_types import EventType
from schemas.readings import Unit

_NAME: Final = re.compile("[a-z][a-z0-9_]{0,63}")

Value = str | Callable[..., int | None]
"""An integer field by its name, or a function of the fields that its parameters name."""


class OwnMetricError(ValueError):
    """A metric of one's own cannot be; the message begins with the file and line."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an event adds to one metric.

    Attributes:
        fields: what decides.
        apply: the values of `fields` to counters or observations. May raise anything: functions
            of one's own are in it.
    """

    fields: tuple[str, ...]
    apply: Callable[[tuple[Any, ...]], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class OwnMetric:
    """One metric and how its events are counted.

    Attributes:
        metric: as in the catalogue.
        event_type: of the events.
        counting: what an event adds to counters, where it does.
        observing: what an event is observed for, where it is.
    """

    metric: Metric
    event_type: EventType
    counting: Rule | None = None
    observing: Rule | None = None


_collected: ContextVar[list[OwnMetric] | None] = ContextVar("_collected", default=None)


@contextmanager
def collected() -> Iterator[list[OwnMetric]]:
    """The metrics that are defined while this lasts."""
    found: list[OwnMetric] = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


class Definition:
    """What all kinds of metrics have, and how a mistake in it is said."""

    def __init__(self, name: str, summary: str, event: str, place: str) -> None:
        self.place = place
        self.name = name
        if not _NAME.fullmatch(name):
            self.refuse("a name is lower-case letters, digits and underscores, a letter first")
        self.summary = summary.strip().removesuffix(".")
        if not self.summary or "\n" in self.summary:
            self.refuse("the summary is one sentence, in one line")
        if event not in set(EventType):
            self.refuse(f"there are no {event} events; there are {', '.join(EventType)}")
        self.event_type = EventType(event)
        self.family = f"own_{name}"

    def refuse(self, problem: str) -> NoReturn:
        """Say what is wrong, and where.

        Raises:
            OwnMetricError: always.
        """
        raise OwnMetricError(f"{self.place}: {self.name}: {problem}")

    def events(self, among: Condition) -> str:
        """The events in words."""
        return f"{self.event_type} events" + (f" where {among}" if among.checks else "")

    def field(self, name: str) -> Field:
        """A field of the events."""
        try:
            return field_of(self.event_type, name)
        except LookupError as error:
            raise OwnMetricError(f"{self.place}: {self.name}: {error.args[0]}") from None

    def check(self, *conditions: Condition) -> None:
        """Refuse conditions that the events cannot be asked, or that never hold."""
        for condition in conditions:
            try:
                problem = condition.problem(self.event_type)
            except LookupError as error:
                problem = error.args[0]
            if problem:
                self.refuse(problem)
            if "amount_minor" in condition.fields and not any(
                c.fixes("currency") for c in conditions
            ):
                self._refuse_mixed_currencies()

    def _refuse_mixed_currencies(self) -> None:
        self.refuse(
            "amounts of different currencies are not compared or added: "
            'name one, where(currency="EUR")'
        )

    def unit(self, unit: str, per: int) -> Unit:
        """The unit that was named; money is none, as it needs a currency."""
        if type(per) is not int or per < 1:
            self.refuse(f"per is an integer of at least 1, not {per!r}")
        allowed = [one for one in Unit if one is not Unit.MONEY]
        if unit not in allowed:
            self.refuse(f"the unit is one of {', '.join(allowed)}, not {unit!r}")
        return Unit(unit)

    def value(self, value: Value, among: Condition, lowest: int, highest: int) -> Rule:
        """The value of an event that is asked, as a tuple of one; of another, an empty one."""
        self.check(among)
        names = (value,) if isinstance(value, str) else self._parameters(value)
        for name in names:
            kind = self.field(name).kind
            if isinstance(value, str) and kind is not Kind.INTEGER:
                self.refuse(
                    f"{name} is {kind}, not integer: give a function that makes it one, such as "
                    f"lambda {name}: ..."
                )
        if "amount_minor" in names and not among.fixes("currency"):
            self._refuse_mixed_currencies()
        of_names = (lambda given: given) if isinstance(value, str) else value
        fields, (among_at, names_at) = joined(among.fields, names)

        def apply(values: tuple[Any, ...]) -> tuple[int, ...]:
            if not among.holds(tuple(values[i] for i in among_at)):
                return ()
            found = of_names(*(values[i] for i in names_at))
            if found is None:
                return ()
            if type(found) is not int:
                raise TypeError(f"the value is {found!r}, which is no integer")
            if not lowest <= found <= highest:
                raise ValueError(f"the value is {found}, which is not {lowest} to {highest}")
            return (found,)

        return Rule(fields, apply)

    def limits(self, value: Value) -> tuple[float, float]:
        """The least and the largest that a value can be, infinite where that is not known."""
        values = self.field(value).values if isinstance(value, str) else None
        return (min(values), max(values)) if values else (-float("inf"), float("inf"))

    def _parameters(self, function: Callable[..., Any]) -> tuple[str, ...]:
        try:
            return parameters(function)
        except TypeError as error:
            raise OwnMetricError(f"{self.place}: {self.name}: {error}") from None

    def made(
        self,
        unit: Unit,
        interval: IntervalMethod | None,
        formula: str,
        compute: Callable[[Counts], Estimate],
        *,
        counting: Rule | None = None,
        observing: Rule | None = None,
    ) -> OwnMetric:
        """The metric, once its rules were tried; it is among those that are collected."""
        for rule in filter(None, (counting, observing)):
            self._try(rule)

        def one_currency(_counts: Counts, currency: str) -> Estimate:
            raise TypeError(f"{self.name} is not money: ask compute(counts), not {currency}")

        made = OwnMetric(
            Metric(
                name=self.name,
                unit=unit,
                event_types=(self.event_type.value,),
                interval=interval,
                per_currency=False,
                summary=self.summary,
                formula=formula,
                source=f"one's own, {self.place}",
                defined_at=self.place,
                compute=compute,
                currencies=lambda _counts: (),
                compute_for=one_currency,
            ),
            self.event_type,
            counting,
            observing,
        )
        collecting = _collected.get()
        if collecting is not None:
            collecting.append(made)
        return made

    def _try(self, rule: Rule) -> None:
        """Ask it of every event that makes a difference, as far as they can be spelt out."""
        for values in sample_values(self.event_type, rule.fields):
            try:
                rule.apply(values)
            except Exception as error:  # noqa: BLE001 - a function of one's own may raise anything
                given = ", ".join(f"{n} = {v!r}" for n, v in zip(rule.fields, values, strict=True))
                self.refuse(f"fails with {type(error).__name__} ({error}) where {given}")


def joined(*names: tuple[str, ...]) -> tuple[tuple[str, ...], list[tuple[int, ...]]]:
    """All the fields, each once, and where among them those of each part are."""
    fields = tuple(dict.fromkeys(name for part in names for name in part))
    return fields, [tuple(map(fields.index, part)) for part in names]
