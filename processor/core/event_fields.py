"""Reading fields of validated events by name, also those inside an object: ``dimensions.channel``.

A measure plan names the fields that decide. A field that the event lacks reads as ``None``.
"""

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, Final

Event = dict[str, Any]

_EMPTY: Final[Event] = {}


def column(events: Sequence[Event], name: str) -> list[Any]:
    """One field of every event.

    >>> column([{"score": 9}, {"dimensions": {"plan": "pro"}}], "dimensions.plan")
    [None, 'pro']
    """
    parent, _, child = name.partition(".")
    if child:
        return [(event.get(parent) or _EMPTY).get(child) for event in events]
    return list(map(dict.get, events, repeat(name)))


def reader(names: Sequence[str]) -> Callable[[Event], tuple[Any, ...]]:
    """A function of an event to the values of these fields, in order.

    >>> reader(("score", "dimensions.plan"))({"score": 9})
    (9, None)
    """
    if not any("." in name for name in names):
        return lambda event: tuple(map(event.get, names))
    paths = tuple(name.partition(".")[::2] for name in names)
    return lambda event: tuple(
        (event.get(parent) or _EMPTY).get(child) if child else event.get(parent)
        for parent, child in paths
    )
