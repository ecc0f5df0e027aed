"""A client of each Redis version, and servers of one test's own."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from processor.embedded.redis import EmbeddedRedis, binaries
from processor.state.redis_url import async_client


@pytest.fixture
async def redis(redis_server: EmbeddedRedis) -> AsyncIterator[Redis]:
    """A client of a shared server; see `prefix`."""
    client = async_client(redis_server.url)
    yield client
    await client.aclose()


@pytest.fixture
def prefix(redis_prefix: str) -> str:
    """What this test's keys begin with."""
    return redis_prefix.rstrip(":")


@pytest.fixture(params=list(binaries()))
def own_redis_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedRedis]:
    """A server that the test may fill, make read-only or empty; one of each version."""
    with EmbeddedRedis(binary=binaries()[request.param], appendonly=False) as server:
        yield server


@pytest.fixture
async def own_redis(own_redis_server: EmbeddedRedis) -> AsyncIterator[Redis]:
    """A client of the test's own server."""
    client = async_client(own_redis_server.url)
    yield client
    await client.aclose()
