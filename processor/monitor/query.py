"""The parameters that readings and stream share."""

from typing import Annotated

from fastapi import Query, Request

from processor.monitor.filters import SEGMENT_PATTERN, Filter, FilterError, parse_filter
from processor.monitor.monitor import Monitor
from processor.monitor.problems import Problem

_VALUES_MAX = 100

Metrics = Annotated[
    list[str],
    Query(
        alias="metric",
        description="names of metrics; repeated, or several with commas; absent: all",
        default_factory=list,
        max_length=_VALUES_MAX,
        examples=["nps", "nps,csat"],
    ),
]
Windows = Annotated[
    list[str],
    Query(
        alias="window",
        description="names of windows; repeated, or several with commas; absent: all",
        default_factory=list,
        max_length=_VALUES_MAX,
        examples=["24h"],
    ),
]
Segments = Annotated[
    list[Annotated[str, Query(pattern=SEGMENT_PATTERN)]],
    Query(
        alias="segment",
        description="`all` is the whole, `channel:email` exactly that segment, "
        "`channel:email,product:x` one of two dimensions, `channel:*` all values of a dimension; "
        "repeated, they add up; absent: everything. A comma, colon, star or percent sign inside a "
        "value is percent-encoded, before the URL is",
        default_factory=list,
        max_length=_VALUES_MAX,
        examples=["channel:email"],
    ),
]


def monitor_of(request: Request) -> Monitor:
    """The monitor's parts."""
    monitor: Monitor = request.app.state.monitor
    return monitor


def wanted(request: Request, metrics: Metrics, windows: Windows, segments: Segments) -> Filter:
    """The filter of a query.

    Raises:
        Problem: 422, naming the parameter.
    """
    monitor = monitor_of(request)
    try:
        return parse_filter(
            metrics,
            windows,
            segments,
            known_metrics=monitor.catalogue.keys() | monitor.hub.metrics,
            known_windows={*monitor.settings.engine.windows, *monitor.hub.windows},
        )
    except FilterError as error:
        raise Problem(422, f"{error.field}: {error}", errors=[(error.field, str(error))]) from None
