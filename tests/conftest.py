"""Real servers for the tests, started when first asked for and once per session.

``KAFKA_BOOTSTRAP`` and ``REDIS_URL`` point the tests at servers that already run. Tests that
kill, suspend or fill a server start their own with `EmbeddedKafka` or `EmbeddedRedis`.
"""

import os
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from processor.embedded import server
from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis, binaries

# Their assertions then say what differed.
pytest.register_assert_rewrite("tests.harness", "tests.faults", "tests.streaming.owning")

from tests.harness.waiting import PATIENCE  # noqa: E402 - after it is to be rewritten

# Shared machines are slow at times: a deadline would fail laws that hold. The examples are the
# same in each run, so that a failure is of the change and not of the day; the thorough profile
# looks for new ones.
settings.register_profile(
    "ci",
    deadline=None,
    print_blob=True,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", settings.get_profile("ci"), derandomize=False, max_examples=2_000
)
settings.load_profile("ci")  # pytest's --hypothesis-profile comes later and wins

# A port is taken some time after it was chosen, and not while its server is away: each of the
# processes that test at the same time chooses from ports of its own, and so does what it starts.
if process := os.environ.get("PYTEST_XDIST_WORKER"):
    ports = server._PORTS[
        int(process.removeprefix("gw")) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    ]
    os.environ[server.PORTS_VARIABLE] = f"{ports.start}:{ports.stop}:{ports.step}"

_MARKER_OF_FIXTURE = {"kafka_bootstrap": "kafka", "redis_url": "redis", "redis_server": "redis"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that need a server by the fixtures they use: ``-m "not kafka"``.

    Deadlines of their own get the harness's patience.
    """
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in _MARKER_OF_FIXTURE:
                item.add_marker(_MARKER_OF_FIXTURE[fixture])
        if timeout := item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(PATIENCE * timeout.args[0]), append=False)


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """``host:port`` of a Kafka broker that all tests share; see `topic_prefix`."""
    if running := os.environ.get("KAFKA_BOOTSTRAP"):
        yield running
        return
    with EmbeddedKafka() as kafka:
        yield kafka.bootstrap


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of a Redis that all tests share; see `redis_prefix`."""
    if running := os.environ.get("REDIS_URL"):
        yield running
        return
    with EmbeddedRedis() as redis:
        yield redis.url


@pytest.fixture(scope="session", params=list(binaries()))
def redis_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedRedis]:
    """A shared Redis of each version this machine has: a test runs once on each."""
    with EmbeddedRedis(binary=binaries()[request.param]) as redis:
        yield redis


@pytest.fixture
def topic_prefix() -> str:
    """What a test's topics and consumer groups begin with, so that tests never meet."""
    return f"t-{uuid.uuid4().hex[:12]}."


@pytest.fixture
def redis_prefix() -> str:
    """What a test's keys begin with, so that tests never meet."""
    return f"t-{uuid.uuid4().hex[:12]}:"
