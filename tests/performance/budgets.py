"""The budgets: what each measure may come to, and what is said of one that does not keep to it."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("budgets.json")
WRITTEN_ON: Final = (3, 11)
"""The Python that the budgets are of: the oldest that is supported."""

_OVER: Final = 1.05
"""More of the budget than this is too much. The numbers are exact: this is room for a line of code,
not for noise."""
_TIME_OVER: Final = 1.25
"""The same for a ratio of times, which other processors share out otherwise."""
_UNDER: Final = 0.8
"""Less of the budget than this, and it guards nothing any more."""
_NEARLY_NOTHING: Final = 0.01
"""A batch's own calls, spread over its events: not worth a word."""

_STEPS_OF_PYTHON: Final[Mapping[tuple[int, int], float]] = {
    (3, 11): 1.0,
    (3, 12): 0.92,
    (3, 13): 0.87,
}
"""Bytecode instructions of the same work as a share of those of 3.11, within 0.03 for each measure.
The other numbers are the same on all."""


def stored() -> dict[str, float]:
    """The budgets by name."""
    found: dict[str, float] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def store(budgets: Mapping[str, float]) -> None:
    """Writes the budgets, in order of their names."""
    text = json.dumps({name: _shortened(n) for name, n in sorted(budgets.items())}, indent=2)
    FILE.write_text(text + "\n", encoding="utf-8")


def is_time(name: str) -> bool:
    """Whether a measure is one of time, which whatever else a machine does can only make larger."""
    return name.startswith("ratio.")


def judge(name: str, measured: float, budget: float) -> str | None:
    """What is wrong with a measure, ``None`` where it keeps to its budget.

    Args:
        name: of the measure.
        measured: what it came to.
        budget: what it may come to, on the Python that the budgets are of.
    """
    allowed = budget * _share_here(name)
    if measured > allowed * (_TIME_OVER if is_time(name) else _OVER) + _NEARLY_NOTHING:
        return (
            f"{name}: {measured:.4g}, {_percent(measured, allowed)} over its budget of "
            f"{allowed:.4g}. If that is what it is worth, `make budgets` writes it down"
        )
    if not is_time(name) and measured < allowed * _UNDER - _NEARLY_NOTHING:
        return (
            f"{name}: {measured:.4g}, {_percent(measured, allowed)} under its budget of "
            f"{allowed:.4g}. Keep what was won: `make budgets` tightens it"
        )
    return None


def differences(old: Mapping[str, float], new: Mapping[str, float]) -> list[str]:
    """A line for each budget that would be another."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            lines.append(f"{name}: {_or_none(before)} -> {_or_none(after)}")
        elif _shortened(before) != _shortened(after):
            change = f" ({100 * (after / before - 1):+.1f} %)" if before else ""
            lines.append(f"{name}: {before:.4g} -> {after:.4g}{change}")
    return lines


def _share_here(name: str) -> float:
    if "steps" not in name:
        return 1.0
    # A later Python does with fewer: that of the latest that was measured is near enough.
    version = min(sys.version_info[:2], max(_STEPS_OF_PYTHON))
    return _STEPS_OF_PYTHON[version]


def _percent(measured: float, allowed: float) -> str:
    return f"{100 * abs(measured / allowed - 1):.0f} %" if allowed else "all"


def _or_none(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _shortened(value: float) -> float:
    return float(f"{value:.4g}")
