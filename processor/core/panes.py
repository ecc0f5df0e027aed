"""Panes and windows: the slice of event time a count belongs to, and the slices of a window.

A **pane** is the half-open interval ``[start, start + pane_ms)``, aligned to the epoch. A
**window** at event time *t* is the panes that cover ``(t - size, t]``: it ends at the end of the
pane that holds *t* and slides by one pane. A **tier** is one pane length that several windows
share. All times are milliseconds since the epoch.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

PANES_PER_WINDOW_MIN: Final = 60
"""A pane is at most a sixtieth of its window."""

PANES_PER_WINDOW_MAX: Final = 400
"""A window uses a finer tier that exists already rather than a new one, up to this many panes:
one tier fewer to write for every event, for a few more panes to hold in memory."""

_UNITS: Final = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_PANE_LENGTHS: Final = tuple(
    sorted(
        [n * SECOND_MS for n in (1, 2, 5, 10, 15, 20, 30)]
        + [n * MINUTE_MS for n in (1, 2, 5, 10, 15, 20, 30)]
        + [n * HOUR_MS for n in (1, 2, 3, 4, 6, 8, 12)]
        + [DAY_MS],
        reverse=True,
    )
)


def parse_duration_ms(text: str) -> int:
    """Milliseconds of a duration such as ``90s``, ``5m``, ``24h`` or ``30d``.

    Raises:
        ValueError: if the text is not a whole positive number followed by s, m, h or d.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write a whole number and s, m, h or d (24h)")
    return int(match[1]) * _UNITS[match[2]]


def pane_start(time_ms: int, pane_ms: int) -> int:
    """The start of the pane that holds ``time_ms``."""
    return time_ms - time_ms % pane_ms


@dataclass(frozen=True, slots=True)
class Window:
    """One window size and the pane it slides by.

    Attributes:
        name: as configured and published, e.g. ``24h``.
        size_ms: the window's length.
        pane_ms: the length of its panes; ``size_ms`` is a multiple of it.
    """

    name: str
    size_ms: int
    pane_ms: int

    def __post_init__(self) -> None:
        if self.size_ms % self.pane_ms:
            raise ValueError(f"window {self.name}: not a multiple of its pane, {self.pane_ms} ms")
        if self.pane_ms * PANES_PER_WINDOW_MIN > self.size_ms:
            raise ValueError(f"window {self.name}: its pane is more than a sixtieth of it")

    def end(self, time_ms: int) -> int:
        """The exclusive end of the window at event time ``time_ms``."""
        return pane_start(time_ms, self.pane_ms) + self.pane_ms


def _largest_pane(name: str, size_ms: int) -> int:
    for length in _PANE_LENGTHS:
        if length * PANES_PER_WINDOW_MIN <= size_ms and size_ms % length == 0:
            return length
    raise ValueError(f"window {name}: the shortest window is 60s, in whole seconds")


def plan_windows(names: Iterable[str]) -> tuple[Window, ...]:
    """Windows in ascending size, each with its pane, sharing as few tiers as sensible.

    Raises:
        ValueError: for a name that is no duration, a window under a minute, or none at all.

    >>> [(w.name, w.pane_ms // 1000) for w in plan_windows(["1m", "5m", "1h", "24h", "7d", "30d"])]
    [('1m', 1), ('5m', 1), ('1h', 60), ('24h', 1200), ('7d', 7200), ('30d', 7200)]
    """
    sizes = sorted({parse_duration_ms(name): name for name in names}.items())
    if not sizes:
        raise ValueError("no windows: name at least one, for example 1h")
    windows: list[Window] = []
    for size_ms, name in sizes:
        largest = _largest_pane(name, size_ms)
        shared = [
            w.pane_ms
            for w in windows
            if size_ms % w.pane_ms == 0 and size_ms <= w.pane_ms * PANES_PER_WINDOW_MAX
        ]
        windows.append(Window(name, size_ms, max(shared, default=largest)))
    return tuple(windows)


@dataclass(frozen=True, slots=True)
class Tier:
    """One pane length and how long its panes are kept.

    Attributes:
        pane_ms: the length of its panes.
        retention_ms: a pane is dropped when it ended this long before the event clock. Twice the
            longest window on the tier (the window and the one before it), and a pane.
    """

    pane_ms: int
    retention_ms: int

    def keeps(self, start_ms: int, clock_ms: int) -> bool:
        """Whether the pane from ``start_ms`` is still of use at event time ``clock_ms``."""
        return start_ms + self.pane_ms + self.retention_ms > clock_ms


def tiers_of(windows: Sequence[Window]) -> tuple[Tier, ...]:
    """The tiers that the windows need, finest first."""
    longest: dict[int, int] = {}
    for window in windows:
        longest[window.pane_ms] = max(longest.get(window.pane_ms, 0), window.size_ms)
    return tuple(Tier(pane, 2 * size + pane) for pane, size in sorted(longest.items()))
