"""How a value compares with its target, in a word and in the words of the field."""

from typing import Final, Literal, TypedDict

from processor.settings import Target

_TO: Final = "\N{EN DASH}"

Level = Literal["good", "fair", "poor"]


class Compared(TypedDict):
    """How a value compares.

    Attributes:
        level: good, fair or poor.
        label: the band that it is in, such as ``above 70 excellent``.
    """

    level: Level
    label: str


def level_of(value: float | None, target: Target) -> Compared | None:
    """Compare a value with its target; ``None`` where there is no value.

    Examples:
        >>> nps = Target(fair=0, fair_inclusive=False, good=50, good_to=80, excellent=70)
        >>> level_of(70.5, nps)
        {'level': 'good', 'label': 'above 70 excellent'}
        >>> level_of(0, nps)
        {'level': 'poor', 'label': '0 and under poor'}
        >>> level_of(40, Target(better="lower", good=40))
        {'level': 'poor', 'label': '40 and up poor'}
    """
    if value is None:
        return None
    return _higher(value, target) if target.better == "higher" else _lower(value, target)


def _higher(value: float, target: Target) -> Compared:
    good, fair = target.good, target.fair
    if target.excellent is not None and value > target.excellent:
        return Compared(level="good", label=f"above {target.excellent:g} excellent")
    if value >= good:
        if target.good_to is not None and value > target.good_to:
            return Compared(level="good", label=f"above {target.good_to:g} good")
        band = f"{good:g} and up" if target.good_to is None else f"{good:g}{_TO}{target.good_to:g}"
        return Compared(level="good", label=f"{band} good")
    if fair is None:
        return Compared(level="poor", label=f"under {good:g} poor")
    if value > fair or (value == fair and target.fair_inclusive):
        band = f"{fair:g}{_TO}{good:g}" if target.fair_inclusive else f"above {fair:g}"
        return Compared(level="fair", label=f"{band} fair")
    under = f"under {fair:g}" if target.fair_inclusive else f"{fair:g} and under"
    return Compared(level="poor", label=f"{under} poor")


def _lower(value: float, target: Target) -> Compared:
    good, fair = target.good, target.fair
    if target.excellent is not None and value < target.excellent:
        return Compared(level="good", label=f"under {target.excellent:g} excellent")
    if value < good:
        if target.good_to is not None and value < target.good_to:
            return Compared(level="good", label=f"under {target.good_to:g} good")
        band = f"under {good:g}" if target.good_to is None else f"{target.good_to:g}{_TO}{good:g}"
        return Compared(level="good", label=f"{band} good")
    if fair is None:
        return Compared(level="poor", label=f"{good:g} and up poor")
    if value < fair or (value == fair and target.fair_inclusive):
        return Compared(level="fair", label=f"{good:g}{_TO}{fair:g} fair")
    return Compared(level="poor", label=f"above {fair:g} poor")
