"""Who we say we are to a receiver, and whose certificates are taken."""

import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from processor.notifying.http import HttpClient
from processor.notifying.notification import DeliveryError
from processor.settings import WebhookReceiver
from tests.notifying.outboxes import receiver

pytestmark = pytest.mark.timeout(30)


@asynccontextmanager
async def serving(
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[tuple[int, list[Mapping[str, str]]]]:
    """A port, and the headers of what comes there."""
    seen: list[Mapping[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        seen.append(request.headers)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield runner.addresses[0][1], seen
    await runner.cleanup()


async def post(url: str, **settings: Any) -> None:
    hook = receiver("webhook", url, **settings)
    assert isinstance(hook, WebhookReceiver)
    http = HttpClient(hook)
    try:
        await http.post(b"{}")
    finally:
        await http.close()


async def test_credentials() -> None:
    async with serving() as (port, seen):
        url = f"http://127.0.0.1:{port}/"
        await post(url, username="cx", password="pässword")
        await post(url, bearer_token="token")
        await post(url)
    basic, bearer, none = (headers.get("Authorization") for headers in seen)
    assert basic == f"Basic {b64encode('cx:pässword'.encode()).decode()}"
    assert bearer == "Bearer token"
    assert none is None


async def test_certificates(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    async with serving(context) as (port, seen):
        await post(f"https://localhost:{port}/", ca_file=ca_file)
        assert len(seen) == 1
        for url, settings in [
            (f"https://localhost:{port}/", {}),
            (f"https://localhost:{port}/", {"ca_file": other}),
            (f"https://127.0.0.1:{port}/", {"ca_file": ca_file}),
        ]:
            with pytest.raises(DeliveryError, match="Certificate"):
                await post(url, **settings)
        assert len(seen) == 1
