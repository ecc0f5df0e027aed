"""Which windows of which metrics may lack events, and are not to be compared with.

A window is *whole* when it begins no earlier than the time from which all events of the metric's
types are counted::

        lacking        complete_from     whole
    ------------------------|-----------------------------> event time
            [ before )[ now )                               incomplete, nothing to compare with
                  [ before )[ now )                         whole, nothing to compare with
                            [ before )[ now )               whole
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from processor.metrics.registry import Metric


class Wholeness(NamedTuple):
    """Which of a metric's two windows may lack events."""

    incomplete: bool
    before: bool


WHOLE: Final = Wholeness(incomplete=False, before=False)


def wholeness(
    metrics: Iterable[Metric], complete_from: Mapping[str, int], start_ms: int, size_ms: int
) -> dict[str, Wholeness]:
    """The metrics whose windows may lack events, by name; none in the usual case.

    Args:
        metrics: those in use.
        complete_from: by event type the time (ms) from which all its events are counted.
        start_ms: where the window starts.
        size_ms: how long it and the one before it are.
    """
    lacking = {t: ms for t, ms in complete_from.items() if ms > max(0, start_ms - size_ms)}
    if not lacking:
        return {}
    found = {}
    for metric in metrics:
        from_ms = max(lacking.get(event_type, 0) for event_type in metric.event_types)
        if from_ms:
            found[metric.name] = Wholeness(from_ms > max(0, start_ms), before=True)
    return found
