"""``cxpulse alerts test``: what rules would have told over event logs, for people and for CI."""

import json as json_format
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import typer

from processor.alerting.rule import Rule
from processor.alerting.signals import SIGNALS
from processor.cli.alerts_timeline import LEGEND, subject_of, timeline
from processor.cli.errors import FAILED, CommandError, UsageError
from processor.cli.replay_progress import progress, say_refused, span_of
from processor.cli.tables import instant, measured, plain, table
from processor.cli.terminal import say
from processor.metrics.registry import Metric
from processor.replay.alerting import Episode, Rehearsal, rehearse
from processor.replay.log import LogError, Position
from processor.replay.outcome import Rejects
from processor.replay.selection import Selection
from processor.settings import load_settings
from schemas.readings import Unit
from schemas.timestamps import format_rfc3339

_PLAIN_WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class Expected:
    """What a run is to find; anything will do where nothing is said.

    Attributes:
        fires: rules that have to fire.
        nothing_else: whether no other rule may.
    """

    fires: tuple[str, ...] = ()
    nothing_else: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """How findings are shown.

    Attributes:
        json: as one JSON object.
        show: the most alerts in a drawing, and the most rows in a table.
    """

    json: bool = False
    show: int = 50


def try_rules(
    logs: Sequence[str],
    *,
    names: Sequence[str],
    selection: Selection,
    every_ms: int | None,
    now_ms: int | None,
    expected: Expected,
    shape: Shape,
) -> None:
    """Rehearse the configured rules over logs, and print what they would have told.

    Args:
        logs: event logs.
        names: of the rules to try; all where there are none.
        selection: which events take part.
        every_ms: event time between evaluations.
        now_ms: what events may not be far ahead of.
        expected: what decides the exit code.
        shape: how it is printed.

    Raises:
        UsageError: a rule that is not configured.
        CommandError: a log cannot be read.
        typer.Exit: it did not find what was expected.
    """
    settings = load_settings()
    own = settings.own_metrics()
    metrics = settings.catalogue(own)
    rules = _chosen(settings.rules(metrics), names)
    _chosen(rules, expected.fires)
    try:
        position = Position.of(logs)
        rehearsal = rehearse(
            logs,
            rules,
            config=settings.engine.config(b""),  # nothing is stored: hashes need no key
            metrics=metrics,
            own=own,
            every_ms=every_ms,
            now_ms=now_ms,
            selection=selection,
            rejects=Rejects(),
            position=position,
            low_sample_under=settings.engine.low_sample_under,
        )
        with progress(position):
            rehearsal.run()
    except LogError as error:
        raise CommandError(str(error)) from error
    if shape.json:
        typer.echo(_json(rehearsal))
    else:
        _print(rehearsal, {rule.name: _unit(rule, metrics) for rule in rules}, shape.show)
    _say(rehearsal)
    _compare(rehearsal, expected)


def _chosen(rules: Sequence[Rule], names: Sequence[str]) -> tuple[Rule, ...]:
    known = [rule.name for rule in rules]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
            )
            raise UsageError(f"there is no rule {name!r} here; {hint}")
    return tuple(rule for rule in rules if not names or rule.name in names)


def _unit(rule: Rule, metrics: Mapping[str, Metric]) -> Unit:
    return SIGNALS[rule.metric].unit if rule.metric in SIGNALS else metrics[rule.metric].unit


def _print(rehearsal: Rehearsal, units: Mapping[str, Unit], show: int) -> None:
    latest_ms = rehearsal.latest_ms
    if rehearsal.first_ms is not None and latest_ms is not None:
        width = shutil.get_terminal_size((_PLAIN_WIDTH, 24)).columns
        drawn = timeline(rehearsal.episodes, rehearsal.first_ms, latest_ms, width=width, lines=show)
        for line in drawn:
            typer.echo(plain(line).rstrip())
        if drawn:
            typer.echo(f"{LEGEND}\n")
    fired = rehearsal.fired()
    if fired:
        table(
            ("alert", "began", "fired", "ended", "fired for", "worst"),
            [_cells(one, units[one.rule], latest_ms or 0) for one in fired[:show]],
        )
        typer.echo("")
    table(
        ("rule", "fired", "alerts", "given up", "firing in all", "longest"),
        [_totals_cells(totals) for totals in _totals(rehearsal)],
        numbers=True,
    )
    if len(fired) > show:
        say(f"{len(fired) - show} more fired than are shown: see --show")


