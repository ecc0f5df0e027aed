"""``/login`` and ``/logout``: a token becomes a session, kept by the browser in a cookie."""

import json
import re
from html import escape
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from processor.monitor.problems import Problem, problem_responses
from processor.monitor.security import address_of, require_patience, session_of
from processor.monitor.sessions import COOKIE, Doorkeeper

router = APIRouter(tags=["session"])

_TOKEN_MAX: Final = 1024
_FORM: Final = "application/x-www-form-urlencoded"
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>cxpulse: log in</title>
<link rel="icon" href="/static/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/style.css">
<script src="/static/theme.js"></script>
</head>
<body>
<main>
<form class="login" method="post" action="/login">
<h1 class="brand"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M2 13h5l2.5-7 4 12 2.5-7 1 2H22"/></svg>cxpulse</h1>
<label for="token">The monitor's token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<input name="next" type="hidden" value="{next}">
<button>Show the readings</button>
<p class="wrong" role="alert">{message}</p>
</form>
</main>
</body>
</html>
"""  # noqa: E501 - HTML
_OURS: Final = re.compile(r"/(\?[!-\[\]-~]*)?")
"""Where a login may lead: to the page, whatever its query, and nowhere else."""

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {
                "schema": {
                    "type": "object",
                    "properties": {"token": {"type": "string", "maxLength": _TOKEN_MAX}},
                    "required": ["token"],
                }
            }
            for kind in ("application/json", _FORM)
        },
    }
}


@router.get(
    "/login",
    operation_id="loginPage",
    summary="The page that asks for the token",
    response_class=HTMLResponse,
)
async def login_page(
    then: Annotated[
        str, Query(alias="next", max_length=4096, description="the view to show afterwards")
    ] = "/",
) -> HTMLResponse:
    """The page that asks for the token."""
    return _page(then)


@router.post(
    "/login",
    operation_id="login",
    summary="Begin a session with the token",
    status_code=204,
    response_class=Response,
    responses={
        204: {"description": "A session began: its cookie is set"},
        303: {"description": "The same for a form: on to the page"},
        **problem_responses(400, 401, 413, 415, 429),
    },
    openapi_extra=_BODY,
)
async def login(request: Request) -> Response:
    """Begin a session: the cookie stands for the token from now on, for a limited time."""
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    token, then = _token(kind, await _body(request))
    address = address_of(request.scope)
    require_patience(doorkeeper, address)
    if not doorkeeper.knows_token(token):
        doorkeeper.guessed_wrong(address)
        if kind == _FORM:
            return _page(then, "This is not the token.", 401)
        raise Problem(401, "this is not the monitor's token")
    answer = _answer(kind, _safe(then))
    if not doorkeeper.is_open:
        answer.set_cookie(
            COOKIE,
            doorkeeper.begin_session(),
            max_age=int(doorkeeper.session_life_s),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return answer


@router.post(
    "/logout",
    operation_id="logout",
    summary="End the session",
    status_code=204,
    response_class=Response,
    responses={204: {"description": "The session ended"}},
)
async def logout(request: Request) -> Response:
    """End the session."""
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    session = session_of(request.headers)
    if session is not None:
        doorkeeper.end_session(session)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    answer = _answer(kind, "/login")
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _page(then: str, message: str = "", status: int = 200) -> HTMLResponse:
    page = _PAGE.format(next=escape(_safe(then)), message=escape(message))
    return HTMLResponse(page, status, {"Cache-Control": "no-store"})


def _safe(then: str) -> str:
    """Where a login leads; a link from elsewhere must not use it to lead away."""
    return then if _OURS.fullmatch(then) else "/"


def _answer(kind: str, then: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    if kind == _FORM:
        return RedirectResponse(then, 303, headers)
    return Response(status_code=204, headers=headers)


async def _body(request: Request) -> bytes:
    most = request.app.state.monitor.settings.monitor.body_max_bytes
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise Problem(413, f"the body is longer than {most} bytes")
    return bytes(body)


def _token(kind: str, body: bytes) -> tuple[str, str]:
    """The token, and where a form wants to go."""
    then = "/"
    try:
        if kind == _FORM:
            fields = parse_qs(body.decode(), max_num_fields=10)
            token: Any = fields.get("token", [None])[0]
            then = fields.get("next", [then])[0]
        elif kind == "application/json":
            content = json.loads(body)
            token = content.get("token") if isinstance(content, dict) else None
        else:
            raise Problem(415, f"the body is application/json or {_FORM}")
    except (ValueError, RecursionError):
        raise Problem(400, "the body cannot be read") from None
    if not isinstance(token, str):
        raise Problem(400, "the body has no token", errors=[("token", "is missing")])
    if len(token) > _TOKEN_MAX:
        message = f"is longer than {_TOKEN_MAX} characters"
        raise Problem(400, f"the token {message}", errors=[("token", message)])
    return token, then
