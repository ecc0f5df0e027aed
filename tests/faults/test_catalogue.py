"""The page for operators names every fault, and every fault is a test."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

FAULTS: Final = set(range(1, 26))
_HERE: Final = Path(__file__).parent
_PAGE: Final = _HERE.parents[1] / "docs" / "operations.md"


def _numbers(pattern: str, texts: Iterable[str]) -> set[int]:
    return {int(n) for text in texts for n in re.findall(pattern, text, flags=re.MULTILINE)}


def test_each_fault_is_injected() -> None:
    files = [path.read_text() for path in _HERE.glob("test_f*.py")]
    assert _numbers(r"^async def test_f(\d\d)_", files) == FAULTS


def test_each_fault_is_explained() -> None:
    assert _numbers(r"^\| (\d+) \|", [_PAGE.read_text()]) == FAULTS
