"""Which lines of a log take part: those of some types, times and dimensions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError

from processor.core.config import EngineConfig
from processor.replay.log import Chunk
from processor.replay.routing import type_of
from schemas.events import EventType
from schemas.timestamps import parse_rfc3339
from schemas.validators import InvalidEvent, fast_validator


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A filter on valid events; an event must pass all of it.

    Attributes:
        from_ms: the earliest `occurred_at`, included; ``None`` for no bound.
        to_ms: the end of `occurred_at`, excluded; ``None`` for no bound.
        where: dimension → the value it must have.
        types: event types; empty for all.
    """

    from_ms: int | None = None
    to_ms: int | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    types: frozenset[EventType] = frozenset()

    @property
    def is_everything(self) -> bool:
        """Whether nothing is filtered out."""
        return self.from_ms is None and self.to_ms is None and not self.where and not self.types

    def keeps(self, event: Mapping[str, Any], time_ms: int) -> bool:
        """Whether a valid event takes part."""
        if self.from_ms is not None and time_ms < self.from_ms:
            return False
        if self.to_ms is not None and time_ms >= self.to_ms:
            return False
        dimensions = event.get("dimensions") or {}
        return all(dimensions.get(name) == value for name, value in self.where.items())


class PlacedLine(NamedTuple):
    """A line with its place in time; sorts by time, then file and line.

    Attributes:
        time_ms: `occurred_at`; for a line that is not valid, the time of the line before it.
        log: index of its log.
        number: its line number.
        raw: the line.
        is_valid: whether it is an event; the engine says why not.
        checked_ms: the time that it might not be far ahead of.
    """

    time_ms: int
    log: int
    number: int
    raw: bytes
    is_valid: bool
    checked_ms: int


class Sieve:
    """Validates lines, drops those that are not selected, and finds the time of the others.

    A line that is not valid stays: whether it would have been selected cannot be known, and what
    is wrong with it must be said. It counts as not valid here, too, if it is too far ahead.

    Args:
        selection: what takes part.
        config: limits on size and on the time ahead.

    Attributes:
        dropped: valid events, and lines of other types, that were not selected.
    """

    def __init__(self, selection: Selection, config: EngineConfig) -> None:
        self._selection = selection
        self._config = config
        self._validators = {event_type: fast_validator(event_type) for event_type in EventType}
        self.dropped = 0

    @property
    def takes_all(self) -> bool:
        """Whether nothing is left out."""
        return self._selection.is_everything

    def sift(self, chunk: Chunk, log: int, now_ms: int) -> Iterator[PlacedLine]:
        """The lines of a chunk that take part, in order."""
        types, takes_all = self._selection.types, self._selection.is_everything
        latest_allowed_ms = now_ms + self._config.future_skew_ms
        time_ms = 0
        for number, raw in enumerate(chunk.lines, chunk.first_line):
            if not raw:
                continue
            is_valid = len(raw) <= self._config.max_record_bytes
            if is_valid:
                try:
                    event_type = type_of(raw)
                    if types and event_type not in types:
                        self.dropped += 1
                        continue
                    event = self._validators[event_type](raw)
                    event_ms = parse_rfc3339(event["occurred_at"])
                except (InvalidEvent, ValidationError, ValueError):
                    is_valid = False
                else:
                    is_valid = event_ms <= latest_allowed_ms
                    if is_valid and not (takes_all or self._selection.keeps(event, event_ms)):
                        self.dropped += 1
                        continue
                    if is_valid:
                        time_ms = event_ms
            yield PlacedLine(time_ms, log, number, raw, is_valid, now_ms)
