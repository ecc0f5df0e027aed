"""Readings over time and distributions over HTTP."""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, FastAPI, Query, Request, Response
from pydantic import BaseModel, Field

from processor.monitor.csv_rows import MEDIA_TYPE as CSV
from processor.monitor.csv_rows import csv_of, flat
from processor.monitor.distribution import Spread, distribution
from processor.monitor.filters import SEGMENT_PATTERN, FilterError
from processor.monitor.history import POINTS_DEFAULT, POINTS_MAX, History, HistoryTooSlowError, Past
from processor.monitor.history import Query as HistoryQuery
from processor.monitor.monitor import Monitor
from processor.monitor.problems import Problem, problem_responses
from processor.monitor.shared import Shared
from schemas.readings import Unit
from schemas.timestamps import parse_rfc3339

_LIMIT_DEFAULT: Final = 1_000
_COLUMNS: Final = (
    *("window_start", "window_end", "value", "n", "low", "high", "low_sample", "incomplete"),
)
_ABOUT: Final = frozenset({"metric", "window", "segment", "currency", "unit"})
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


class PointOut(BaseModel):
    """A reading of the past."""

    window_start: str
    window_end: str
    value: float | None = Field(description="null where nothing was observed")
    n: int
    low: float | None
    high: float | None
    low_sample: bool
    incomplete: bool = Field(description="events of the window may not be counted")


class HistoryOut(BaseModel):
    """Readings over time, oldest first."""

    metric: str
    window: str
    segment: dict[str, str]
    currency: str | None
    unit: Unit
    step_s: int = Field(description="seconds from one point to the next")
    known_from: str = Field(description="the first end of a window whose panes are all kept")
    points: list[PointOut]
    next: str | None = Field(description="cursor of the points that follow")


class ScoreOut(BaseModel):
    """How many answered so."""

    score: int
    scale: int = Field(description="the highest score of its scale")
    n: int


class DistributionOut(BaseModel):
    """How answers are spread over the scores."""

    metric: str
    window: str
    segment: dict[str, str]
    window_start: str
    window_end: str
    n: int
    incomplete: bool
    scores: list[ScoreOut]


class HistoryService:
    """Answers, each computed once for all who ask for it.

    Args:
        monitor: the monitor's parts.
    """

    def __init__(self, monitor: Monitor) -> None:
        settings = monitor.settings
        self.history = History(monitor.redis, monitor.keys, settings, monitor.catalogue)
        self._survey_responses = settings.engine.survey_responses
        self.pasts: Shared[Past] = Shared()
        self.spreads: Shared[Spread] = Shared()

    async def past(self, query: HistoryQuery) -> Past:
        """Readings over time."""
        revision = (await self.history.stored.status())["revision"]
        fresh_s = self.history.fresh_s(query)
        return await self.pasts.get(query, revision, fresh_s, lambda: self.history.past(query))

    async def spread(self, query: HistoryQuery) -> Spread:
        """A distribution."""
        revision = (await self.history.stored.status())["revision"]
        return await self.spreads.get(
            query,
            revision,
            self.history.fresh_s(query),
            lambda: distribution(self.history, query, self._survey_responses),
        )

    async def stop(self) -> None:
        """End what is being computed."""
        await self.pasts.stop()
        await self.spreads.stop()


def service_of(app: FastAPI) -> HistoryService:
    """The application's one service."""
    service: HistoryService | None = getattr(app.state, "history", None)
    if service is None:
        service = app.state.history = HistoryService(app.state.monitor)
    return service


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service = service_of(app)
    try:
        yield
    finally:
        await service.stop()


router = APIRouter(tags=["history"], lifespan=_lifespan)

_Metric = Annotated[str, Query(description="a metric's name", max_length=200, examples=["nps"])]
_Window = Annotated[str, Query(description="a window's name", max_length=20, examples=["24h"])]
_Segment = Annotated[
    str,
    Query(
        description="one segment, `channel:email`, or `all` for the whole",
        max_length=2_000,
        pattern=SEGMENT_PATTERN,
    ),
]
_Time = Annotated[
    str | None, Query(description="RFC 3339", max_length=40, examples=["2026-03-01T09:30:00Z"])
]


@router.get(
    "/api/history",
    operation_id="getHistory",
    summary="Readings over time",
    response_class=Response,
    responses={
        200: {
            "description": "Oldest first. As CSV, the next page is in the header Link",
            "model": HistoryOut,
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
        304: {"description": "Nothing has changed since the ETag that was given"},
        **problem_responses(422, 503),
    },
)
async def read_history(
    request: Request,
    metric: _Metric,
    window: _Window,
    *,
    segment: _Segment = "all",
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
    from_: Annotated[_Time, Query(alias="from")] = None,
    to: _Time = None,
    points: Annotated[
        int, Query(ge=1, le=POINTS_MAX, description="about how many, at most")
    ] = POINTS_DEFAULT,
    limit: Annotated[int, Query(ge=1, le=POINTS_MAX)] = _LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=60)] = None,
    format: Annotated[Literal["json", "csv"], Query()] = "json",  # noqa: A002 - the contract's name
) -> Response:
    """Readings of windows that end one after another, computed from the panes that are kept.

    A late event and a session that closed later are in them: they say what is known now.
    """
    query = HistoryQuery(
        metric=metric,
        window=window,
        segment=segment,
        currency=currency,
        from_ms=_instant("from", from_),
        to_ms=_instant("to", to),
        points=points,
        limit=limit,
        cursor=cursor,
    )
    try:
        found = await service_of(request.app).past(query)
    except FilterError as error:
        raise _refused(error) from None
    except HistoryTooSlowError as error:
        raise Problem(503, str(error), headers={"Retry-After": "5"}) from None
    if format == "json":
        return _answer(request, _json(found.as_dict()), "application/json")
    headers = {"Content-Disposition": 'attachment; filename="history.csv"'}
    if found.next is not None:
        following = request.url.include_query_params(cursor=found.next)
        headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return _answer(request, _csv(found), CSV, headers)


@router.get(
    "/api/distribution",
    operation_id="getDistribution",
    summary="How answers are spread over the scores",
    response_class=Response,
    responses={
        200: {
            "description": "As of now",
            "model": DistributionOut,
        },
        304: {"description": "Nothing has changed since the ETag that was given"},
        **problem_responses(422, 503),
    },
)
async def read_distribution(
    request: Request, metric: _Metric, window: _Window, segment: _Segment = "all"
) -> Response:
    """How many gave which score in the current window, of nps, csat or ces."""
    try:
        found = await service_of(request.app).spread(HistoryQuery(metric, window, segment))
    except FilterError as error:
        raise _refused(error) from None
    return _answer(request, _json(found.as_dict()), "application/json")


def _instant(field: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return max(0, parse_rfc3339(text))
    except ValueError as error:
        message = f"{error}; e.g. 2026-03-01T09:30:00Z, with + as %2B"
        raise _refused(FilterError(field, message)) from None


def _refused(error: FilterError) -> Problem:
    return Problem(422, f"{error.field}: {error}", errors=[(error.field, str(error))])


def _json(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def _csv(found: Past) -> bytes:
    fields = flat({name: v for name, v in found.as_dict().items() if name in _ABOUT})
    rows = [fields | point for point in found.points]
    return csv_of([*fields, *_COLUMNS], rows)


def _answer(
    request: Request, body: bytes, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    # Weak: compressed or not, it says the same.
    headers = {"ETag": f"W/{tag}", "Cache-Control": "private, no-cache", **(headers or {})}
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or tag in _TAG.findall(known):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)
