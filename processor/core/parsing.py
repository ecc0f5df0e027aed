"""From raw records to events, and for each that is none the reason."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from pydantic import ValidationError

from processor.core.changes import Rejected
from processor.core.columns import Numbers
from processor.core.event_fields import Event
from schemas.events import EventType
from schemas.validators import ErrorCode, InvalidEvent, explain, fast_validator


@dataclass(slots=True)
class Batch:
    """The events of a batch that are still to be counted, as parallel columns.

    Attributes:
        events: as the fast validator gives them.
        records: the raw records.
        positions: their places in what was folded.
        seconds: when the second of each begins (ms), once they are placed in time.
    """

    events: list[Event]
    records: list[bytes]
    positions: Sequence[int]
    seconds: Numbers = field(default_factory=lambda: np.empty(0, np.int64))

    def select(self, keep: list[int]) -> "Batch":
        """Some of the events."""
        return Batch(
            [self.events[i] for i in keep],
            [self.records[i] for i in keep],
            [self.positions[i] for i in keep],
            self.seconds[keep] if len(self.seconds) else self.seconds,
        )


class Parser:
    """Validates the records of one type.

    Args:
        event_type: the type of every record.
        max_record_bytes: larger records are refused unread.
    """

    def __init__(self, event_type: EventType, max_record_bytes: int) -> None:
        self._event_type = event_type
        self._max_record_bytes = max_record_bytes
        self._validate = fast_validator(event_type)

    def parse(self, records: Sequence[bytes | None]) -> tuple[Batch, list[Rejected]]:
        """The events among the records, and why the others are none."""
        validate, limit = self._validate, self._max_record_bytes
        try:
            if max(map(len, records)) <= limit:  # type: ignore[arg-type]
                events = list(map(validate, records))  # type: ignore[arg-type]
                return Batch(events, records, range(len(records))), []  # type: ignore[arg-type]
        except (ValidationError, TypeError):
            pass  # one of them is broken or missing: find it
        events = []
        broken: list[int] = []
        for position, record in enumerate(records):
            if record is None or len(record) > limit:
                broken.append(position)
                continue
            try:
                events.append(validate(record))
            except ValidationError:
                broken.append(position)
        refused = set(broken)
        positions = [p for p in range(len(records)) if p not in refused]
        good = [record for p in positions if (record := records[p]) is not None]
        return Batch(events, good, positions), [self.explain(p, records[p]) for p in broken]

    def explain(self, position: int, record: bytes | None) -> Rejected:
        """Why a record is refused."""
        error = explain(self._event_type, record, max_bytes=self._max_record_bytes)
        if error is None:
            raise AssertionError(f"refused without a reason: a {self._event_type} record")
        return Rejected(position, error)


def out_of_time(position: int, code: ErrorCode) -> Rejected:
    """A record whose time is not among those that are allowed."""
    rule = (
        "must not be further ahead of now than the allowed skew"
        if code is ErrorCode.TOO_FAR_AHEAD
        else "must not be older than the longest window"
    )
    return Rejected(position, InvalidEvent(code, rule, field="occurred_at"))
