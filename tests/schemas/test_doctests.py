from __future__ import annotations

import doctest
from typing import TYPE_CHECKING

import pytest

from schemas import money, readings, timestamps

if TYPE_CHECKING:
    from types import ModuleType


@pytest.mark.parametrize(
    "module", [money, readings, timestamps], ids=lambda module: module.__name__
)
def test_the_examples_in_docstrings_hold(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0
