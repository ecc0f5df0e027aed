"""cxpulse: customer-experience metrics from event streams, live and right.

What a notebook needs is here by name, and imported when it is asked for::

    from processor import Engine, replay_log
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from processor.replay import Engine, Readings, replay_events, replay_log
    from processor.settings import Settings, load_settings

_MODULES = {
    "Engine": "processor.replay",
    "Readings": "processor.replay",
    "Settings": "processor.settings",
    "load_settings": "processor.settings",
    "replay_events": "processor.replay",
    "replay_log": "processor.replay",
}

__all__ = [
    "Engine",
    "Readings",
    "Settings",
    "load_settings",
    "replay_events",
    "replay_log",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: importing the package alone stays cheap."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(module), name)
    return found


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})
