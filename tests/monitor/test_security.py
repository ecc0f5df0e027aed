"""Who is let in, under which names, and what browsers are told."""

from collections.abc import AsyncIterator
from html import escape
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from processor.monitor.app import create_app
from processor.monitor.sessions import COOKIE, Doorkeeper
from processor.settings import ConfigurationError
from tests.monitor.serving import TOKEN, Served, serving, settings_of

pytestmark = pytest.mark.timeout(60)

OPEN = ("/livez", "/readyz", "/login", "/static/plain.css")
GUARDED = (
    "/", "/api/readings", "/api/status", "/api/metrics", "/api/alerts", "/api/stream",
    "/api/history", "/api/distribution", "/metrics", "/docs", "/openapi.json", "/nothing",
)  # fmt: skip


@pytest.fixture
async def guarded(redis_url: str, redis_prefix: str) -> AsyncIterator[Served]:
    async with serving(settings_of(redis_url, redis_prefix, token=TOKEN)) as served:
        yield served


async def status_of(served: Served, path: str, headers: dict[str, str] | None = None) -> int:
    async with served.http.stream("GET", path, headers=headers) as response:
        return response.status_code


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "metrics.example.org", "127.1"])
def test_another_address_needs_a_token(host: str) -> None:
    tokens: tuple[dict[str, Any], ...] = ({}, {"token": ""})
    for token in tokens:
        settings = settings_of("redis://127.0.0.1:1", "x", host=host, **token)
        with pytest.raises(ConfigurationError, match="needs a token"):
            create_app(settings)
    create_app(settings_of("redis://127.0.0.1:1", "x", host=host, token=TOKEN))


async def test_every_path_without_a_token(guarded: Served) -> None:
    for path in OPEN:
        assert await status_of(guarded, path) in {200, 503}, path
    for path in GUARDED:
        refused = await guarded.http.get(path)
        assert refused.status_code == 401, path
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.headers["content-type"] == "application/problem+json"
        assert TOKEN not in refused.text
    browser = await guarded.http.get("/", headers={"Accept": "text/html"})
    assert (browser.status_code, browser.headers["location"]) == (303, "/login")


async def test_every_path_with_the_token(guarded: Served) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    for path in (*OPEN, *GUARDED):
        assert await status_of(guarded, path, bearer) not in {401, 403, 429, 500}, path
    await guarded.http.post("/login", json={"token": TOKEN})
    for path in (*OPEN, *GUARDED):
        assert await status_of(guarded, path) not in {401, 403, 429, 500}, path


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"],
)
async def test_what_is_not_the_token(guarded: Served, authorization: str) -> None:
    assert await status_of(guarded, "/api/status", {"Authorization": authorization}) == 401


async def test_a_session(guarded: Served) -> None:
    began = await guarded.http.post("/login", json={"token": TOKEN})
    assert began.status_code == 204
    cookie = began.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Max-Age=43200", "Path=/"):
        assert part in cookie
    assert TOKEN not in cookie
    assert "Secure" not in cookie
    assert await status_of(guarded, "/api/status") == 200
    session = guarded.http.cookies[COOKIE]
    assert (await guarded.http.post("/logout")).status_code == 204
    guarded.http.cookies.clear()
    assert await status_of(guarded, "/api/status", {"Cookie": f"{COOKIE}={session}"}) == 401
    assert await status_of(guarded, "/api/status", {"Cookie": f"{COOKIE}={TOKEN}"}) == 401


async def test_a_session_from_a_form(guarded: Served) -> None:
    wrong = await guarded.http.post("/login", data={"token": "wrong"})
    assert wrong.status_code == 401
    assert "not the token" in wrong.text
    began = await guarded.http.post("/login", data={"token": TOKEN})
    assert (began.status_code, began.headers["location"]) == (303, "/")
    assert await status_of(guarded, "/api/status") == 200


@pytest.mark.parametrize(
    ("asked", "leads"),
    [
        ("/?window=24h&segment=channel:a%2Cb", "/?window=24h&segment=channel:a%2Cb"),
        ("//elsewhere.example", "/"),
        ("/\\elsewhere.example", "/"),
        ("https://elsewhere.example", "/"),
        ("/?a\r\nSet-Cookie: x=y", "/"),
        ('/?"><script>', '/?"><script>'),
    ],
)
async def test_a_login_leads_back_to_the_page_only(guarded: Served, asked: str, leads: str) -> None:
    form = await guarded.http.get("/login", params={"next": asked})
    assert f'value="{escape(leads)}"' in form.text
    began = await guarded.http.post("/login", data={"token": TOKEN, "next": asked})
    assert began.status_code == 303
    assert began.headers["location"] in {leads, quote(leads, safe="/?=&:%")}
    guarded.http.cookies.clear()
    view = await guarded.http.get("/?window=24h", headers={"Accept": "text/html"})
    assert view.headers["location"] == "/login?next=%2F%3Fwindow%3D24h"


