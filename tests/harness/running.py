"""What a random test says so that it can be run again: its seed, and what happened."""

import os
import random
import sys
import zlib
from typing import Final

_SEEDS: Final = 10**6


def say(line: str) -> None:
    """Shown with ``-s``, and with a failure."""
    sys.stderr.write(f"{line}\n")


def seed_of(test: str, *, is_new: bool = False) -> int:
    """A seed, said aloud; ``CX_TEST_SEED`` runs one again.

    A test has the same in each run, so that a failure is of the change and not of the day; long
    ones, which look for what nobody thought of, have a new one.
    """
    by_name = zlib.crc32(test.encode()) % _SEEDS
    seed = int(os.environ.get("CX_TEST_SEED") or (random.randrange(_SEEDS) if is_new else by_name))
    say(f"{test}: CX_TEST_SEED={seed}")
    return seed
