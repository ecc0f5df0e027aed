"""Readings, and rules over them, as tests of alerts need them."""

from collections.abc import Mapping
from typing import Any, Final

from processor.alerting.rule import Rule

START_MS: Final = 1_772_000_000_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS


def rule_of(**fields: Any) -> Rule:
    """A rule about NPS of an hour; ``for_`` stands for ``for``."""
    base = {"name": "low", "metric": "nps", "window": "1h", "min_samples": 30}
    condition = {} if {"above", "drop", "rise"} & fields.keys() else {"below": 30}
    return Rule.model_validate({**base, **condition, **fields})


def reading_of(value: float | None, segment: Mapping[str, str] | None = None, **fields: Any) -> Any:
    """A reading of NPS of an hour, of 50 answers unless told."""
    return {
        "metric": "nps",
        "window": "1h",
        "segment": dict(segment or {}),
        "value": value,
        "unit": "points",
        "n": 0 if value is None else 50,
        "low": None,
        "high": None,
        "confidence": 0.95,
        "previous": None,
        "change": None,
        "significant": None,
        "incomplete": False,
        "revision": 1,
        **fields,
    }


def changed(value: float, before: float, **fields: Any) -> Any:
    """A reading that says how the window before was; significantly different unless told."""
    return reading_of(
        value, **{"previous": before, "change": value - before, "significant": True, **fields}
    )
