"""Redis URLs: every part is checked, no password is ever shown, no client waits for ever."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
import redis
import redis.exceptions
from hypothesis import given
from hypothesis import strategies as st

from processor.embedded.server import free_port
from processor.state.redis_url import (
    RedisUrl,
    async_client,
    parse_redis_url,
    redact,
    sync_client,
)
from tests.harness.waiting import PATIENCE, eventually

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", RedisUrl(scheme="redis", host="cache", port=6379)),
        ("redis://cache:6380/", RedisUrl(scheme="redis", host="cache", port=6380)),
        ("redis://cache/?db=4", RedisUrl(scheme="redis", host="cache", port=6379, db=4)),
        ("redis://[::1]:7000/3", RedisUrl(scheme="redis", host="::1", port=7000, db=3)),
        (
            "redis://:p%40ss%2Fword@cache/1",
            RedisUrl(scheme="redis", host="cache", port=6379, db=1, password="p@ss/word"),
        ),
        (
            "rediss://worker:x@cache/0?ssl_check_hostname=no&ssl_ca_certs=/etc/ca.pem",
            RedisUrl(
                scheme="rediss",
                host="cache",
                port=6379,
                username="worker",
                password="x",
                tls=(("ssl_ca_certs", "/etc/ca.pem"), ("ssl_check_hostname", False)),
            ),
        ),
        (
            "unix:///run/redis.sock?db=2&password=x",
            RedisUrl(scheme="unix", path="/run/redis.sock", db=2, password="x"),
        ),
        (
            "redis+cluster://me:x@a,b:7000/0",
            RedisUrl(
                scheme="redis+cluster",
                host="a",
                port=6379,
                nodes=(("a", 6379), ("b", 7000)),
                username="me",
                password="x",
            ),
        ),
        (
            "rediss+sentinel://:x@a,[::1]:7000/main/2?sentinel_password=y&ssl_ca_certs=/ca.pem",
            RedisUrl(
                scheme="rediss+sentinel",
                host="a",
                port=26379,
                nodes=(("a", 26379), ("::1", 7000)),
                service="main",
                db=2,
                password="x",
                sentinel_password="y",
                tls=(("ssl_ca_certs", "/ca.pem"),),
            ),
        ),
        (
            "unix://me:x@/run/redis.sock",
            RedisUrl(scheme="unix", path="/run/redis.sock", username="me", password="x"),
        ),
    ],
)
def test_a_url_has_these_parts(url: str, expected: RedisUrl) -> None:
    assert parse_redis_url(url) == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "scheme"),
        ("cache:6379", "scheme"),
        ("http://cache", "scheme"),
        (f"user:{SECRET}@cache", "scheme"),
        ("redis://", "names no host"),
        (f"redis://:{SECRET}@/0", "names no host"),
        (f"redis://:{SECRET}@cache/first", "database must be a number"),
        (f"redis://:{SECRET}@cache/-1", "database must be a number"),
        ("redis://cache/1?db=2", "two databases"),
        (f"redis://:{SECRET}@cache:port/0", "host or port"),
        (f"redis://:{SECRET}@cache:0/0", "port"),
        (f"redis://:{SECRET}@cache:70000", "host or port"),
        ("redis://cache?colour=red", "unknown option colour"),
        ("redis://a,b:6380", "several hosts"),
        ("redis+cluster://a,,b", "names no host"),
        ("redis+cluster://a,b:port", "host or port"),
        ("redis+cluster://a/1", "database 0 only"),
        ("redis+sentinel://a,b", "names no service"),
        ("redis+sentinel://a/main/x", "database must be a number"),
        (f"redis+sentinel://a:1,{SECRET}@b/main?x=1", "unknown option x"),
        ("redis://a?sentinel_password=x", "unknown option sentinel_password"),
        ("redis+sentinel://a/main?ssl_ca_certs=/ca.pem", "rediss://"),
        ("redis://cache?nonsense", "name=value"),
        ("redis://cache?ssl_cert_reqs=none", "rediss://"),
        ("rediss://cache?ssl_cert_reqs=maybe", "required, optional or none"),
        ("rediss://cache?ssl_check_hostname=maybe", "true or false"),
        ("unix://", "socket path"),
        ("unix://cache/run/redis.sock", "socket path"),
        (f"redis://:a/{SECRET}@cache/0", "percent-encoded"),
        (f"redis://:1/{SECRET}@cache/0", "no host|percent-encoded"),
        (f"redis://me:1/{SECRET}@cache/0", "percent-encoded"),
        (f"redis://me:1?{SECRET}=1@cache/0", "percent-encoded"),
        (f"redis://me:1#{SECRET}@cache/0", "percent-encoded"),
    ],
)
def test_a_bad_url_is_refused_with_its_reason_and_without_its_password(
    url: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_redis_url(url)
    assert SECRET not in str(caught.value)
    # Nor may a traceback show it through the exception's causes.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:x@cache", "redis://:***@cache"),
        ("rediss://me:x@cache:1/2", "rediss://me:***@cache:1/2"),
        ("redis://x@cache", "redis://***@cache"),
        ("unix:///run/r.sock?password=x&db=1", "unix:///run/r.sock?password=***&db=1"),
        ("redis://:x/y@z@cache", "redis://:***@cache"),
        (
            "redis+sentinel://a,b/m?sentinel_password=x",
            "redis+sentinel://a,b/m?sentinel_password=***",
        ),
        ("", ""),
    ],
)
def test_a_redacted_url_keeps_what_helps(url: str, shown: str) -> None:
    assert redact(url) == shown


@given(st.text(min_size=1).map(lambda text: f"<{text}>"), st.sampled_from(["", "me"]))
def test_no_password_survives_redaction(password: str, user: str) -> None:
    shown = redact(f"redis://{user}:{password}@cache:6379/0")
    assert shown == f"redis://{user}:***@cache:6379/0"


def test_the_parts_do_not_print_the_password() -> None:
    assert SECRET not in repr(parse_redis_url(f"redis://:{SECRET}@cache/0"))


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("inf"), float("nan")])
def test_a_timeout_must_be_a_bound(timeout_s: float) -> None:
    with pytest.raises(ValueError, match="timeout_s must be a positive number"):
        sync_client("redis://cache", timeout_s=timeout_s)
    with pytest.raises(ValueError, match="timeout_s must be a positive number"):
        async_client("redis://cache", timeout_s=timeout_s)


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.fixture
def closed_port() -> str:
    return f"redis://127.0.0.1:{free_port()}/0"


def test_a_blocking_client_gives_up_on_a_silent_server(silent_server: str) -> None:
    started_s = time.monotonic()
    with (
        sync_client(silent_server, timeout_s=0.2, retries=1) as client,
        pytest.raises(redis.exceptions.TimeoutError),
    ):
        client.ping()
    assert time.monotonic() - started_s < 5 * PATIENCE


async def test_an_async_client_gives_up_on_a_silent_server(silent_server: str) -> None:
    async with asyncio.timeout(5 * PATIENCE), async_client(silent_server, timeout_s=0.2) as client:
        with pytest.raises(redis.exceptions.TimeoutError):
            await client.ping()


async def test_an_async_client_asks_again_where_every_command_may_be_repeated() -> None:
    connections = ended = 0

    async def answer_later_ones(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections, ended
        connections += 1
        is_silent = connections == 1
        with contextlib.suppress(ConnectionError):  # a client may go before it has read all
            while await reader.read(4096):
                if not is_silent:
                    writer.write(b"-ERR not a real command\r\n")
        writer.close()
        ended += 1

    async def open_ones() -> int:
        return connections - ended

    async with (
        asyncio.timeout(30 * PATIENCE),
        await asyncio.start_server(answer_later_ones, "127.0.0.1", 0) as server,
    ):
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        async with async_client(url, timeout_s=0.2, retries=40, repeats_timeouts=True) as client:
            with pytest.raises(redis.exceptions.ResponseError, match="not a real command"):
                await client.ping()
        await eventually(open_ones, (0).__eq__, what="every connection closed")
    assert connections > 1


async def test_an_async_client_gives_up_on_a_closed_port(closed_port: str) -> None:
    async with (
        asyncio.timeout(5 * PATIENCE),
        async_client(closed_port, backoff_cap_s=0.05) as client,
    ):
        with pytest.raises(redis.exceptions.ConnectionError):
            await client.ping()


async def test_an_async_client_connects_once_a_server_comes_up(closed_port: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(b"-ERR not a real command\r\n")
        writer.close()

    port = parse_redis_url(closed_port).port
    async with asyncio.timeout(20 * PATIENCE), async_client(closed_port, retries=40) as client:
        ping = asyncio.ensure_future(client.ping())
        done, _ = await asyncio.wait([ping], timeout=0.3)
        assert not done
        async with await asyncio.start_server(answer, "127.0.0.1", port):
            with pytest.raises(redis.exceptions.ResponseError, match="not a real command"):
                await ping
            await client.aclose()


@pytest.mark.redis
async def test_clients_speak_to_a_real_redis_in_bytes(redis_url: str, redis_prefix: str) -> None:
    key = f"{redis_prefix}bytes"
    with sync_client(redis_url) as blocking:
        blocking.set(key, b"\xff\x00")
    async with async_client(redis_url, max_connections=2) as client:
        assert await client.getdel(key) == b"\xff\x00"
