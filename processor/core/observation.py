"""What an event adds beside counters: something observed of somebody, or of the event itself.

Counters add, so they cannot say how many *different* customers there were, or how long the
middle ticket took. For that an event is *observed*: under a measure's name an identity, with a
magnitude and marks. The same identity observed again counts once, with the largest magnitude and
all marks. Samples of observations (`processor.core.sample`) give over any window and segment:

==================== ============================================================================
``<measure>.distinct`` how many identities; with ``_low`` and ``_high`` its 95 % bounds
``<measure>.p50``      a percentile (1…99) of the magnitudes; with ``_low`` and ``_high`` its bounds
``<measure>.code5``    how many of the identities kept have this code (0…127): `magnitude_at`
==================== ============================================================================
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from processor.core.sample import CODE_BITS

MAGNITUDE_MAX: Final = (1 << 55) - 1
MARKS_MAX: Final = 255


class Observation(NamedTuple):
    """One observation.

    Attributes:
        measure: its name; the part before the first dot is the family.
        identity: who or what was observed, e.g. a customer id; ``None`` stands for the event
            itself, which is unlike every other. Kept only as a keyed hash.
        magnitude: an integer from 0 to `MAGNITUDE_MAX`, e.g. a duration in milliseconds.
        marks: bits that add up over the observations of an identity, at most `MARKS_MAX`.
    """

    measure: str
    identity: str | None
    magnitude: int = 0
    marks: int = 0


def magnitude_at(at_ms: int, code: int) -> int:
    """The magnitude of something that takes the place of all that was before it.

    The largest is kept, which is the latest, and of one instant that with the largest code.

    Args:
        at_ms: a time that an event may have.
        code: what it was, 0…127.
    """
    return at_ms << CODE_BITS | code


Observe = Callable[[tuple[Any, ...]], Iterable[Observation]]
"""Values of the fields that decide, ``None`` where one is absent → what is observed."""
