"""What counting takes beside parsing the same records as JSON, CPU time in one run.

The meters do not see what C code does by itself, such as one more ``map`` over a batch. Time does.
Both are done in turn, a thousand records at a time, so that whatever else the machine does falls
on both, and the median of all turns is taken. On two cores with a load of 14 it was a tenth more
than on idle ones; the budget is that of the busy machine. Caches that others fill make a median
larger by chance, and more so from one second to the next than within it: the least of three counts.
"""

import gc
import time
from collections.abc import Sequence
from statistics import median
from typing import Final

from pydantic_core import from_json

from schemas.events import EventType
from tests.performance.counting import Counting
from tests.performance.logs import simulated

_SLICE: Final = 1_000
_SLICES: Final = 10
_REPEATS: Final = 4
_MEDIANS: Final = 3


def counting_over_parsing(event_type: EventType) -> float:
    """CPU time of folding records, validation and all, as a multiple of that of parsing alone.

    Of one flush: a log of 10,000 events, counted four times over for each of three medians.
    """
    records = simulated(event_type, _SLICE * _SLICES)
    return min(_median(event_type, records) for _ in range(_MEDIANS))


def _median(event_type: EventType, records: Sequence[bytes]) -> float:
    clock = time.thread_time_ns
    turns: list[float] = []
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(_REPEATS):
            counting = Counting(event_type)
            for begin in range(0, len(records), _SLICE):
                batch = records[begin : begin + _SLICE]
                began = clock()
                events = list(map(from_json, batch))
                parsed = clock()
                del events
                between = clock()
                counting.fold(batch)
                counted = clock()
                turns.append((counted - between) / (parsed - began))
    finally:
        if was_enabled:
            gc.enable()
    return median(turns)
