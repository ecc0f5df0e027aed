"""A replay in one call, for notebooks and tests."""

import dataclasses
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack, cast

from processor.core.panes import parse_duration_ms
from processor.replay.counting import (
    EngineOptions,
    Metrics,
    Modules,
    When,
    counting,
    instant_ms,
)
from processor.replay.interactive import EventLike, encoded
from processor.replay.outcome import Rejects
from processor.replay.player import replay
from processor.replay.readings import Readings
from processor.replay.selection import Selection
from processor.settings import Settings
from schemas.events import EventType


class PlayerOptions(TypedDict, total=False):
    """How a log is played: see :func:`~processor.replay.player.replay`.

    None of them changes a reading.
    """

    partitions: int
    batch_lines: int


_PLAYER = PlayerOptions.__optional_keys__


class ReplayOptions(EngineOptions, PlayerOptions, total=False):
    """All further options of a replay."""


def replay_log(
    *paths: str | os.PathLike[str],
    windows: Iterable[str] | None = None,
    by: Iterable[Sequence[str]] | None = None,
    every: str | None = None,
    since: When | None = None,
    until: When | None = None,
    where: Mapping[str, str] | None = None,
    types: Iterable[str] = (),
    now: When | None = None,
    lateness_ms: int | None = None,
    metrics: Metrics | None = None,
    modules: Modules = (),
    settings: Settings | None = None,
    rejects: Rejects | None = None,
    speed: float | None = None,
    max_gap: str | None = None,
    shift_to: When | None = None,
    **options: Unpack[ReplayOptions],
) -> Readings:
    """The readings of event logs, as dictionaries in the contract's order.

    Args:
        paths: event logs: `.jsonl`, `.jsonl.gz`, `.jsonl.zst`, `.parquet`, or `-` for standard
            input.
        windows: such as `1h` and `24h`; the configured or default ones where left out.
        by: dimensions, or sets of them, to break readings down by; the whole is always there.
        every: event time between readings, such as `10s`; without it only those at the end.
        since: the earliest `occurred_at`: RFC 3339, or a datetime with a time zone.
        until: the end of `occurred_at`, not included.
        where: dimension → value that events must have.
        types: event types that take part; all where there are none.
        now: the time that events may not be far ahead of; the clock where left out.
        lateness_ms: how late an event may be; or ``lateness="2m"``.
        metrics: those to read, by name, or a catalogue; all there are where left out.
        modules: metrics of one's own: ``.py`` files or names of installed modules.
        settings: a configuration, as of :func:`~processor.settings.load_settings`; without one
            the defaults, whatever files and variables there are.
        rejects: takes the lines that are refused.
        speed: seconds of event time in one second; as fast as it goes where left out.
        max_gap: with a speed, a pause of the log that is longer takes as long as this.
        shift_to: when the first event shall have happened: all times of all events are moved by as
            much, and with them the readings'.
        options: settings of the table ``[engine]``, such as ``session_timeout="10m"``, and those
            of :class:`PlayerOptions`.

    Returns:
        The readings; their ``summary`` says what became of every line.

    Raises:
        LogError: a log cannot be read to its end.
        ShiftError: a moved time would be before 1970 or after 9998.
        ValueError: an argument that is no duration, date-time or event type, a setting that is
            not usable, or a module that fails.
        UnknownMetric: a name that no metric has.

    >>> import json, tempfile
    >>> scores = [10] * 9 + [7] * 7 + [3] * 4
    >>> with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as log:
    ...     for i, score in enumerate(scores):
    ...         event = {"type": "survey_response", "event_id": str(i), "survey": "nps",
    ...                  "score": score, "occurred_at": f"2026-03-01T12:00:{i:02}Z"}
    ...         print(json.dumps(event), file=log, flush=True)
    ...     rows = replay_log(log.name, windows=["1h"])
    >>> [(row["value"], row["n"]) for row in rows if row["metric"] == "nps"]
    [(25.0, 20)]
    >>> rows.value("nps", "1h")
    25.0
    """
    selection = Selection(
        from_ms=None if since is None else instant_ms(since),
        to_ms=None if until is None else instant_ms(until),
        where=where or {},
        types=frozenset(map(EventType, types)),
    )
    player = {name: options.pop(name) for name in _PLAYER if name in options}  # type: ignore[misc]
    chosen = counting(
        windows=windows,
        by=by,
        modules=modules,
        metrics=metrics,
        settings=settings,
        options=options,
    )
    if lateness_ms is not None:
        chosen = dataclasses.replace(
            chosen, config=dataclasses.replace(chosen.config, lateness_ms=lateness_ms)
        )
    result = replay(
        paths,
        config=chosen.config,
        metrics=chosen.metrics,
        every_ms=None if every is None else parse_duration_ms(every),
        final=every is None,
        now_ms=None if now is None else instant_ms(now),
        selection=selection,
        rejects=rejects,
        low_sample_under=chosen.low_sample_under,
        own=chosen.own,
        speed=speed,
        max_gap_ms=None if max_gap is None else parse_duration_ms(max_gap),
        shift_to_ms=None if shift_to is None else instant_ms(shift_to),
        **cast("PlayerOptions", player),
    )
    return Readings(result, summary=result.summary)


def replay_events(events: Iterable[EventLike], **options: Any) -> Readings:
    """The readings of events at hand: what :func:`replay_log` says of a log of them.

    Args:
        events: in order of arrival: dictionaries, models of :mod:`schemas.events`, or raw JSON
            of one line.
        options: those of :func:`replay_log`.

    Raises:
        TypeError: something that is no event.
        ValueError: as for :func:`replay_log`, or raw JSON of several lines.
    """
    lines = [encoded(event) for event in events]
    for number, line in enumerate(lines, 1):
        if b"\n" in line:
            raise ValueError(f"event {number}: raw JSON must be one line, as in a log")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "events.jsonl"
        log.write_bytes(b"".join(line + b"\n" for line in lines))
        return replay_log(log, **options)
