"""A monitor on the shared Redis, and somebody who publishes there."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from processor.settings import Settings
from processor.state.keys import Keys
from processor.state.redis_url import async_client
from tests.harness.waiting import PATIENCE
from tests.monitor.publishing import Publishing
from tests.monitor.serving import Served, serving, settings_of


@pytest.fixture
def keys(redis_prefix: str) -> Keys:
    """This test's own keys."""
    return Keys(redis_prefix.rstrip(":"))


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of the shared Redis."""
    client = async_client(redis_url, timeout_s=10 * PATIENCE)
    yield client
    await client.aclose()


@pytest.fixture
def publishing(redis: Redis, keys: Keys) -> Publishing:
    """Publishes for this test."""
    return Publishing(redis, keys)


@pytest.fixture
def settings(redis_url: str, redis_prefix: str) -> Settings:
    """Of a monitor without a token."""
    return settings_of(redis_url, redis_prefix)


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator[Served]:
    """A monitor without a token."""
    async with serving(settings) as one:
        yield one
