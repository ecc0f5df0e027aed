"""``cxpulse alerts check``: every problem of the configured rules at once, and what they watch."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Final

import typer
from pydantic import ValidationError
from pydantic_settings import (
    SettingsConfigDict,
)

from processor.alerting.advice import advice_on
from processor.alerting.checks import Deployment, problems_of, watches
from processor.alerting.default_rules import default_rules, shipped_rules
from processor.alerting.rule import Rule
from processor.cli.alerts_receivers import misnamed, untold
from processor.cli.tables import plain, table
from processor.monitor.directions import better_of
from processor.settings import Settings, SourcedSettings, load_settings


class _Tables(SourcedSettings):
    """The tables ``[[alerts]]`` as they are written: each is read by itself, with its errors."""

    model_config = SettingsConfigDict(env_prefix="CX_", extra="ignore")

    alerts: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about one rule.

    Attributes:
        rule: its name, or its place where it has none: ``#2``.
        field: what of it, empty for the rule as a whole.
        message: one sentence.
    """

    rule: str
    field: str
    message: str

    def __str__(self) -> str:
        """In one line."""
        return ": ".join(plain(part) for part in (self.rule, self.field, self.message) if part)


@dataclass(slots=True)
class Checked:
    """What was found of the rules in use.

    Attributes:
        deployment: what there is to watch.
        shipped: whether they are the shipped ones, as none are configured.
        rules: those that can be read.
        problems: what is wrong: with any of these the worker does not start.
        warnings: what is certain not to be wanted.
        left_out: shipped rules that are not in use, and why.
    """

    deployment: Deployment
    shipped: bool
    rules: tuple[Rule, ...] = ()
    problems: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)
    left_out: list[Remark] = field(default_factory=list)


def checked_rules() -> Checked:
    """Read the configured rules, each by itself, and check them.

    Raises:
        ConfigurationError: something else in the configuration is wrong.
    """
    settings = load_settings(alerts=None)
    deployment = deployment_of(settings)
    try:
        tables = _Tables().alerts
    except ValidationError:
        wrong = Remark("alerts", "", "is no list of tables: write [[alerts]] above each rule")
        return Checked(deployment, shipped=False, problems=[wrong])
    if tables is None:
        checked = Checked(deployment, shipped=True, rules=default_rules(deployment))
        checked.left_out += _remarks(problems_of(shipped_rules(), deployment))
    else:
        checked = Checked(deployment, shipped=False)
        checked.rules = tuple(_read(tables, checked.problems))
        checked.problems += _remarks(problems_of(checked.rules, deployment))
    better = partial(better_of, targets=settings.monitor.targets)
    wrong_names = {problem.rule for problem in checked.problems}
    for rule in checked.rules:
        if rule.name not in wrong_names:
            checked.warnings += [
                Remark(rule.name, *advice) for advice in advice_on(rule, deployment, better)
            ]
    checked.warnings += _unheard(checked.rules, settings)
    return checked


def _unheard(rules: Sequence[Rule], settings: Settings) -> Iterator[Remark]:
    for name in untold(rules, settings.notify):
        yield Remark(name, "", "no [[notify]] takes its alerts: see their rules, severity, labels")
    for receiver, name in misnamed(rules, settings.notify):
        yield Remark(f"notify {receiver}", "rules", f"there is no rule {name!r}")


def deployment_of(settings: Settings) -> Deployment:
    """What a configuration has to watch.

    Raises:
        ConfigurationError: a metric that is named is not there.
    """
    catalogue = settings.catalogue(settings.own_metrics())
    return Deployment(catalogue, settings.engine.windows, settings.engine.segments)


def show(checked: Checked) -> None:
    """Print what each rule watches, then what is wrong, a line each."""
    rows = [
        (plain(rule.name), rule.severity, plain(watches(rule, checked.deployment)))
        for rule in checked.rules
    ]
    if rows:
        table(("rule", "severity", "watches"), rows)
    for word, remarks in (
        ("problem", checked.problems),
        ("warning", checked.warnings),
        ("left out", checked.left_out),
    ):
        for remark in remarks:
            typer.echo(f"{word}: {remark}")


def as_json(checked: Checked) -> str:
    """The same as one object."""
    rules = [
        {
            "rule": rule.name,
            "severity": rule.severity,
            "watches": watches(rule, checked.deployment),
            "labels": dict(rule.labels),
        }
        for rule in checked.rules
    ]
    said = {
        "ok": not checked.problems,
        "shipped": checked.shipped,
        "rules": rules,
        "problems": [asdict(remark) for remark in checked.problems],
        "warnings": [asdict(remark) for remark in checked.warnings],
        "left_out": [asdict(remark) for remark in checked.left_out],
    }
    return json.dumps(said, ensure_ascii=False, indent=2)


def summary(checked: Checked) -> str:
    """How many there are, and how many have problems, in a line."""
    kind = "shipped rules" if checked.shipped else "rules"
    parts = [f"{len(checked.rules)} {kind}"]
    parts.append(f"{len(checked.problems) or 'no'} problem{_s(checked.problems)}")
    if checked.warnings:
        parts.append(f"{len(checked.warnings)} warning{_s(checked.warnings)}")
    return ", ".join(parts)


def _s(counted: list[Remark]) -> str:
    return "" if len(counted) == 1 else "s"


def _read(tables: tuple[Any, ...], problems: list[Remark]) -> Iterator[Rule]:
    for number, written in enumerate(tables, 1):
        name, rule = f"#{number}", written
        if isinstance(written, Mapping):
            if "name" in written:
                name = str(written["name"]) or name
            else:
                problems.append(Remark(name, "name", "is required"))
                rule = {"name": name, **written}  # so that the rest is looked at, too
        try:
            yield Rule.model_validate(rule)
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False):
                where = ".".join(map(str, problem["loc"]))
                message = problem["msg"].removeprefix("Value error, ")
                if where:
                    problems.append(Remark(name, where, message))
                else:
                    problems += [_of_field(name, part) for part in _SENTENCES.split(message)]


def _remarks(problems: Iterator[tuple[str, str]]) -> list[Remark]:
    return [_of_field(name, problem) for name, problem in problems]


_FIELDS: Final = {one.alias or name for name, one in Rule.model_fields.items()}

_SENTENCES: Final = re.compile(r"; (?!there are )")
"""Between the sentences on what does not fit together in a rule; a list of names goes with its."""


def _of_field(name: str, problem: str) -> Remark:
    """A sentence that begins with a field's name, taken apart."""
    field_, separator, rest = problem.partition(": ")
    if not separator or field_.partition(".")[0] not in _FIELDS:
        field_, _, rest = problem.partition(" ")
    return (
        Remark(name, field_, rest)
        if field_.partition(".")[0] in _FIELDS
        else Remark(name, "", problem)
    )
