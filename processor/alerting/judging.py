"""What one reading says about one rule: a breach, a recovery, or nothing that decides.

A threshold with a recovery threshold of its own leaves a band between them, in which a firing alert
goes on and no alert begins::

    below = 30, recovers_at = 35

        value   20 ......... 30 ......... 35 ......... 60
                |  BREACH    |  BETWEEN   |  CLEAR
                   < 30        30 <= v < 35   >= 35

A reading decides nothing when it cannot be relied on: too few samples, events of its window that
may be missing, or a watermark that hangs behind. Whether nothing at all was observed is a thing of
its own, since rules differ in what they make of it; where events may be missing it is not known.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from processor.alerting.rule import Rule


class Judgement(StrEnum):
    """What a reading says about a rule."""

    BREACH = "breach"
    BETWEEN = "between"
    CLEAR = "clear"
    NO_DATA = "no_data"
    UNDECIDED = "undecided"


def judge(rule: Rule, reading: Mapping[str, Any] | None, *, min_samples: int) -> Judgement:
    """What a reading says about a rule.

    A provisional reading decides like any other: a live window ends at the latest event, so its
    readings are all provisional. That late events may still change it is what ``for`` is there for.

    Args:
        rule: the rule.
        reading: as JSON-ready fields; ``None`` where there is none.
        min_samples: fewer observations than this decide nothing, where the rule does not say.
    """
    if reading is not None and reading.get("incomplete", False):
        return Judgement.UNDECIDED
    if reading is None or reading["value"] is None:
        return _judge_nothing(rule, reading)
    needed = min_samples if rule.min_samples is None else rule.min_samples
    if reading["n"] < needed:
        return Judgement.UNDECIDED
    if rule.drop or rule.rise:
        return _judge_change(rule, reading)
    return _judge_value(rule, float(reading["value"]))


def _judge_nothing(rule: Rule, reading: Mapping[str, Any] | None) -> Judgement:
    if rule.no_data != "gone":
        return Judgement.NO_DATA
    was = None if reading is None else reading.get("previous")
    return Judgement.UNDECIDED if was is None else Judgement.BREACH


def _judge_change(rule: Rule, reading: Mapping[str, Any]) -> Judgement:
    change, significant = reading.get("change"), reading.get("significant")
    if change is None:
        return Judgement.UNDECIDED  # the window before holds nothing to compare with
    if significant is None:
        if reading.get("confidence") is not None or not _has_size(rule):
            return Judgement.UNDECIDED
        significant = True  # there is no interval to ask: the size decides
    moved = -change if rule.drop else change
    if significant and moved > 0 and _is_large(rule, moved, reading.get("previous")):
        return Judgement.BREACH
    return Judgement.CLEAR


def _has_size(rule: Rule) -> bool:
    return bool(rule.min_change or rule.min_change_percent)


def _is_large(rule: Rule, moved: float, before: float | None) -> bool:
    if moved < rule.min_change:
        return False
    # Of nothing anything is more than any share.
    return not rule.min_change_percent or 100 * moved >= rule.min_change_percent * abs(before or 0)


def _judge_value(rule: Rule, value: float) -> Judgement:
    if rule.below is not None:
        if value < rule.below:
            return Judgement.BREACH
        back = rule.below if rule.recovers_at is None else rule.recovers_at
        return Judgement.CLEAR if value >= back else Judgement.BETWEEN
    if rule.above is None:
        raise AssertionError("a rule has a condition")
    if value > rule.above:
        return Judgement.BREACH
    back = rule.above if rule.recovers_at is None else rule.recovers_at
    return Judgement.CLEAR if value <= back else Judgement.BETWEEN