def _cells(episode: Episode, unit: Unit, latest_ms: int) -> tuple[str, ...]:
    fired_ms, ended_ms = episode.fired_at_ms, episode.ended_at_ms
    return (
        plain(subject_of(episode)),
        _time(episode.pending_at_ms),
        _time(fired_ms),
        "goes on" if ended_ms is None else _time(ended_ms),
        span_of(_firing_ms(episode, latest_ms) / 1000),
        measured(episode.worst, unit, episode.currency),
    )


def _totals(rehearsal: Rehearsal) -> Iterator[dict[str, Any]]:
    latest_ms = rehearsal.latest_ms or 0
    for rule in rehearsal.rules:
        episodes = [one for one in rehearsal.episodes if one.rule == rule.name]
        fired = [one for one in episodes if one.has_fired]
        lengths_ms = [_firing_ms(one, latest_ms) for one in fired]
        yield {
            "rule": rule.name,
            "severity": rule.severity,
            "fired": len(fired),
            "alerts": len({one.fingerprint for one in fired}),
            "given_up": sum(one.ended_at_ms is not None for one in episodes) - sum(
                one.ended_at_ms is not None for one in fired
            ),
            "firing_s": sum(lengths_ms) / 1000,
            "longest_s": max(lengths_ms, default=0) / 1000,
        }  # fmt: skip


def _totals_cells(totals: Mapping[str, Any]) -> tuple[str, ...]:
    spans = (span_of(totals[name]) if totals["fired"] else "-" for name in _SPANS)
    return (plain(totals["rule"]), *(str(totals[name]) for name in _COUNTS), *spans)


_COUNTS: Final = ("fired", "alerts", "given_up")
_SPANS: Final = ("firing_s", "longest_s")


def _json(rehearsal: Rehearsal) -> str:
    latest_ms = rehearsal.latest_ms
    said = {
        "first": _time_or_none(rehearsal.first_ms),
        "latest": _time_or_none(latest_ms),
        "lines": rehearsal.lines,
        "rejected": rehearsal.rejects.by_code.total(),
        "evaluations": rehearsal.ticks,
        "rules": list(_totals(rehearsal)),
        "episodes": [
            {
                "rule": one.rule,
                "severity": one.severity,
                "fingerprint": one.fingerprint,
                "segment": dict(one.segment),
                "currency": one.currency,
                "pending_at": _time_or_none(one.pending_at_ms),
                "fired_at": _time_or_none(one.fired_at_ms),
                "ended_at": _time_or_none(one.ended_at_ms),
                "worst": one.worst,
            }
            for one in rehearsal.episodes
        ],
    }
    return json_format.dumps(said, ensure_ascii=False, indent=2)


def _say(rehearsal: Rehearsal) -> None:
    fired, rejected = len(rehearsal.fired()), rehearsal.rejects.by_code.total()
    over = ""
    if rehearsal.first_ms is not None and rehearsal.latest_ms is not None:
        over = f" of {span_of((rehearsal.latest_ms - rehearsal.first_ms) / 1000)}"
    say(
        f"{len(rehearsal.rules)} rules over {rehearsal.lines} lines{over}: {fired} fired"
        + (f"; {rejected} lines rejected" if rejected else "")
    )
    say_refused(rehearsal.rejects.shown)


def _compare(rehearsal: Rehearsal, expected: Expected) -> None:
    fired = {episode.rule for episode in rehearsal.fired()}
    wrong = [f"{name!r} was expected to fire, and did not" for name in expected.fires
             if name not in fired]  # fmt: skip
    if expected.nothing_else:
        others = (rule.name for rule in rehearsal.rules if rule.name in fired)
        wrong += [
            f"{name!r} fired, and was not expected to"
            for name in others
            if name not in expected.fires
        ]
    for line in wrong:
        say(f"not as expected: {line}")
    if wrong:
        raise typer.Exit(FAILED)


def _firing_ms(episode: Episode, latest_ms: int) -> int:
    if episode.fired_at_ms is None:
        return 0
    ended_ms = latest_ms if episode.ended_at_ms is None else episode.ended_at_ms
    return ended_ms - episode.fired_at_ms


def _time(time_ms: int | None) -> str:
    """A time of this log: the axis says the year."""
    return "-" if time_ms is None else instant(time_ms)[5:-1].replace("T", " ")


def _time_or_none(time_ms: int | None) -> str | None:
    return None if time_ms is None else format_rfc3339(time_ms)
