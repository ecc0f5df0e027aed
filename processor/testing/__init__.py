"""A pytest plugin with which users test their own metrics, alert rules, logs and goldens.

pytest finds it by itself: its fixtures are `cx_events`, `cx_engine`, `cx_replay`, `cx_alerts`,
`cx_golden` and `cx_options`, see :mod:`processor.testing.plugin`. Here are the types to annotate
them with.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from processor.testing.alerts import Alerts
    from processor.testing.events import EventBuilder
    from processor.testing.plugin import Golden, Rehearsed, Replayed

_MODULES = {
    "Alerts": "processor.testing.alerts",
    "EventBuilder": "processor.testing.events",
    "Golden": "processor.testing.plugin",
    "Rehearsed": "processor.testing.plugin",
    "Replayed": "processor.testing.plugin",
}

__all__ = ["Alerts", "EventBuilder", "Golden", "Rehearsed", "Replayed"]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: pytest imports this package in every run."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module), name)
