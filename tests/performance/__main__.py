"""Writes the budgets again: shows what differs first, and asks unless ``YES=1``."""
# ruff: noqa: T201 - a command

import os
import sys

from tests.performance.budgets import FILE, WRITTEN_ON, differences, store, stored
from tests.performance.measures import MEASURES


def main() -> int:
    """Returns 0 if the budgets are up to date at the end, 1 if not, 2 on another Python."""
    if sys.version_info[:2] != WRITTEN_ON:
        print("the budgets are of Python {}.{}: run this there".format(*WRITTEN_ON))
        return 2
    measured = {name: measure() for name, measure in MEASURES.items()}
    said = differences(stored() if FILE.exists() else {}, measured)
    if not said:
        print(f"{FILE.name}: as stored")
        return 0
    print(f"{FILE.name}: differs", *said, sep="\n")
    if os.environ.get("YES") != "1" and input("write? [y/N] ").strip().lower() != "y":
        print("left as it was")
        return 1
    store(measured)
    print("written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
