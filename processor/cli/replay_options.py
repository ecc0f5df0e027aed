"""What ``cxpulse replay`` is asked for, from words to values."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from processor.cli.errors import UsageError
from processor.cli.options import instant_ms

if TYPE_CHECKING:
    from processor.replay import Selection
    from processor.settings import Settings

NOW = "now"


@dataclass(frozen=True, slots=True)
class Pace:
    """How a log's time goes by.

    Attributes:
        speed: seconds of event time in one second; ``None`` for as fast as it goes.
        max_gap_ms: a longer pause takes as long as this one.
        shift_to_ms: when the first event shall have happened; ``None`` for when it did.
    """

    speed: float | None
    max_gap_ms: int | None
    shift_to_ms: int | None


def pace_of(speed: str, max_gap: str | None, shift_to: str | None) -> Pace:
    """The values of ``--speed``, ``--max-gap`` and ``--shift-to``.

    Raises:
        UsageError: naming the option.
    """
    from processor.replay.pacing import parse_speed

    try:
        times = parse_speed(speed)
    except ValueError as error:
        raise UsageError(f"--speed: {error}") from None
    return Pace(
        times,
        duration_ms(max_gap, "--max-gap"),
        None if shift_to is None else _time_ms(shift_to),
    )


def duration_ms(text: str | None, option: str) -> int | None:
    """Milliseconds of a duration such as ``5s``; ``None`` for what was not given.

    Raises:
        UsageError: naming the option.
    """
    from processor.core.panes import parse_duration_ms

    try:
        return None if text is None else parse_duration_ms(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def settings_of(windows: str | None, by: list[str] | None) -> "Settings":
    """The configuration, with the windows and segments that were asked for.

    Raises:
        UsageError: the windows cannot be planned.
    """
    from processor.core.panes import plan_windows
    from processor.settings import load_settings

    chosen: dict[str, Any] = {}
    if windows is not None:
        names = tuple(name.strip() for name in windows.split(","))
        try:
            plan_windows(names)
        except ValueError as error:
            raise UsageError(f"--windows: {error}") from None
        chosen["windows"] = names
    if by is not None:
        chosen["segments"] = tuple(tuple(names.split(",")) for names in by)
    return load_settings(**({"engine": chosen} if chosen else {}))


def selection_of(
    from_: str | None, to: str | None, where: list[str], types: list[str]
) -> "Selection":
    """Which events take part.

    Raises:
        UsageError: naming the option.
    """
    from processor.replay import Selection
    from schemas.events import EventType

    unknown = [name for name in types if name not in set(EventType)]
    if unknown:
        raise UsageError(
            f"--type: unknown event type {', '.join(unknown)}; there are {', '.join(EventType)}"
        )
    pairs = [text.partition("=") for text in where]
    for name, _, value in pairs:
        if not (name and value):
            raise UsageError("--where: write dim=value, such as channel=email")
    return Selection(
        from_ms=None if from_ is None else instant_ms(from_, "--from"),
        to_ms=None if to is None else instant_ms(to, "--to"),
        where={name: value for name, _, value in pairs},
        types=frozenset(map(EventType, types)),
    )


def _time_ms(text: str) -> int:
    import time

    return time.time_ns() // 1_000_000 if text == NOW else instant_ms(text, "--shift-to")
