"""What a replay leaves behind beside its readings: refused lines, and a summary."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final

from processor.core.changes import Rejected
from schemas.timestamps import format_rfc3339

SHOWN_REJECTS: Final = 10


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that was not counted, and why; holds nothing of what it said.

    Attributes:
        file: the log, as it was named.
        line: its number, from 1.
        code: what kind of rule it broke, an `ErrorCode`.
        field: the field that broke it, "" where none.
        message: one sentence for the person who runs the producer.
    """

    file: str
    line: int
    code: str
    field: str
    message: str

    def to_json(self) -> str:
        """One line of a rejects file."""
        fields = {
            "file": self.file,
            "line": self.line,
            "code": self.code,
            "field": self.field,
            "message": self.message,
        }
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


class Rejects:
    """Counts refused lines by code, keeps the first few, and writes all where asked to.

    Args:
        file: a text file that gets a JSON line for each.

    Attributes:
        by_code: how many by `ErrorCode`.
        shown: the first ten.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self._file = file
        self.by_code: Counter[str] = Counter()
        self.shown: list[Reject] = []

    def add(self, file: str, line: int, refused: Rejected) -> None:
        """Take in one refused line."""
        error = refused.error
        self.by_code[error.code] += 1
        if self._file is None and len(self.shown) >= SHOWN_REJECTS:
            return
        reject = Reject(file, line, error.code, error.field, error.message)
        if len(self.shown) < SHOWN_REJECTS:
            self.shown.append(reject)
        if self._file is not None:
            self._file.write(reject.to_json() + "\n")


@dataclass(slots=True, kw_only=True)
class Summary:
    """What became of every line of a replay.

    Attributes:
        lines: lines taken in, empty ones and those filtered out not among them.
        filtered: lines that the filters left out.
        outcomes: event type (``unknown`` where it cannot be told) → how many lines by outcome:
            ``counted``, ``repeats``, ``conflicts`` (those of the repeats that say something else),
            ``rejected``, ``late``.
        rejected: refused lines by code, the late ones among them.
        shown: the first ten refused lines.
        earliest_ms: the second of the earliest event, ``None`` without one.
        latest_ms: the second of the latest event, ``None`` without one.
        readings: how many readings there were.
        horizon_shortened: how often event ids were forgotten before the de-duplication horizon,
            for want of room; where it is not 0, the readings may depend on batch and partitions.
        seconds: how long the replay took by the clock.
    """

    lines: int = 0
    filtered: int = 0
    outcomes: Mapping[str, Counter[str]] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)
    shown: list[Reject] = field(default_factory=list)
    earliest_ms: int | None = None
    latest_ms: int | None = None
    readings: int = 0
    horizon_shortened: int = 0
    seconds: float = 0.0

    @property
    def events_per_second(self) -> float:
        """Lines taken in per second of the clock; 0 before any time has passed."""
        return self.lines / self.seconds if self.seconds else 0.0

    def total(self, outcome: str) -> int:
        """How many lines of any type had this outcome."""
        return sum(counts[outcome] for counts in self.outcomes.values())

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON-ready fields, times as RFC 3339."""
        return {
            "lines": self.lines,
            "filtered": self.filtered,
            "outcomes": {kind: dict(counts) for kind, counts in sorted(self.outcomes.items())},
            "rejected": dict(sorted(self.rejected.items())),
            "earliest": None if self.earliest_ms is None else format_rfc3339(self.earliest_ms),
            "latest": None if self.latest_ms is None else format_rfc3339(self.latest_ms),
            "readings": self.readings,
            "seconds": round(self.seconds, 3),
            "events_per_second": round(self.events_per_second),
        }
