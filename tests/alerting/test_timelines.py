r"""Timelines: what is read minute by minute, and what becomes of the alert.

A picture has a mark for each minute. What is read::

    B  a breach           -  between the thresholds      .  well
    x  nothing observed   ?  too few observed            i  events of the window may be missing
    s  a breach, but the readings hang far behind        =  exactly the threshold

and the state after it: ``_`` inactive, ``p`` pending, ``F`` firing, ``R`` resolved. A ``|`` in
front of a mark is a restart or a takeover: another evaluator goes on with what was stored.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest

from processor.alerting.evaluator import Evaluation, Evaluator
from processor.alerting.rule import Rule
from schemas.alerts import Alert
from schemas.timestamps import format_rfc3339

START_MS: Final = 1_772_000_000_000
MINUTE_MS: Final = 60_000
STATES: Final = {"inactive": "_", "pending": "p", "firing": "F", "resolved": "R"}


class Timeline(NamedTuple):
    """A story of one alert.

    Attributes:
        rule: fields of the rule, beside a name, a metric and a window.
        read: what is read each minute.
        state: the state after each.
    """

    rule: dict[str, Any]
    read: str
    state: str


BELOW: Final = {"below": 30, "min_samples": 50}
TIMELINES: Final = {
    "at once": Timeline(
        BELOW,
        "..BB..",
        "__FFRR",
    ),
    "after a while": Timeline(
        {**BELOW, "for": "3m"},
        ".BBBBB.",
        "_pppFFR",
    ),
    "gone before that": Timeline(
        {**BELOW, "for": "3m"},
        ".BB.BBBB.",
        "_pp_pppFR",
    ),
    "flapping across one threshold": Timeline(
        BELOW,
        "B.B.B.",
        "FRFRFR",
    ),
    "flapping is one alert with a threshold to recover at": Timeline(
        {**BELOW, "recovers_at": 35},
        "B-B-B-.",
        "FFFFFFR",
    ),
    "flapping is one alert that is kept firing": Timeline(
        {**BELOW, "keep_firing_for": "2m"},
        "B.B.B...",
        "FFFFFFFR",
    ),
    "flapping never fires where it has to hold": Timeline(
        {**BELOW, "for": "2m"},
        "B.B.B.B.",
        "p_p_p_p_",
    ),
    "between the thresholds nothing begins": Timeline(
        {**BELOW, "recovers_at": 35},
        "---B--.-",
        "___FFFRR",
    ),
    "between the thresholds what was pending is given up": Timeline(
        {**BELOW, "recovers_at": 35, "for": "2m"},
        "BB-BBB.",
        "pp_ppFR",
    ),
    "between the thresholds the recovery begins anew": Timeline(
        {**BELOW, "recovers_at": 35, "keep_firing_for": "2m"},
        "B..-...",
        "FFFFFFR",
    ),
    "the threshold itself is no breach": Timeline(
        BELOW,
        "=B==",
        "_FRR",
    ),
    "the threshold itself, from above": Timeline(
        {"above": 30},
        "=B==",
        "_FRR",
    ),
    "too few decide nothing": Timeline(
        {**BELOW, "for": "2m"},
        "??B??B?.",
        "__pppFFR",
    ),
    "too few resolve nothing": Timeline(
        BELOW,
        "B????.",
        "FFFFFR",
    ),
    "what may lack events decides nothing": Timeline(
        BELOW,
        "iiBii.ii",
        "__FFFRRR",
    ),
    "far behind the clock nothing is decided": Timeline(
        BELOW,
        "ssBs.ss",
        "__FFRRR",
    ),
    "no data keeps things": Timeline(
        {**BELOW, "no_data": "keep"},
        "xxBxx.x",
        "__FFFRR",
    ),
    "no data keeps what is pending": Timeline(
        {**BELOW, "no_data": "keep", "for": "3m"},
        "BxxBB.",
        "pppFFR",
    ),
    "no data is fine": Timeline(
        {**BELOW, "no_data": "ok"},
        "xxBxxB",
        "__FRRF",
    ),
    "no data is fine, but not at once": Timeline(
        {**BELOW, "no_data": "ok", "keep_firing_for": "2m"},
        "BxxxB",
        "FFFRF",
    ),
    "no data is an alert": Timeline(
        {**BELOW, "no_data": "alert", "for": "2m"},
        ".xxx.",
        "_ppFR",
    ),
    "no data goes on with a breach": Timeline(
        {**BELOW, "no_data": "alert", "for": "2m"},
        "BxB.",
        "ppFR",
    ),
    "a drop is over when it is not significant": Timeline(
        {"drop": True},
        ".BB..",
        "_FFRR",
    ),
    "a restart while nothing is wrong": Timeline(
        {**BELOW, "for": "2m"},
        ".|.BBB",
        "__ppF",
    ),
    "a restart while pending": Timeline(
        {**BELOW, "for": "3m"},
        "BB|BB.",
        "pppFR",
    ),
    "a restart while firing": Timeline(
        BELOW,
        "B|B|.",
        "FFR",
    ),
    "a restart while recovering": Timeline(
        {**BELOW, "keep_firing_for": "3m"},
        "B..|..B",
        "FFFFRF",
    ),
    "a restart after it was resolved": Timeline(
        BELOW,
        "B.|.|B",
        "FRRF",
    ),
    "a restart at every turn": Timeline(
        {**BELOW, "for": "2m", "keep_firing_for": "2m"},
        "|B|B|B|.|B|.|.|.|B",
        "ppFFFFFRp",
    ),
}


def rule_of(fields: dict[str, Any]) -> Rule:
    """A rule about NPS by channel."""
    return Rule.model_validate(
        {"name": "low", "metric": "nps", "window": "1h", "by": ["channel"], **fields}
    )


def reading(mark: str, rule: Rule) -> dict[str, Any]:
    """A reading of a channel that says what a mark means."""
    values = {"B": 20, "s": 20, "i": 20, "?": 20, "=": 30, "-": 32, ".": 60, "x": None}
    value = values[mark]
    if rule.above is not None and value is not None:
        value = 60 - value  # as far on the other side
    fell = mark in "Bs"
    return {
        "metric": "nps",
        "window": "1h",
        "segment": {"channel": "email"},
        "value": value,
        "unit": "points",
        "n": {"x": 0, "?": 49}.get(mark, 50),
        "low": None,
        "high": None,
        "previous": 60,
        "change": None if value is None else value - 60,
        "significant": fell,
        "incomplete": mark == "i",
        "revision": 1,
    }


def played(timeline: Timeline) -> Iterator[tuple[str, Evaluation]]:
    """The state after each minute, and what changed in it."""
    rule = rule_of(timeline.rule)
    evaluator = Evaluator([rule], min_samples=30)
    stored: dict[str, str] = {}
    now_ms = START_MS
    for mark in timeline.read:
        if mark == "|":
            evaluator = Evaluator([rule], min_samples=30)
            evaluator.restore(json.loads(text) for text in stored.values())
            continue
        now_ms += MINUTE_MS
        evaluator.update([reading(mark, rule)])
        evaluation = evaluator.evaluate(now_ms, stale=mark == "s")
        for fingerprint, row in evaluation.stored.items():
            if row is None:
                stored.pop(fingerprint, None)
            else:
                stored[fingerprint] = json.dumps(row)
        states = [json.loads(text)["state"] for text in stored.values()]
        assert len(states) <= 1
        yield STATES[states[0] if states else "inactive"], evaluation


@pytest.mark.parametrize("timeline", TIMELINES.values(), ids=TIMELINES.keys())
def test_a_timeline(timeline: Timeline) -> None:
    assert "".join(state for state, _ in played(timeline)) == timeline.state


@pytest.mark.parametrize("timeline", TIMELINES.values(), ids=TIMELINES.keys())
def test_every_change_is_told_once_and_nothing_else(timeline: Timeline) -> None:
    """However often it restarts: what is told is exactly where the picture changes."""
    told: list[str] = []
    seen: list[str] = []
    before = "_"
    for state, evaluation in played(timeline):
        told += [STATES[row["state"]] for row in evaluation.changes]
        seen += [state] * (state != before)
        before = state
    assert told == seen


@pytest.mark.parametrize("timeline", TIMELINES.values(), ids=TIMELINES.keys())
def test_what_is_told_is_an_alert(timeline: Timeline) -> None:
    for _, evaluation in played(timeline):
        for row in evaluation.changes:
            alert = Alert.model_validate_json(json.dumps(row))
            assert alert.labels["alertname"] == "low"
            assert alert.state != alert.previous_state


def test_times_are_those_of_the_condition() -> None:
    """An alert starts when its condition began to hold, not when it fired."""
    timeline = Timeline({**BELOW, "for": "2m", "keep_firing_for": "1m"}, ".BBB..", "_ppFFR")
    changes = [row for _, evaluation in played(timeline) for row in evaluation.changes]
    minute = [format_rfc3339(START_MS + n * MINUTE_MS) for n in range(7)]
    assert [(c["state"], c["starts_at"], c["since"], c["ends_at"]) for c in changes] == [
        ("pending", minute[2], minute[2], None),
        ("firing", minute[2], minute[4], None),
        ("resolved", minute[2], minute[6], minute[6]),
    ]
