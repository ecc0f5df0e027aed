"""What a random test says so that it can be run again: its seed, and what happened."""

import os
import random
import sys


def say(line: str) -> None:
    """Shown with ``-s``, and with a failure."""
    sys.stderr.write(f"{line}\n")


def seed_of(test: str) -> int:
    """A random seed, said aloud; ``CX_TEST_SEED`` runs one again."""
    seed = int(os.environ.get("CX_TEST_SEED") or random.randrange(10**6))
    say(f"{test}: CX_TEST_SEED={seed}")
    return seed
