"""The API's OpenAPI, with what holds for every path: refusals, and the ways to prove who one is."""

from typing import Any, Final

from fastapi import FastAPI

from processor.monitor.problems import ProblemDetails, problem_responses
from processor.monitor.sessions import COOKIE

_ALWAYS: Final = (400, 413, 414, 421, 431, 500, 503)
_WITH_TOKEN: Final = (401, 429)
_OPEN: Final = frozenset({"/livez", "/readyz", "/login"})
_SECURITY: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "the monitor's token"},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "from /login"},
}


def add_openapi(app: FastAPI, *, with_token: bool) -> None:
    """Complete what the framework tells of the routes; made once, when first asked for.

    Args:
        app: with all its routes.
        with_token: whether the monitor has a token.
    """
    plain = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(plain(), with_token=with_token)
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign] # as FastAPI's documentation has it


def _completed(openapi: dict[str, Any], *, with_token: bool) -> dict[str, Any]:
    components = openapi.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["ProblemDetails"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    if with_token:
        components["securitySchemes"] = _SECURITY
    for path, operations in openapi["paths"].items():
        guarded = with_token and path not in _OPEN
        for operation in operations.values():
            if guarded:
                operation["security"] = [{name: []} for name in _SECURITY]
            statuses = (*_ALWAYS, *(_WITH_TOKEN if guarded else ()))
            for status, response in problem_responses(*statuses).items():
                operation["responses"].setdefault(str(status), response)
            if (answer := operation["responses"].get("422")) and "problem" not in str(answer):
                operation["responses"].update(
                    {str(status): told for status, told in problem_responses(422).items()}
                )
            operation["responses"] = dict(sorted(operation["responses"].items()))
    return openapi
