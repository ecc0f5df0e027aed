r"""The life of an alert, as a state machine that is told the time.

::

                 breach                breach for `for`
    inactive ------------> pending -----------------------> firing <--.
        ^                     |                               |       | breach, or between
        |   clear or between  |          clear for            |       | the thresholds
        '---------------------'     `keep_firing_for`         v       |
        ^                                                 [recovering]'
        |                                                     |
        '----------------------- resolved <-------------------'

`resolved` is an `inactive` that remembers what it was: the same breach begins both again.
What decides nothing changes nothing, but time goes on: an alert that waits for `for` or for
`keep_firing_for` moves on only when a reading says so.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from processor.alerting.judging import Judgement
from processor.alerting.rule import Rule


class State(StrEnum):
    """Where an alert is in its life."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Life:
    """An alert's state and its times, in milliseconds of event time.

    Attributes:
        state: where it is.
        since_ms: when it came there.
        starts_at_ms: when the condition began to hold: of a pending, firing or resolved one.
        recovering_since_ms: a firing one: since when its value has recovered, ``None`` if not.
    """

    state: State = State.INACTIVE
    since_ms: int = 0
    starts_at_ms: int = 0
    recovering_since_ms: int | None = None


BORN: Final = Life()


def step(life: Life, rule: Rule, judgement: Judgement, now_ms: int) -> Life:
    """The alert after one more judgement.

    Args:
        life: as it was.
        rule: whose alert it is.
        judgement: of the reading that holds at ``now_ms``.
        now_ms: event time, not before that of the step before: what lies behind it counts as now.

    Returns:
        The same object where nothing changed.
    """
    now_ms = max(now_ms, life.since_ms)
    meaning = _meaning(rule, judgement)
    if meaning is Judgement.UNDECIDED:
        return life
    if life.state is State.FIRING:
        return _firing(life, rule, meaning, now_ms)
    if meaning is Judgement.BREACH:
        return _breached(life, rule, now_ms)
    return Life(State.INACTIVE, now_ms) if life.state is State.PENDING else life


def _meaning(rule: Rule, judgement: Judgement) -> Judgement:
    if judgement is not Judgement.NO_DATA:
        return judgement
    meanings = {
        "keep": Judgement.UNDECIDED,
        "ok": Judgement.CLEAR,
        "alert": Judgement.BREACH,
        "gone": Judgement.UNDECIDED,  # whether it is gone is judged by the window before
    }
    return meanings[rule.no_data]


def _breached(life: Life, rule: Rule, now_ms: int) -> Life:
    began_ms = life.starts_at_ms if life.state is State.PENDING else now_ms
    if now_ms - began_ms >= rule.for_ms:
        return Life(State.FIRING, now_ms, starts_at_ms=began_ms)
    if life.state is State.PENDING:
        return life
    return Life(State.PENDING, now_ms, starts_at_ms=began_ms)


def _firing(life: Life, rule: Rule, meaning: Judgement, now_ms: int) -> Life:
    if meaning is not Judgement.CLEAR:
        if life.recovering_since_ms is None:
            return life
        return replace(life, recovering_since_ms=None)
    began_ms = now_ms if life.recovering_since_ms is None else life.recovering_since_ms
    if now_ms - began_ms >= rule.keep_firing_for_ms:
        return Life(State.RESOLVED, now_ms, starts_at_ms=life.starts_at_ms)
    if life.recovering_since_ms is None:
        return replace(life, recovering_since_ms=now_ms)
    return life