async def test_a_session_over_https_is_secure(redis_url: str, redis_prefix: str) -> None:
    app = create_app(settings_of(redis_url, redis_prefix, token=TOKEN))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://127.0.0.1") as http:
        began = await http.post("/login", json={"token": TOKEN})
        assert "Secure" in began.headers["set-cookie"]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b'{"token": 1}', 400),
        ("application/json", b"[" * 10_000, 400),
        ("application/json", b'{"token": "\xff"}', 400),
        ("application/x-www-form-urlencoded", b"tok=1", 400),
        ("text/plain", b"token", 415),
        ("application/json", b" " * 20_000, 413),
    ],
)
async def test_what_is_not_a_login(guarded: Served, kind: str, body: bytes, status: int) -> None:
    answer = await guarded.http.post("/login", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status

    async def pieces() -> AsyncIterator[bytes]:
        yield body

    answer = await guarded.http.post("/login", content=pieces(), headers={"Content-Type": kind})
    assert answer.status_code == status


async def test_guesses_are_limited(guarded: Served) -> None:
    for _ in range(10):
        assert (await guarded.http.post("/login", json={"token": "no"})).status_code == 401
    refused = await guarded.http.post("/login", json={"token": TOKEN})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert await status_of(guarded, "/api/status", bearer) == 429, "else a bearer could be guessed"


def test_guesses_are_forgotten_and_sessions_end() -> None:
    now_s = 0.0
    keeper = Doorkeeper(TOKEN, 100, lambda: now_s)
    for _ in range(10):
        keeper.guessed_wrong("2001:db8::1")
    assert keeper.wait_s("2001:db8::2") == 60, "of one network"
    assert keeper.wait_s("192.0.2.1") == 0
    session = keeper.begin_session()
    now_s = 61.0
    assert keeper.wait_s("2001:db8::1") == 0
    assert keeper.knows_session(session)
    now_s = 101.0
    assert not keeper.knows_session(session)
    for number in range(11_000):
        keeper.guessed_wrong(f"host{number}")
    assert len(keeper._guesses) == 10_000


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:8080", 200),
        ("[::1]:80", 200),
        ("LOCALHOST", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 400),
        ("localhost:x", 400),
        ("", 400),
    ],
)
async def test_names_on_loopback(served: Served, host: str, status: int) -> None:
    assert await status_of(served, "/api/status", {"Host": host}) == status


async def test_names_that_are_allowed(redis_url: str, redis_prefix: str) -> None:
    settings = settings_of(redis_url, redis_prefix, allowed_hosts=["cx.example.org"])
    async with serving(settings) as served:
        assert await status_of(served, "/api/status", {"Host": "cx.example.org"}) == 200


async def test_a_form_of_another_site(served: Served) -> None:
    for origin in ("https://evil.example", "null"):
        answer = await served.http.post("/login", data={"token": "x"}, headers={"Origin": origin})
        assert answer.status_code == 403
    own = await served.http.post("/login", data={"token": "x"}, headers={"Origin": served.url})
    assert own.status_code == 303


async def test_sizes(served: Served) -> None:
    assert (await served.http.get("/api/readings?metric=" + "a" * 9000)).status_code == 414
    assert (await served.http.get("/api/readings", headers={"X": "a" * 40_000})).status_code == 431


@pytest.mark.parametrize("path", ["/", "/docs", "/api/status", "/nothing", "/static/plain.css"])
async def test_what_browsers_are_told(served: Served, path: str) -> None:
    headers = (await served.http.get(path)).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


async def test_origins_that_are_listed(redis_url: str, redis_prefix: str) -> None:
    listed = "https://dash.example.org"
    settings = settings_of(redis_url, redis_prefix, cors_origins=[listed], token=TOKEN)
    async with serving(settings) as served:
        asked = {
            "Origin": listed,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization",
        }
        answer = await served.http.options("/api/readings", headers=asked)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == listed
        other = {"Origin": "https://evil.example"}
        answer = await served.http.get("/livez", headers=other)
        assert "access-control-allow-origin" not in answer.headers


async def test_pages_load_nothing_from_elsewhere(served: Served) -> None:
    for path in ("/docs", "/login"):
        page = (await served.http.get(path)).text
        assert "http://" not in page.replace("http://www.w3.org", "")
        assert "https://" not in page
        assert page.count("<script") == page.count('<script src="/static/')
        assert "style=" not in page
    docs = (await served.http.get("/docs")).text
    for path in (await served.http.get("/openapi.json")).json()["paths"]:
        assert path in docs
