"""When Python collects garbage and changes threads in a process that reads batches."""

import gc
import sys
from typing import Final

_GC_THRESHOLDS: Final = (50_000, 50, 100)
"""Batches are large and short-lived: collecting after every 700 of their objects costs a third of
the time and finds nothing, because they hold no cycles."""

_SWITCH_S: Final = 0.001
"""How soon the fetching thread gets its turn while a batch is counted. With Python's 5 ms a fetch
of a few megabytes, read in pieces, takes longer than counting it."""


def tune_interpreter() -> None:
    """Set it up for batches, once all that stays is there."""
    sys.setswitchinterval(_SWITCH_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
