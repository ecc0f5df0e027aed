"""All rules over all readings: what changes at a tick.

The evaluator keeps the latest reading of every series that a rule watches, and steps each alert
whose reading changed, or which is on its way. The rest cannot change by time alone.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from processor.alerting.alert import AlertRow, alert_row, fingerprint_of, life_of
from processor.alerting.judging import Judgement, judge
from processor.alerting.lifecycle import BORN, Life, State, step
from processor.alerting.rule import Rule
from processor.alerting.signals import SIGNALS
from processor.core.segments import OTHER
from schemas.readings import Unit
from schemas.timestamps import format_rfc3339

log = logging.getLogger(__name__)

RESOLVED_KEPT_MS: Final = 24 * 3_600_000
"""How long a resolved alert is remembered, in event time."""

_ON_THE_WAY: Final = frozenset({State.PENDING, State.FIRING})

Subject = Mapping[str, Any]
"""A reading, or as much of one as is known: at least ``segment``."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one tick changed.

    Attributes:
        changes: alerts whose state changed, in the order of the rules and then of fingerprints.
        stored: what to store under each fingerprint, ``None`` for nothing any more: the changes,
            and what moves within a state.
    """

    changes: list[AlertRow] = field(default_factory=list)
    stored: dict[str, AlertRow | None] = field(default_factory=dict)


@dataclass(slots=True)
class _Instance:
    rule: Rule
    subject: Subject
    reading: Mapping[str, Any] | None = None
    life: Life = BORN


class Evaluator:
    """Alerts of a set of rules.

    Args:
        rules: names are unique.
        min_samples: fewer observations than this decide nothing, where a rule does not say; counts
            and signals need none.
    """

    def __init__(self, rules: Sequence[Rule], *, min_samples: int) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._order = {name: number for number, name in enumerate(self._rules)}
        if len(self._rules) < len(rules):
            raise ValueError("two rules have one name")
        self._min_samples = min_samples
        self._watching: dict[tuple[str, str | None, frozenset[str]], list[Rule]] = {}
        for rule in rules:
            place = (rule.metric, rule.window, rule.dimensions)
            self._watching.setdefault(place, []).append(rule)
        self._windows = frozenset((metric, window) for metric, window, _ in self._watching)
        self._instances: dict[str, _Instance] = {}
        self._due: dict[str, None] = {}
        self._orphans: list[AlertRow] = []
        for rule in rules:
            if not rule.by:  # it has its alert, whether there ever is a reading or not
                subject = {"segment": dict(rule.segment), "currency": rule.currency}
                self._due[self._instance(rule, subject)] = None

    @property
    def watches(self) -> bool:
        """Whether there is anything to evaluate."""
        return bool(self._rules or self._orphans)

    def wanted(self, metric: str, window: str | None, dimensions: Iterable[str]) -> bool:
        """Whether any rule watches such readings."""
        return (metric, window, frozenset(dimensions)) in self._watching

    def watches_window(self, metric: str, window: str) -> bool:
        """Whether any rule watches a metric's window, of whichever segment."""
        return (metric, window) in self._windows

    def restore(self, stored: Iterable[AlertRow]) -> None:
        """Go on with the alerts of an evaluator before this one.

        Those of rules that are gone are resolved at the next tick. One that cannot be read is
        logged and forgotten.
        """
        for row in stored:
            try:
                life = life_of(row)
                rule = self._rules.get(row["name"])
                fingerprint = row["fingerprint"]
                subject = row["reading"] or {
                    name: row[name] for name in ("segment", "currency", "value")
                }
            except (KeyError, ValueError, TypeError) as error:
                log.warning("a stored alert cannot be read and is forgotten: %r", error)
                continue
            if rule is None or fingerprint != self._fingerprint(rule, subject):
                self._orphans.append(row)
                continue
            fingerprint = self._instance(rule, subject)
            instance = self._instances[fingerprint]
            instance.life, instance.reading = life, row["reading"]
            self._due[fingerprint] = None

    def update(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take in readings and signals: each replaces the one of its series before."""
        for row in rows:
            segment = row["segment"]
            for rule in self._watching.get((row["metric"], row["window"], frozenset(segment)), ()):
                if _is_watched(rule, row):
                    fingerprint = self._instance(rule, row)
                    self._instances[fingerprint].reading = row
                    self._due[fingerprint] = None

    def evaluate(
        self, now_ms: int, *, stale: bool = False, young: Collection[str] = ()
    ) -> Evaluation:
        """Step all alerts that may have changed.

        Args:
            now_ms: event time of the tick.
            stale: the readings hang so far behind the clock that they decide nothing; signals do.
            young: windows whose window before is not known in full: comparing decides nothing.
        """
        evaluation = Evaluation()
        self._resolve_orphans(now_ms, evaluation)
        due, self._due = self._due, {}
        for fingerprint in sorted(due, key=self._place):
            instance = self._instances[fingerprint]
            before = instance.life
            rule = instance.rule
            is_put_off = (stale and rule.metric not in SIGNALS) or (
                rule.window in young and _compares(rule, instance.reading)
            )
            judgement = Judgement.UNDECIDED if is_put_off else self._judge(instance)
            life = instance.life = step(before, rule, judgement, now_ms)
            self._note(fingerprint, instance, before, evaluation)
            if life.state in _ON_THE_WAY or is_put_off:
                self._due[fingerprint] = None
            elif life.state is State.RESOLVED:
                if now_ms - life.since_ms < RESOLVED_KEPT_MS:
                    self._due[fingerprint] = None
                else:
                    instance.life = BORN
                    evaluation.stored[fingerprint] = None
        return evaluation

    def current(self) -> list[AlertRow]:
        """All alerts that are pending, firing, or lately resolved."""
        return [
            alert_row(one.rule, one.life, fingerprint, one.subject, one.life.state)
            for fingerprint, one in self._instances.items()
            if one.life.state is not State.INACTIVE
        ]

    # -- how ------------------------------------------------------------------------------------

    def _place(self, fingerprint: str) -> tuple[int, str]:
        """Where an alert comes among those of a tick, whichever way it came to be known."""
        return self._order[self._instances[fingerprint].rule.name], fingerprint

    def _judge(self, instance: _Instance) -> Judgement:
        rule, reading = instance.rule, instance.reading
        counts = reading is not None and (
            rule.metric in SIGNALS or reading.get("unit") == Unit.COUNT
        )
        return judge(rule, reading, min_samples=0 if counts else self._min_samples)

    def _note(
        self, fingerprint: str, instance: _Instance, before: Life, evaluation: Evaluation
    ) -> None:
        life, subject = instance.life, instance.subject
        reading = instance.reading
        if reading is not None:
            instance.subject = reading
        if life is before and (life.state is State.RESOLVED or instance.subject is subject):
            return
        if life.state is State.INACTIVE and before.state is State.INACTIVE:
            return
        row = alert_row(instance.rule, life, fingerprint, instance.subject, before.state)
        evaluation.stored[fingerprint] = None if life.state is State.INACTIVE else row
        if life.state is not before.state:
            evaluation.changes.append(row)

    def _resolve_orphans(self, now_ms: int, evaluation: Evaluation) -> None:
        orphans, self._orphans = self._orphans, []
        for row in orphans:
            evaluation.stored[row["fingerprint"]] = None
            if row["state"] == State.FIRING:
                at = max(now_ms, life_of(row).since_ms)
                ended = Life(State.RESOLVED, at, starts_at_ms=life_of(row).starts_at_ms)
                evaluation.changes.append(_ended(row, ended))

    def _instance(self, rule: Rule, subject: Subject) -> str:
        fingerprint = self._fingerprint(rule, subject)
        if fingerprint not in self._instances:
            self._instances[fingerprint] = _Instance(rule, subject)
        return fingerprint

    @staticmethod
    def _fingerprint(rule: Rule, subject: Subject) -> str:
        return fingerprint_of(rule, subject["segment"], subject.get("currency"))


def _is_watched(rule: Rule, row: Mapping[str, Any]) -> bool:
    segment = row["segment"]
    if rule.currency is not None and row.get("currency") != rule.currency:
        return False
    # What is beyond the cap of segments is a mixture that changes: nothing to be alerted about.
    if any(segment[name] == OTHER for name in rule.by if name not in rule.segment):
        return False
    return all(segment.get(name) == value for name, value in rule.segment.items())


def _compares(rule: Rule, reading: Mapping[str, Any] | None) -> bool:
    """Whether what it is decided by is the window before."""
    if rule.drop or rule.rise:
        return True
    return rule.no_data == "gone" and (reading is None or reading["value"] is None)


def _ended(row: AlertRow, life: Life) -> AlertRow:
    at = format_rfc3339(life.since_ms)
    return {
        **row,
        "state": State.RESOLVED.value,
        "previous_state": State.FIRING.value,
        "since": at,
        "ends_at": at,
        "recovering_since": None,
    }
