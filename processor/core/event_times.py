"""The times of events, from their text: each second is read once, as many events share it."""

from operator import itemgetter
from typing import Final

import numpy as np

from processor.core.columns import Numbers
from processor.core.parsing import Batch
from schemas.timestamps import MS_OF_FRACTION, parse_rfc3339

SECOND: Final = slice(19)
"""The part of an RFC 3339 time up to its seconds."""

_AFTER_SECOND: Final = slice(19, None)
_KNOWN_MAX: Final = 100_000

occurred_at: Final = itemgetter("occurred_at")


class EventTimes:
    """Seconds as text, such as ``2026-11-22T12:00:00`` in UTC, and their milliseconds."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of_all(self, seconds: list[str]) -> Numbers | None:
        """The milliseconds of seconds, or ``None`` where one is of a day that no calendar has."""
        known = self._known
        try:
            return np.fromiter(map(known.__getitem__, seconds), np.int64, len(seconds))
        except KeyError:  # one is new
            pass
        if len(known) > _KNOWN_MAX:
            known.clear()
        for second in set(seconds) - known.keys():
            try:
                known[second] = parse_rfc3339(second + "Z")
            except ValueError:
                return None
        return np.fromiter(map(known.__getitem__, seconds), np.int64, len(seconds))


def of_events(batch: Batch) -> list[int]:
    """The times of a batch's events to the millisecond; the batch knows their seconds."""
    texts = map(occurred_at, batch.events)
    try:
        return [
            second_ms + MS_OF_FRACTION[text[_AFTER_SECOND]]
            for second_ms, text in zip(batch.seconds.tolist(), texts, strict=True)
        ]
    except KeyError:  # another offset than Z, or another number of digits
        return [parse_rfc3339(event["occurred_at"]) for event in batch.events]
