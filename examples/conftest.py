"""What all tests here replay with."""

from typing import Any

import pytest


@pytest.fixture
def cx_options() -> dict[str, Any]:
    """The metrics of one's own, and one window."""
    return {"modules": ["my_metrics.py"], "windows": ["1h"], "by": ["channel"]}
