"""What a replay shows while it runs, and tells at its end: to stderr, for a person."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from processor.cli.terminal import say

if TYPE_CHECKING:
    from processor.replay.forecast import Forecast
    from processor.replay.log import Position
    from processor.replay.outcome import Reject, Summary

_PER_SECOND: Final = 4
_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400


@contextmanager
def progress(position: "Position", *, hidden: bool = False) -> Iterator[None]:
    """Show how far a run has read, until it is over; nothing where stderr is no terminal.

    Args:
        position: is looked at a few times a second.
        hidden: show nothing, as where the readings themselves go to the terminal.
    """
    if hidden or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    began_s = time.monotonic()
    with Live(
        get_renderable=lambda: Text(progress_line(position, time.monotonic() - began_s)),
        console=Console(stderr=True),
        refresh_per_second=_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield


def progress_line(position: "Position", seconds: float) -> str:
    """How far a run is after so many seconds.

    >>> from processor.replay.log import Position
    >>> progress_line(Position(bytes_total=1000, bytes_read=250, lines=60_000), 2.0)
    '25 %, 60,000 lines, 30,000 a second, 6 s left'
    >>> progress_line(Position(lines=60_000), 2.0)
    '60,000 lines, 30,000 a second'
    """
    rate = position.lines / seconds if seconds > 0 else 0.0
    said = f"{position.lines:,} lines, {rate:,.0f} a second"
    if not position.bytes_total:
        return said
    share = min(1.0, position.bytes_read / position.bytes_total)
    left = f", {span_of(seconds / share - seconds)} left" if share else ""
    return f"{share:.0%}, {said}{left}".replace("%", " %", 1)


def span_of(seconds: float) -> str:
    """A length of time for a person.

    >>> [span_of(s) for s in (0.01, 0.3, 42, 250, 30_000, 250_000)]
    ['under 0.1 s', '0.3 s', '42 s', '4 min 10 s', '8 h 20 min', '2 d 21 h']
    """
    if seconds < 0.1:  # noqa: PLR2004 - below that nothing is measured
        return "under 0.1 s"
    if seconds < 10:  # noqa: PLR2004 - below that tenths tell something
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    for size, name, smaller, its_name in (
        (_DAY_S, "d", _HOUR_S, "h"),
        (_HOUR_S, "h", _MINUTE_S, "min"),
        (_MINUTE_S, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name}" + (f" {rest} {its_name}" if rest else "")
    return f"{whole} s"


def say_what_became(summary: "Summary") -> None:
    """One line about all of them, and the first of those that were refused."""
    outcomes = ("counted", "repeats", "rejected", "late")
    found = ", ".join(f"{summary.total(name)} {name}" for name in outcomes if summary.total(name))
    say(
        f"{summary.lines} lines in {summary.seconds:.1f} s: {found or 'nothing to count'}; "
        f"{summary.readings} readings"
    )
    say_refused(summary.shown)


def say_refused(shown: "list[Reject]") -> None:
    """Where the first lines are that were refused, and why."""
    for reject in shown:
        say(f"{reject.file}:{reject.line}: {reject.code}: {reject.message}")


def told(forecast: "Forecast") -> str:
    """What a replay would meet, as lines for a person."""
    from schemas.timestamps import format_rfc3339

    lines: list[tuple[str, str]] = [("events", f"{forecast.events.total():,}")]
    lines += [(f"  {name}", f"{n:,}") for name, n in forecast.events.most_common()]
    if forecast.earliest_ms is not None and forecast.latest_ms is not None:
        lines += [
            ("first", format_rfc3339(forecast.earliest_ms)),
            ("last", format_rfc3339(forecast.latest_ms)),
            ("time", span_of((forecast.latest_ms - forecast.earliest_ms) / 1000)),
        ]
    lines.append(("invalid", f"{forecast.invalid.total():,}"))
    lines += [(f"  {code}", f"{n:,}") for code, n in forecast.invalid.most_common()]
    if forecast.filtered:
        lines.append(("filtered out", f"{forecast.filtered:,}"))
    if forecast.seconds is not None:
        lines.append(("would take about", span_of(forecast.seconds)))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)
