"""Everything that the OpenAPI allows is answered as it says, and the rest is refused in order."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import uvloop
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from processor.state.keys import Keys
from processor.state.redis_url import async_client
from tests.harness.waiting import PATIENCE
from tests.monitor.publishing import Publishing, reading
from tests.monitor.serving import Served, serving, settings_of

pytestmark = pytest.mark.timeout(180)

_CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


class _Background:
    """A monitor in a thread: schemathesis asks it from this one."""

    def __init__(self, redis_url: str, prefix: str) -> None:
        self._redis_url = redis_url
        self._prefix = prefix
        self._ready = threading.Event()
        self._end = threading.Event()
        self.url = ""
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve()), daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        assert self._ready.wait(60 * PATIENCE)
        return self.url

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(60 * PATIENCE)

    async def _serve(self) -> None:
        redis = async_client(self._redis_url)
        publishing = Publishing(redis, Keys(self._prefix))
        await publishing.tick(
            reading("nps", 50.0),
            reading("csat", None, segment={"channel": "email"}),
            reading("clv", 9.5, currency="USD", unit="money"),
        )
        # Room for texts that are too long: they are to be refused for that, by their parameter.
        settings = settings_of(self._redis_url, self._prefix, query_max_bytes=32_768)
        async with serving(settings) as served:
            await self._until_end(served)
        await redis.aclose()

    async def _until_end(self, served: Served) -> None:
        self.url = served.url
        self._ready.set()
        await asyncio.to_thread(self._end.wait)


@pytest.fixture(scope="module")
def url(redis_url: str) -> Iterator[str]:
    with _Background(redis_url, "t-openapi") as served:
        yield served


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_as_it_says(url: str, mode: schemathesis.GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    # A text may be so long that the whole address is.
    schema.config.checks.negative_data_rejection.expected_statuses += ["414"]
    asked = 0
    for found in schema.exclude(path="/api/stream").get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr] # what is no schema raises here

        @settings(
            max_examples=8,
            derandomize=True,
            deadline=None,
            database=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            nonlocal asked
            asked += 1
            answer = case.call_and_validate(
                checks=_CHECKS, headers={"Host": "127.0.0.1"}, timeout=10 * PATIENCE
            )
            assert answer.status_code < 500 or case.operation.path == "/readyz"

        try:
            check()
        except Unsatisfiable:
            assert mode is schemathesis.GenerationMode.NEGATIVE, "nothing of it can be refused"
    assert asked > 20
