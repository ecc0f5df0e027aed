"""Alert rules rehearsed in a test: the fixture `cx_alerts` is this, with paths beside the test."""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from os import PathLike
from pathlib import Path
from typing import Any

from processor.alerting.alert import AlertRow
from processor.alerting.rule import Rule
from processor.core.panes import parse_duration_ms
from processor.replay.alerting import Episode, Rehearsal, rehearse, rehearse_events
from processor.replay.counting import When, counting, instant_ms
from processor.replay.interactive import EventLike, each_event, encoded
from processor.replay.outcome import Reject, Rejects
from schemas.timestamps import parse_rfc3339

RuleLike = Rule | Mapping[str, Any] | str | PathLike[str]
"""A rule, its fields as in ``[[alerts]]``, or the path of a TOML file with such tables."""


@dataclass(frozen=True, slots=True)
class Alerts:
    """What rules told over some history.

    Attributes:
        changes: every change of an alert's state, in order, as it would be told: the fields of
            `schemas.alerts.Alert`.
        episodes: every alert from its beginning to its end.
        rejects: events that were refused, the first ten.
    """

    changes: Sequence[AlertRow]
    episodes: Sequence[Episode]
    rejects: Sequence[Reject]

    def fired(self, rule: str | None = None) -> list[Episode]:
        """The episodes that fired, of one rule or of all."""
        return [one for one in self.episodes if one.has_fired and rule in {None, one.rule}]

    def states(self, rule: str | None = None, **segment: str) -> list[str]:
        """The states that alerts came into, in order: of one rule or of all.

        Args:
            rule: its name.
            segment: only alerts with these values of dimensions.
        """
        return [
            change["state"]
            for change in self.changes
            if rule in {None, change["name"]} and segment.items() <= change["segment"].items()
        ]


def rules_from(rules: RuleLike | Iterable[RuleLike], folder: Path) -> list[Rule]:
    """Rules in whatever form they are given.

    Args:
        rules: one, or several.
        folder: where relative paths begin.

    Raises:
        pydantic.ValidationError: fields that make no rule.
        OSError: a file cannot be read.
        ValueError: a file is no TOML, or has no rules in it.
    """
    if isinstance(rules, Rule):
        return [rules]
    if isinstance(rules, Mapping):
        return [Rule.model_validate(rules)]
    if isinstance(rules, str | PathLike):
        file = folder / rules
        tables = tomllib.loads(file.read_text(encoding="utf-8")).get("alerts")
        if not tables:
            raise ValueError(f"there is no table [[alerts]] in {file}")
        return [Rule.model_validate(table) for table in tables]
    return [rule for one in rules for rule in rules_from(one, folder)]


def rehearsed(
    rules: Sequence[Rule],
    what: Iterable[Any],
    *,
    every: str | None = None,
    now: When | None = None,
    **options: Any,
) -> Alerts:
    """What rules tell over logs or events.

    Args:
        rules: those to try.
        what: paths of logs, or events and lists of them in any order: each comes when it happens.
        every: event time between evaluations, such as `10s`.
        now: the time that events may not be far ahead of; the clock where left out.
        options: those of `processor.replay.Engine`; windows and segments are those that the rules
            watch, where neither ``windows``, ``by`` nor ``settings`` says.

    Raises:
        LogError: a log cannot be read.
        ValueError: a rule watches what is not there, or a setting is not usable.
    """
    things = list(what)
    if options.get("settings") is None:
        windows = dict.fromkeys(rule.window for rule in rules if rule.window is not None)
        if windows:
            options.setdefault("windows", list(windows))
        sets = dict.fromkeys(tuple(sorted(rule.dimensions)) for rule in rules if rule.dimensions)
        options.setdefault("by", list(sets))
    chosen = counting(
        windows=options.pop("windows", None),
        by=options.pop("by", None),
        modules=options.pop("modules", ()),
        metrics=options.pop("metrics", None),
        settings=options.pop("settings", None),
        options=options,  # type: ignore[arg-type]  # what is wrong in it is said there
    )
    rejects = Rejects()
    common: dict[str, Any] = {
        "config": chosen.config,
        "metrics": chosen.metrics,
        "own": chosen.own,
        "every_ms": None if every is None else parse_duration_ms(every),
        "now_ms": None if now is None else instant_ms(now),
        "rejects": rejects,
        "low_sample_under": chosen.low_sample_under,
    }
    if things and all(isinstance(one, str | PathLike) for one in things):
        return _told(rehearse(things, rules, **common), rejects)
    events: Iterable[EventLike] = each_event(things)
    return _told(rehearse_events(_in_order(map(encoded, events)), rules, **common), rejects)


def _told(rehearsal: Rehearsal, rejects: Rejects) -> Alerts:
    changes = list(rehearsal)
    return Alerts(changes, rehearsal.episodes, rejects.shown)


def _in_order(lines: Iterable[bytes]) -> list[bytes]:
    """Events in the order of their times; what has none comes with the event before it."""
    placed: list[tuple[int, bytes]] = []
    for line in lines:
        try:
            time_ms = parse_rfc3339(json.loads(line)["occurred_at"])
        except (ValueError, KeyError, TypeError, AttributeError):
            time_ms = placed[-1][0] if placed else 0  # it will be refused
        placed.append((time_ms, line))
    placed.sort(key=itemgetter(0))
    return [line for _, line in placed]
