"""The examples in the monitor's docstrings."""

import doctest
from types import ModuleType

import pytest

from processor.monitor import csv_rows, directions, filters, ring, rows, targets, titles


@pytest.mark.parametrize("module", [csv_rows, directions, filters, ring, rows, targets, titles])
def test_examples(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed
