"""Which addresses are refused, and that it is the one connected to that is asked."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from processor.notifying.guard import refusal
from processor.notifying.http import HttpClient
from processor.notifying.notification import DeliveryError
from processor.settings import WebhookReceiver
from tests.notifying.outboxes import receiver
from tests.notifying.receiving import Receiving

pytestmark = pytest.mark.timeout(30)

REFUSED = {
    "127.0.0.1": "loopback",
    "127.8.9.1": "loopback",
    "::1": "loopback",
    "0.0.0.0": "unspecified",
    "::": "unspecified",
    "169.254.169.254": "link-local",
    "fe80::1%eth0": "link-local",
    "10.1.2.3": "private",
    "172.16.0.1": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "private",
    "100.100.100.200": "private",
    "192.0.0.192": "of a cloud's metadata",
    "fd00:ec2::254": "private",
    "224.0.0.1": "multicast",
    "ff02::1": "multicast",
    "255.255.255.255": "private",
    "168.63.129.16": "of a cloud's metadata",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:10.0.0.1": "private",
    "64:ff9b::a9fe:a9fe": "link-local",
    "2002:7f00:1::": "loopback",
    "an address": "no address of the internet",
}


@pytest.mark.parametrize("address", REFUSED)
def test_refused(address: str) -> None:
    assert refusal(address) == REFUSED[address]


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8"])
def test_of_the_internet(address: str) -> None:
    assert refusal(address) is None


@asynccontextmanager
async def client(url: str, **settings: Any) -> AsyncIterator[HttpClient]:
    hook = receiver("webhook", url, **{"allow_private": False, **settings})
    assert isinstance(hook, WebhookReceiver)
    http = HttpClient(hook)
    try:
        yield http
    finally:
        await http.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1"])
async def test_this_machine_is_refused_by_any_name(host: str) -> None:
    async with Receiving(signed=False) as receiving:
        url = f"http://{host}:{receiving.port}/hook"
        async with client(url) as http:
            with pytest.raises(DeliveryError) as failure:
                await http.post(b"{}")
        assert not failure.value.retry
        assert "allow_private" in str(failure.value)
        assert receiving.requests == []


@pytest.mark.parametrize("allowed", [{"allow_private": True}, {"allowed_hosts": ["localhost"]}])
async def test_it_may_be_allowed(allowed: dict[str, Any]) -> None:
    async with Receiving(signed=False) as receiving:
        receiving.answers.append(_taken)
        async with client(f"http://localhost:{receiving.port}/hook", **allowed) as http:
            await http.post(b"{}")
        assert len(receiving.requests) == 1


async def test_one_allowed_host_allows_no_other() -> None:
    async with Receiving(signed=False) as receiving:
        url = f"http://127.0.0.1:{receiving.port}/hook"
        async with client(url, allowed_hosts=["localhost", "127.0.0.2"]) as http:
            with pytest.raises(DeliveryError, match="loopback"):
                await http.post(b"{}")
        assert receiving.requests == []


async def test_a_name_that_leads_elsewhere_at_a_second_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever was asked before: what counts is where the socket goes."""
    looks: list[str] = []
    asked = socket.getaddrinfo

    def rebinding(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "rebinds.example.org":
            return asked(host, port, *args, **kwargs)
        looks.append(host)
        return asked("127.0.0.1", port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    async with Receiving(signed=False) as receiving:
        url = f"http://rebinds.example.org:{receiving.port}/hook"
        async with client(url) as http:
            with pytest.raises(DeliveryError, match="its address is loopback"):
                await http.post(b"{}")
        assert looks
        assert receiving.requests == []


async def test_no_proxy_of_the_environment_goes_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiving(signed=False) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with client("http://169.254.169.254/latest/meta-data/") as http:
            with pytest.raises(DeliveryError, match="its address is link-local"):
                await http.post(b"{}")
        assert proxy.requests == []


async def _taken(_: web.Request) -> web.StreamResponse:

    return web.Response()
