"""The examples in the docstrings of notifying."""

import doctest
from types import ModuleType

import pytest

from processor.notifying import apprise, guard, http, signing, told_as


@pytest.mark.parametrize("module", [apprise, guard, http, signing, told_as])
def test_examples(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed
