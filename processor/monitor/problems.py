"""Refusals as ``application/problem+json`` (RFC 9457): what was wrong, and with what."""

import json
import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"


class FieldProblem(BaseModel):
    """What is wrong with one parameter or field."""

    field: str = Field(description="the parameter", examples=["metric"])
    message: str = Field(description="what is wrong with it")


class ProblemDetails(BaseModel):
    """A refusal, as RFC 9457 has it."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(description="of the status", examples=["Unprocessable Content"])
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="what was wrong, and what to do")
    instance: str | None = Field(None, description="the path that was asked for")
    errors: list[FieldProblem] | None = Field(None, description="each parameter that is wrong")


class Problem(Exception):  # noqa: N818 - the RFC's name
    """A request that is refused.

    Args:
        status: of HTTP.
        detail: what was wrong and what to do, in a sentence.
        errors: parameter and message of each that is wrong.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def response(self, instance: str | None = None) -> Response:
        """The answer."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if instance is not None:
            body["instance"] = instance
        if self.errors:
            body["errors"] = [{"field": f, "message": m} for f, m in self.errors]
        headers = {"Cache-Control": "no-store", **self.headers}
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        return Response(content, self.status, headers, media_type=MEDIA_TYPE)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of refusals with these statuses."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def add_problem_handlers(app: FastAPI) -> None:
    """Tell every refusal and failure of an application as a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(RedisError, _redis)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response(request.url.path)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    detail = {
        HTTPStatus.NOT_FOUND: "there is nothing at this path; /docs tells what there is",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not for this path",
    }.get(status, str(error.detail))
    return Problem(status, detail, headers=error.headers).response(request.url.path)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        (".".join(map(str, wrong["loc"][1:])) or str(wrong["loc"][0]), str(wrong["msg"]))
        for wrong in error.errors()
    ]
    detail = "; ".join(f"{name}: {message}" for name, message in errors)
    return Problem(422, detail, errors=errors).response(request.url.path)


async def _redis(request: Request, error: Exception) -> Response:
    log.warning("%s was not answered: %s", request.url.path, error)
    problem = Problem(
        503, "Redis, where this is stored, does not answer; try again", headers={"Retry-After": "2"}
    )
    return problem.response(request.url.path)
