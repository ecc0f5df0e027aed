"""The servers of the faults: shared where they are not hurt, else of a test's own."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis
from processor.state.redis_url import async_client
from tests.faults.scenario import Scenario
from tests.harness.events import TOPICS
from tests.harness.running import seed_of
from tests.harness.state import StoredState
from tests.harness.worker import Deployment

NewScenario = Callable[..., Scenario]
"""``new_scenario(bootstrap=…, redis_url=…, settings=…)``; by default on the shared servers."""

_SETTINGS: Final = {
    "ENGINE__IDLE_AFTER": "1h",
    "KAFKA__TYPES": json.dumps([topic.replace("-", "_") for topic in TOPICS]),
    "PUBLISHER__INTERVAL_S": "0.5",
}
"""The log's time alone decides, see `Scenario.write_log`; ticks come sooner to be waited for."""


@pytest.fixture
async def new_scenario(
    request: pytest.FixtureRequest, topic_prefix: str, redis_prefix: str, tmp_path: Path
) -> AsyncIterator[NewScenario]:
    """Makes a test's scenario, with a seed of its own or that of ``CX_TEST_SEED``."""
    is_long = request.node.get_closest_marker("soak") is not None
    async with AsyncExitStack() as stack:

        def make(
            bootstrap: str | None = None,
            redis_url: str | None = None,
            settings: Mapping[str, str] | None = None,
        ) -> Scenario:
            deployment = Deployment(
                bootstrap=bootstrap or request.getfixturevalue("kafka_bootstrap"),
                redis_url=redis_url or request.getfixturevalue("redis_url"),
                topic_prefix=topic_prefix,
                redis_prefix=redis_prefix.rstrip(":"),
                settings={**_SETTINGS, **(settings or {})},
            )
            client = async_client(deployment.redis_url, timeout_s=60)
            stack.push_async_callback(client.aclose)
            state = StoredState(client, deployment.redis_prefix)
            seed = seed_of(request.node.name, is_new=is_long)
            return Scenario(deployment, state, tmp_path, seed)

        yield make


@pytest.fixture
def scenario(new_scenario: NewScenario, kafka_bootstrap: str, redis_url: str) -> Scenario:
    """A scenario on the shared servers: for faults that hurt only workers."""
    return new_scenario(kafka_bootstrap, redis_url)


@pytest.fixture
def own_redis() -> Iterator[EmbeddedRedis]:
    """A Redis to hurt; its data and port survive ``kill`` and ``start``."""
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture(scope="module")
def own_kafka() -> Iterator[EmbeddedKafka]:
    """A broker to hurt, one a module; its data and port survive ``kill`` and ``start``."""
    with EmbeddedKafka() as server:
        yield server
