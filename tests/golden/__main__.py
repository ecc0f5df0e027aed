"""Writes the golden readings again: shows what differs first, and asks unless ``YES=1``."""
# ruff: noqa: T201 - a command

import os
import sys
from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path

from processor.testing.golden import differences, read_rows, write_golden
from tests.golden.scenarios import (
    FOLDER,
    GOLDENS,
    REFUSING,
    Golden,
    make_missing_logs,
    rejected,
    rejects_file,
)


def main() -> int:
    """Returns 0 if all files are up to date at the end, else 1."""
    make_missing_logs()
    done = [_renew_readings(golden) for golden in GOLDENS]
    done += [_renew_rejects(folder) for folder in REFUSING]
    return 0 if all(done) else 1


def _renew_readings(golden: Golden) -> bool:
    made = golden.replayed()
    stored = read_rows(golden.file) if golden.file.exists() else []
    said = differences(stored, made)
    return _renew(golden.file, said, lambda: write_golden(golden.file, made))


def _renew_rejects(folder: str) -> bool:
    file, made = rejects_file(folder), rejected(folder)
    stored = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    said = list(unified_diff(stored, made, "stored", "now", lineterm="", n=0))
    text = "".join(line + "\n" for line in made)
    return _renew(file, said, lambda: file.write_text(text, encoding="utf-8"))


def _renew(file: Path, said: list[str], write: Callable[[], object]) -> bool:
    name = file.relative_to(FOLDER)
    if not said:
        print(f"{name}: as stored")
        return True
    print(f"{name}: differs", *said, sep="\n")
    if not _is_wanted():
        print("left as it was")
        return False
    write()
    print("written")
    return True


def _is_wanted() -> bool:
    if os.environ.get("YES") == "1":
        return True
    try:
        return input("Write it? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:  # nobody is there to ask
        return False


if __name__ == "__main__":
    sys.exit(main())
