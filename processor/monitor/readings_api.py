"""The readings as they are now, the status, the catalogue and the alerts over HTTP."""

import base64
import hashlib
from bisect import bisect_right
from collections.abc import Iterable
from importlib.metadata import version
from itertools import islice
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic_core import to_json

from processor.monitor.csv_rows import MEDIA_TYPE as CSV
from processor.monitor.csv_rows import csv_of, flat
from processor.monitor.directions import better_of
from processor.monitor.filters import Filter
from processor.monitor.models import AlertsModel, CatalogueModel, ReadingsModel, StatusModel
from processor.monitor.monitor import Monitor
from processor.monitor.problems import Problem, problem_responses
from processor.monitor.query import monitor_of, wanted
from processor.monitor.rows import Row
from processor.monitor.titles import title_of

router = APIRouter(prefix="/api", tags=["readings"])

_PAGE: Final = 10_000
_JSON: Final = "application/json"
_COLUMNS: Final = (
    "key", "metric", "window", "currency", "value", "unit", "n", "low", "high", "confidence",
    "low_sample", "window_start", "window_end", "previous", "change", "significant", "provisional",
    "incomplete", "revision", "as_of", "state", "target.level", "target.label",
)  # fmt: skip


@router.get(
    "/readings",
    operation_id="getReadings",
    summary="Readings as they are now",
    response_class=Response,
    responses={
        200: {
            "description": "In the order of their keys. As CSV, dimensions are columns, and the "
            "next page is in the header Link",
            "model": ReadingsModel,
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
        304: {"description": "Nothing has changed since the ETag that was given"},
        **problem_responses(422),
    },
)
async def readings(
    request: Request,
    which: Annotated[Filter, Depends(wanted)],
    limit: Annotated[int, Query(ge=1, le=_PAGE, description="the most readings on a page")] = _PAGE,
    cursor: Annotated[
        str | None, Query(max_length=4096, description="`next` of the page before")
    ] = None,
    format: Annotated[  # noqa: A002 - the parameter's name in the URL
        Literal["json", "csv"], Query(description="JSON or CSV")
    ] = "json",
) -> Response:
    """The latest reading of each series that is wanted."""
    monitor = monitor_of(request)
    headers = {"ETag": etag_of(monitor), "Cache-Control": "no-cache"}
    if _matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    hub, keys = monitor.hub, monitor.hub.keys()
    begin = 0 if cursor is None else bisect_right(keys, _decoded(cursor))
    found = (hub.rows[key] for key in keys[begin:])
    page = list(islice(filter(which.matches, found), limit + 1))
    following = _encoded(page[limit - 1].key) if len(page) > limit else None
    page = page[:limit]
    if format == "csv":
        if following is not None:
            headers["Link"] = f'<{_next_url(request, following)}>; rel="next"'
        headers["Content-Disposition"] = 'attachment; filename="readings.csv"'
        return Response(_csv(page), headers=headers, media_type=CSV)
    body = b'{"status":%s,"readings":[%s],"next":%s}' % (
        to_json(hub.status.as_dict()),
        b",".join([row.json for row in page]),
        to_json(following),
    )
    return Response(body, headers=headers, media_type=_JSON)


@router.get(
    "/status",
    operation_id="getStatus",
    summary="The publisher's last tick and the partitions' progress",
    response_class=Response,
    responses={200: {"description": "As of now", "model": StatusModel}},
)
async def status(request: Request) -> Response:
    """What the publisher said last, and how far the partitions are."""
    body = to_json(monitor_of(request).hub.status.as_dict())
    return Response(body, headers={"Cache-Control": "no-cache"}, media_type=_JSON)


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="The catalogue of metrics",
    response_class=Response,
    responses={200: {"description": "In the catalogue's order", "model": CatalogueModel}},
)
async def metrics(request: Request) -> Response:
    """The catalogue, and what a page needs to ask for readings."""
    body = to_json(catalogue_of(monitor_of(request)))
    return Response(body, headers={"Cache-Control": "no-cache"}, media_type=_JSON)


@router.get(
    "/alerts",
    operation_id="getAlerts",
    summary="What is firing, what is about to, and what was lately",
    response_class=Response,
    responses={200: {"description": "As of now", "model": AlertsModel}},
)
async def alerts(request: Request) -> Response:
    """The alerts by state, the latest first, each with the silence that mutes it."""
    board = monitor_of(request).hub.alerts
    return Response(board.json, headers={"Cache-Control": "no-cache"}, media_type=_JSON)


def catalogue_of(monitor: Monitor) -> dict[str, Any]:
    """The catalogue as the API tells it."""
    settings = monitor.settings
    targets = settings.monitor.targets
    return {
        "metrics": [
            {
                "name": metric.name,
                "title": title_of(metric.summary),
                "summary": metric.summary,
                "unit": metric.unit.value,
                "event_types": list(metric.event_types),
                "interval": metric.interval,
                "per_currency": metric.per_currency,
                "better": better_of(metric.name, targets),
                "target": targets[metric.name].model_dump() if metric.name in targets else None,
                "own": metric.name in monitor.own,
            }
            for metric in monitor.catalogue.values()
        ],
        "windows": list(settings.engine.windows),
        "segment_sets": [list(names) for names in settings.engine.segments],
        "tick_s": settings.publisher.interval_s,
        "version": version("cxpulse"),
        "page": {
            "metrics": [name for name in settings.monitor.page_metrics if name in monitor.catalogue]
        },
    }


def etag_of(monitor: Monitor) -> str:
    """Stands for the readings and the status, but not for its age."""
    shown = monitor.hub.status.as_dict()
    del shown["age_s"]
    digest = hashlib.blake2b(to_json(shown), digest_size=6).hexdigest()
    return f'W/"{monitor.hub.place}-{digest}"'


def _matches(given: str | None, etag: str) -> bool:
    if given is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags


def _csv(rows: Iterable[Row]) -> bytes:
    table = [flat(row.fields) for row in rows]
    dimensions = sorted({name for row in table for name in row if name.startswith("segment.")})
    return csv_of([*_COLUMNS[:3], *dimensions, *_COLUMNS[3:]], table)


def _encoded(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> str:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except ValueError:
        message = "is not the next of a page"
        raise Problem(422, f"cursor {message}", errors=[("cursor", message)]) from None


def _next_url(request: Request, cursor: str) -> str:
    given = [(n, v) for n, v in request.query_params.multi_items() if n != "cursor"]
    return f"{request.url.path}?{urlencode([*given, ('cursor', cursor)])}"
