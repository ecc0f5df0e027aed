"""``/livez`` and ``/readyz`` of the monitor, with a reason for each check."""

import json

from fastapi import APIRouter, Request
from fastapi.responses import Response

from processor.monitor.models import ReportModel
from processor.monitor.monitor import Monitor
from processor.monitor.query import monitor_of
from processor.streaming.health import Check, Report

router = APIRouter(tags=["health"])


@router.get(
    "/livez",
    operation_id="getLive",
    summary="Whether this process works",
    response_class=Response,
    responses={200: {"description": "It does", "model": ReportModel}},
)
async def livez() -> Response:
    """Whether this process works: it does, where it answers."""
    return _response(Report((Check("event_loop", ok=True, reason="runs"),)))


@router.get(
    "/readyz",
    operation_id="getReady",
    summary="Whether readings are current",
    response_class=Response,
    responses={
        200: {"description": "They are", "model": ReportModel},
        503: {"description": "They are not, with the reasons", "model": ReportModel},
    },
)
async def readyz(request: Request) -> Response:
    """Whether Redis answers, the publisher publishes, and every partition is counted."""
    return _response(ready(monitor_of(request)))


def ready(monitor: Monitor) -> Report:
    """Whether what the monitor shows is current."""
    status = monitor.hub.status
    redis = monitor.hub.error
    return Report(
        (
            Check("redis", ok=redis is None, reason=redis or "answers"),
            _publisher(monitor),
            _partitions(0 if status.last is None else status.last.unclaimed),
            _lag(monitor),
        )
    )


def _publisher(monitor: Monitor) -> Check:
    status = monitor.hub.status
    age_s = status.age_s
    if age_s is None:
        return Check("publisher", ok=False, reason="has not published anything yet")
    reason = f"published {age_s:.1f} s ago, and {status.stale_after_s:g} s are allowed"
    return Check("publisher", ok=not status.stale, reason=reason)


def _partitions(unclaimed: int) -> Check:
    reason = f"{unclaimed} not claimed yet" if unclaimed else "all are claimed"
    return Check("partitions", ok=not unclaimed, reason=reason)


def _lag(monitor: Monitor) -> Check:
    most = monitor.settings.worker.ready_lag_max
    partitions = monitor.hub.status.partitions
    if not partitions:
        return Check("lag", ok=True, reason="no partitions")
    last = max(partitions, key=lambda partition: partition.lag)
    if last.lag <= most:
        return Check("lag", ok=True, reason=f"at most {last.lag} records")
    name = f"{last.topic}-{last.partition}"
    reason = f"{name} is {last.lag} records behind, and {most} are allowed"
    return Check("lag", ok=False, reason=reason)


def _response(report: Report) -> Response:
    return Response(
        json.dumps(report.as_dict(), indent=2) + "\n",
        200 if report.ok else 503,
        {"Cache-Control": "no-store"},
        "application/json",
    )
