"""The command line: one module for each command, each of which imports what it needs when it runs.

Data goes to stdout, everything else to stderr. Exit codes: 0, 1 (failed, or differs), 2 (usage).
"""

from collections.abc import Sequence

from processor.cli.application import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``cxpulse`` and return its exit code; ``sys.argv`` where no arguments are given."""
    return run(arguments)
