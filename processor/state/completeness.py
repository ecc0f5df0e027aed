"""What a partition's counts lack of its events, as its owner knows it and the readers are told."""

from dataclasses import dataclass
from typing import Final

NEVER: Final = 1 << 60
"""A time (ms) after every window: nothing that begins before it is whole."""


@dataclass(frozen=True, slots=True)
class Completeness:
    """From when on all events of a partition are counted.

    Attributes:
        complete_from_ms: windows that begin before this event time may lack events; 0 where none
            is known to lack any.
        rebuild_to: the offset up to which lost counts are being made again from the log, 0 where
            they are not: until then no window is whole.
    """

    complete_from_ms: int = 0
    rebuild_to: int = 0

    @property
    def whole_from_ms(self) -> int:
        """The time from which windows are whole now."""
        return NEVER if self.rebuild_to else self.complete_from_ms


WHOLE: Final = Completeness()
