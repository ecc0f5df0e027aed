"""How far a recording is, and what became of every record."""

from collections import Counter
from dataclasses import dataclass, field

from processor.recording.lines import Reason


@dataclass(slots=True)
class Recording:
    """What became of the records of a recording.

    Attributes:
        lines: records in the log.
        rejected: records that are not, by reason.
        outside: records that were read and are not of the wanted time.
        lost: offsets that the broker deleted before they could be read.
        bytes: the log's size, before it is compressed.
        first_ms: the earliest timestamp in the log, ``None`` without a line.
        last_ms: the latest.
        stopped: it was told to stop before it came to its end.
    """

    lines: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    outside: int = 0
    lost: int = 0
    bytes: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    stopped: bool = False

    def saw(self, time_ms: int) -> None:
        """Take note of a line's timestamp."""
        self.first_ms = time_ms if self.first_ms is None else min(self.first_ms, time_ms)
        self.last_ms = time_ms if self.last_ms is None else max(self.last_ms, time_ms)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a recording is.

    Attributes:
        lines: records in the log so far.
        elapsed_s: since the reading began.
        done: offsets that are read.
        total: offsets that are known to be wanted.
        following: more is waited for, so there is no time left to be told.
    """

    lines: int
    elapsed_s: float
    done: int
    total: int
    following: bool

    @property
    def lines_per_second(self) -> float:
        """0 before any time has passed."""
        return self.lines / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds left at the pace so far; ``None`` where that cannot be told."""
        if self.following or not self.done:
            return None
        return self.elapsed_s * (self.total - self.done) / self.done
