"""The engine by hand: events in, the clock moved, readings at any time."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Unpack

from pydantic import BaseModel

from processor.core.panes import SECOND_MS, parse_duration_ms
from processor.metrics.present import Row
from processor.replay.counting import (
    EngineOptions,
    Metrics,
    Modules,
    When,
    counting,
    instant_ms,
)
from processor.replay.inproc import InProcessEngine
from processor.replay.outcome import Reject
from processor.replay.readings import Readings
from processor.settings import Settings
from schemas.timestamps import MAX_MS, format_rfc3339, from_ms, to_ms

EventLike = Mapping[str, Any] | BaseModel | bytes | str
"""An event: a dictionary, a model of :mod:`schemas.events`, or its JSON."""

SENT: Final = "sent"
"""In a refusal, what stands for the name of a log."""


class RefusedEventsError(ValueError):
    """Events were refused; the others of the same call are counted.

    Attributes:
        rejects: which and why: ``line`` is the place in the call, from 1.
    """

    def __init__(self, rejects: Sequence[Reject]) -> None:
        self.rejects = tuple(rejects)
        super().__init__(
            "\n".join(f"event {one.line}: {one.code}: {one.message}" for one in rejects)
        )


class Engine:
    """Counts events and gives readings, without Kafka, Redis or a clock.

    Events move the event clock as they come, and `advance` moves it when none do: windows slide
    and sessions close. A reading at a time says what ``cxpulse replay --every`` says of that time.

    >>> engine = Engine(windows=["1h"])
    >>> for number, score in enumerate([10, 9, 9, 3]):
    ...     _ = engine.send({
    ...         "type": "survey_response", "survey": "nps", "score": score,
    ...         "event_id": f"e{number}", "occurred_at": "2026-03-01T12:00:00Z",
    ...     })
    >>> engine.readings().value("nps")
    50.0
    >>> engine.advance("61m").value("nps") is None
    True

    Args:
        windows: such as `1h` and `24h`; the configured or default ones where left out.
        by: dimensions, or sets of them, to break readings down by.
        modules: metrics of one's own: ``.py`` files or names of installed modules.
        metrics: those to read; all where left out.
        settings: a configuration, as of :func:`~processor.settings.load_settings`; without one
            the defaults, whatever files and variables there are.
        partitions: partitions per event type; the readings are the same for any number.
        options: settings of the table ``[engine]``, such as ``lateness="5m"``.

    Raises:
        ValueError: a setting that is not usable, or a module that fails.
        UnknownMetric: a name that no metric has.
    """

    def __init__(
        self,
        *,
        windows: Iterable[str] | None = None,
        by: Iterable[Sequence[str]] | None = None,
        modules: Modules = (),
        metrics: Metrics | None = None,
        settings: Settings | None = None,
        partitions: int = 1,
        **options: Unpack[EngineOptions],
    ) -> None:
        chosen = counting(
            windows=windows,
            by=by,
            modules=modules,
            metrics=metrics,
            settings=settings,
            options=options,
        )
        self._engine = _ReadableEngine(
            chosen.config,
            chosen.metrics,
            partitions=partitions,
            low_sample_under=chosen.low_sample_under,
            own=chosen.own,
        )
        self._by_hand_ms = 0
        self._revision = 0

    @property
    def now(self) -> datetime | None:
        """The event clock, to the second, in UTC; ``None`` before there is any time."""
        now_ms = self._now_ms
        return from_ms(now_ms) if now_ms else None

    @property
    def open_sessions(self) -> int:
        """Sessions with an action and no close yet."""
        return self._engine.open_sessions

    @property
    def outcomes(self) -> Mapping[str, Counter[str]]:
        """Event type → how many events by outcome: ``counted``, ``repeats``, ``rejected``.

        As of the last readings.
        """
        return self._engine.outcomes

    def send(
        self,
        *events: EventLike | Iterable[EventLike],
        now: When | None = None,
        strict: bool = True,
    ) -> list[Reject]:
        """Take in events, in order of arrival: one, several, or lists of them.

        Args:
            events: dictionaries, models of :mod:`schemas.events`, or raw JSON. In a dictionary a
                datetime with a time zone may stand for its text, and a Decimal for a number.
            now: the time that events may not be far ahead of; any time will do where left out.
            strict: refused events are an error.

        Returns:
            What was refused and why; with ``strict`` there is none.

        Raises:
            RefusedEventsError: with ``strict``, after everything else is counted.
            TypeError: something that is no event and no list of them.
            ValueError: a time without a time zone.
        """
        lines = [encoded(event) for event in each_event(events)]
        now_ms = _LATEST_NOW_MS if now is None else instant_ms(now)
        rejects = [
            Reject(SENT, refused.position + 1, error.code, error.field, error.message)
            for refused in self._engine.fold(lines, now_ms)
            for error in (refused.error,)
        ]
        if strict and rejects:
            raise RefusedEventsError(rejects)
        return rejects

    def advance(self, by: str | timedelta | None = None, *, to: When | None = None) -> Readings:
        """Let time pass without events.

        What is sent later with an earlier time is late: it still counts, as it does live.

        Args:
            by: how long, such as `30m`; from the event clock.
            to: or until when.

        Returns:
            The readings then.

        Raises:
            ValueError: neither or both are given, the time would go back, or there is none yet to
                go on from.
        """
        if (by is None) == (to is None):
            raise ValueError("say how long time passes, or with `to` until when")
        now_ms = self._now_ms
        if to is not None:
            time_ms = instant_ms(to)
        elif not now_ms:
            raise ValueError("there is no time yet to go on from: send an event, or say `to`")
        else:
            assert by is not None  # one of them is given
            time_ms = now_ms + _duration_ms(by)
        if time_ms < now_ms:
            raise ValueError(
                f"time does not go back: it is {format_rfc3339(now_ms)}, "
                f"and was to be {format_rfc3339(time_ms)}"
            )
        self._by_hand_ms = time_ms
        self._engine.settle(time_ms)
        return self.readings()

    def readings(self) -> Readings:
        """All readings at the event clock; none before there is any time.

        Sessions that may still go on are in no rate; `advance` closes them in time.
        """
        self._revision += 1
        return Readings(self._engine.everything(self._now_ms, self._revision).values())

    def changed(self) -> Readings:
        """The readings that say something new since they were last asked for this way."""
        if not self._now_ms:
            return Readings()
        self._revision += 1
        return Readings(self._engine.changed(self._now_ms, self._revision).values())

    def close(self) -> Readings:
        """The readings at the end of a log: all sessions are closed, nothing is to come any more.

        As ``cxpulse replay --final`` writes them, if the clock was not moved by hand.
        """
        self._revision += 1
        if self._by_hand_ms > self._engine.clock_ms:
            self._engine.advance(self._by_hand_ms)
        return Readings(self._engine.final(self._revision).values())

    @property
    def _now_ms(self) -> int:
        return max(self._by_hand_ms, self._engine.clock_ms)


class _ReadableEngine(InProcessEngine):
    """Gives all readings at any time, not only those that changed or those at the end."""

    def everything(self, time_ms: int, revision: int) -> dict[str, Row]:
        """Every reading there is at ``time_ms``, by key in order."""
        if not time_ms:
            return {}
        self._gather()
        self.totals.advance(time_ms)
        return self._presenter.everything(time_ms, revision)


_LATEST_NOW_MS: Final = MAX_MS - 366 * 86_400 * SECOND_MS
"""Late enough for any event, with room for the allowed skew behind it."""


def encoded(event: EventLike) -> bytes:
    """An event as it goes on the wire.

    Raises:
        TypeError: it is none of what an event may be, or holds what has no JSON.
        ValueError: a datetime without a time zone.
    """
    if isinstance(event, bytes):
        return event
    if isinstance(event, str):
        return event.encode()
    if isinstance(event, BaseModel):
        return event.model_dump_json(exclude_none=True).encode()
    if isinstance(event, Mapping):
        return json.dumps(
            dict(event), separators=(",", ":"), ensure_ascii=False, default=_plain
        ).encode()
    raise TypeError(
        f"an event is a dictionary, a model of schemas.events or JSON, not {type(event).__name__}"
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return format_rfc3339(to_ms(value))
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    raise TypeError(f"{type(value).__name__} has no JSON")


def each_event(events: Iterable[EventLike | Iterable[EventLike]]) -> Iterator[EventLike]:
    """The events of a call: single ones, and those of lists, in order.

    Raises:
        TypeError: something that is no event and no list.
    """
    for one in events:
        if isinstance(one, Mapping | BaseModel | bytes | str):
            yield one
        else:
            yield from one


def _duration_ms(by: str | timedelta) -> int:
    if isinstance(by, timedelta):
        return by // timedelta(milliseconds=1)
    return parse_duration_ms(by)
