"""What tests of notifying share: a Redis, names of their own in it, and a strict receiver."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from processor.state.keys import Keys
from processor.state.redis_url import async_client
from tests.notifying.outboxes import Outboxes
from tests.notifying.receiving import Receiving


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of the shared server."""
    client = async_client(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def keys(redis_prefix: str) -> Keys:
    """Names of this test's own."""
    return Keys(redis_prefix.rstrip(":"))


@pytest.fixture
def outbox(redis: Redis, keys: Keys) -> Outboxes:
    """What the publisher would write."""
    return Outboxes(redis, keys)


@pytest.fixture
async def receiving() -> AsyncIterator[Receiving]:
    """A receiver of webhooks."""
    async with Receiving() as receiving:
        yield receiving
