"""The times of events, from their text: each second is read once, as many events share it."""

from operator import itemgetter
from typing import Final

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

    def know(self, second: str, second_ms: int) -> None:
        """Remember a second that was read elsewhere."""
        self._known[second] = second_ms

    def of(self, second: str) -> int:
        """The milliseconds of a second."""
        known = self._known.get(second)
        return parse_rfc3339(second + "Z") if known is None else known

    def of_all(self, seconds: set[str]) -> list[int] | None:
        """The milliseconds of seconds, or ``None`` where one is of a day that no calendar has."""
        known = self._known
        if len(known) > _KNOWN_MAX:
            known.clear()
        for second in seconds - known.keys():
            try:
                known[second] = parse_rfc3339(second + "Z")
            except ValueError:
                return None
        return [known[second] for second in seconds]

    def of_events(self, batch: Batch) -> list[int]:
        """The times of a batch's events to the millisecond; the batch knows their seconds."""
        known = self._known
        texts = map(occurred_at, batch.events)
        try:
            return [
                known[second] + MS_OF_FRACTION[text[_AFTER_SECOND]]
                for second, text in zip(batch.seconds, texts, strict=True)
            ]
        except KeyError:  # another offset than Z, or another number of digits
            return [parse_rfc3339(event["occurred_at"]) for event in batch.events]
