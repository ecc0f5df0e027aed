"""Alerts over time, drawn in plain characters: a line for each alert.

::

    alert            2026-03-01T12:00:00Z                  2026-03-01T13:00:00Z
    low channel=web  ..........----------#######################...............

A column is a slice of time, and shows the most that was the case within it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from processor.cli.tables import instant
from processor.replay.alerting import Episode
from schemas.readings import segment_key

QUIET: Final = "."
PENDING: Final = "-"
FIRING: Final = "#"

LEGEND: Final = f"{PENDING} pending, {FIRING} firing; times are UTC"

_NARROWEST: Final = 20
_NAME_SHARE: Final = 2
"""Names take at most one part in so many of the width."""


def subject_of(episode: Episode) -> str:
    """What an alert is about: rule, segment and currency."""
    parts = [episode.rule]
    if episode.segment:
        parts.append(segment_key(episode.segment))
    if episode.currency is not None:
        parts.append(episode.currency)
    return " ".join(parts)


def timeline(
    episodes: Sequence[Episode], first_ms: int, latest_ms: int, *, width: int, lines: int
) -> list[str]:
    """Draw episodes: a line for each alert, in the order in which they began.

    Args:
        episodes: of any number of alerts.
        first_ms: where the axis begins.
        latest_ms: where it ends; not before that.
        width: of the terminal, in characters; a drawing takes a few dozen at least.
        lines: the most alerts to draw.

    Returns:
        The axis, and a line for each alert; nothing where there are no episodes.
    """
    by_alert: dict[str, list[Episode]] = {}
    for episode in episodes:
        by_alert.setdefault(episode.fingerprint, []).append(episode)
    if not by_alert:
        return []
    drawn = list(by_alert.values())[:lines]
    names = [subject_of(of_alert[0]) for of_alert in drawn]
    longest = min(max(map(len, names)), width // _NAME_SHARE)
    columns = max(_NARROWEST, width - longest - 2)
    axis = _axis(first_ms, latest_ms, columns)
    return [
        f"{'':<{longest}}  {axis}",
        *(
            f"{_cut(name, longest):<{longest}}  {_marks(of_alert, first_ms, latest_ms, columns)}"
            for name, of_alert in zip(names, drawn, strict=True)
        ),
    ]


def _marks(episodes: Iterable[Episode], first_ms: int, latest_ms: int, columns: int) -> str:
    span_ms = max(1, latest_ms - first_ms)

    def column(time_ms: int) -> int:
        return min(columns - 1, max(0, (time_ms - first_ms) * columns // span_ms))

    marks = [QUIET] * columns
    for episode in episodes:
        ended_ms = latest_ms if episode.ended_at_ms is None else episode.ended_at_ms
        fired_ms = episode.fired_at_ms
        for at in range(column(episode.pending_at_ms), column(ended_ms) + 1):
            if marks[at] == QUIET:
                marks[at] = PENDING
        if fired_ms is not None:
            firing = range(column(fired_ms), column(ended_ms) + 1)
            marks[firing.start : firing.stop] = FIRING * len(firing)
    return "".join(marks)


def _axis(first_ms: int, latest_ms: int, columns: int) -> str:
    begins, ends = instant(first_ms), instant(latest_ms)
    room = columns - len(begins) - len(ends)
    return f"{begins}{' ' * room}{ends}" if room > 0 else begins


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."
