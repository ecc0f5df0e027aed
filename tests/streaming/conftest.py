"""What every test of the Faust side has: servers, names of its own, and a folder for logs."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from processor.state.redis_url import async_client
from tests.harness.state import StoredState
from tests.harness.worker import Deployment


@pytest.fixture
def deployment(
    kafka_bootstrap: str, redis_url: str, topic_prefix: str, redis_prefix: str
) -> Deployment:
    """Names of this test's own in the shared servers."""
    return Deployment(
        bootstrap=kafka_bootstrap,
        redis_url=redis_url,
        topic_prefix=topic_prefix,
        redis_prefix=redis_prefix.rstrip(":"),
    )


@pytest.fixture
async def redis(deployment: Deployment) -> AsyncIterator[Redis]:
    """A client of the deployment's Redis."""
    client = async_client(deployment.redis_url, timeout_s=60)
    yield client
    await client.aclose()


@pytest.fixture
def state(redis: Redis, deployment: Deployment) -> StoredState:
    """What the deployment's workers have stored."""
    return StoredState(redis, deployment.redis_prefix)
