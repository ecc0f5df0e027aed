"""The HTTP server of the health checks: what it serves, and what it refuses."""

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse

import pytest

from processor.streaming import health as health_module
from processor.streaming.health import Health
from processor.streaming.health_server import _CONNECTIONS, HealthServer, health_routes
from processor.streaming.progress import (
    Answer,
    Attempt,
    Awaited,
    PartitionProgress,
    Snapshot,
)
from tests.harness.waiting import eventually

PARTITION = PartitionProgress("surveys-0", 1, 10, 10, 10, 10, 10, lag=0)
SETTLED = Snapshot(1, True, False, (), (PARTITION,), (), Answer(None), Answer(None))


@pytest.fixture(autouse=True)
def _no_loop_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """None runs here: what is looked at is not how long ago it beat."""
    monkeypatch.setattr(health_module, "_LATE_S", 3_600.0)


@pytest.fixture
def health() -> Health:
    return Health(ready_lag_max=100)


@pytest.fixture
def server(health: Health) -> Iterator[HealthServer]:
    started = HealthServer("127.0.0.1", 0, health_routes(health)).start()
    yield started
    started.close()


def ask(server: HealthServer, path: str, method: str = "GET") -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def test_it_says_in_json_why(server: HealthServer, health: Health) -> None:
    health.starting("connecting to Redis")
    answer, body = ask(server, "/readyz")
    assert (answer.status, answer.headers["Content-Type"]) == (503, "application/json")
    assert json.loads(body) == {
        "status": "failing",
        "checks": {
            "event_loop": {"ok": True, "reason": "runs"},
            "worker": {"ok": False, "reason": "connecting to Redis"},
        },
    }
    answer, body = ask(server, "/livez?verbose")
    assert (answer.status, json.loads(body)["status"]) == (200, "ok")


def test_head_has_no_body(server: HealthServer) -> None:
    answer, body = ask(server, "/livez", "HEAD")
    assert (answer.status, body) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_refused(server: HealthServer, method: str) -> None:
    answer, _ = ask(server, "/livez", method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/livez/", "/livezz", "/metrics", "/../livez", "//livez/x"])
def test_other_paths_are_unknown_and_nothing_is_told(server: HealthServer, path: str) -> None:
    answer, body = ask(server, path)
    assert answer.status == 404
    assert json.loads(body) == {"error": "Not Found"}
    assert answer.headers["Server"].strip() == "cxpulse"


def test_a_page_that_fails_is_an_error_and_the_next_is_served() -> None:
    def broken() -> None:
        raise ValueError("secret")

    routes = {**health_routes(Health(1)), "/broken": broken}
    server = HealthServer("127.0.0.1", 0, routes).start()  # type: ignore[arg-type]
    try:
        answer, body = ask(server, "/broken")
        assert (answer.status, b"secret" in body) == (500, False)
        assert ask(server, "/livez")[0].status == 200
    finally:
        server.close()


async def test_silent_connections_keep_nobody_out_for_long(server: HealthServer) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(_CONNECTIONS)]

    async def status() -> int:
        try:
            return (await asyncio.to_thread(ask, server, "/livez"))[0].status
        except (ConnectionError, TimeoutError):
            return 0

    try:
        await eventually(status, what="an answer to a check", poll_s=0.5)
    finally:
        for connection in silent:
            connection.close()


def test_a_port_that_is_taken_is_named(server: HealthServer) -> None:
    with pytest.raises(OSError, match=rf"worker.health_port {server.port}: .*in use"):
        HealthServer("127.0.0.1", server.port, {})


# -- what is said of a state -----------------------------------------------------------------------


def seconds_in(pattern: str, said: str) -> int:
    """How long something has taken, as is said: longer on a machine that hesitates."""
    found = re.fullmatch(pattern, said)
    assert found is not None, said
    return int(found[1])


def failing(health: Health) -> str:
    return health.ready().failures()


def test_a_loop_that_beats_is_live_and_one_that_was_told_to_stop_is_not_ready(
    health: Health,
) -> None:
    loop = asyncio.new_event_loop()
    health.beat_on(loop)
    loop.close()
    health.show(SETTLED)
    assert (health.live().ok, health.ready().ok) == (True, True)
    health.stopping(within_s=60)
    assert health.live().ok
    assert failing(health) == "worker: stopping"


def test_a_stop_past_its_deadline_is_not_live(health: Health) -> None:
    health.stopping(within_s=-3)
    assert seconds_in(r"stop: should have ended (\d+) s ago", health.live().failures()) >= 3


def test_an_error_that_ends_the_worker_is_neither_live_nor_ready(health: Health) -> None:
    health.show(SETTLED)
    health.fail(ValueError("first"))
    health.fail(ValueError("second"))
    assert health.live().failures() == "errors: ValueError: first"
    assert failing(health) == "worker: ValueError: first"


def shown(health: Health, **changes: object) -> str:
    state = {"number": 1, "joined": True, "rebalancing": False, "unclaimed": ()}
    state |= {"partitions": (PARTITION,), "attempts": (), "redis": Answer(None)}
    health.show(Snapshot(**{**state, "kafka": Answer(None), **changes}))  # type: ignore[arg-type]
    return failing(health)


def test_each_reason_has_its_words(health: Health) -> None:
    assert shown(health) == ""
    assert shown(health, partitions=()) == "", "it stands by: others have all partitions"
    assert shown(health, joined=False) == "partitions: joining the consumer group"
    assert shown(health, rebalancing=True) == "partitions: the consumer group is rebalancing"
    unclaimed = tuple(f"surveys-{n}" for n in range(5))
    assert shown(health, unclaimed=unclaimed) == (
        "partitions: not claimed yet: surveys-0, surveys-1, surveys-2 and 2 more"
    )
    assert shown(health, redis=Answer("refused")) == "redis: does not answer: refused"
    assert shown(health, kafka=Answer("refused")) == "kafka: does not answer: refused"
    letters = Attempt("surveys-3", Awaited.DEAD_LETTERS, time.monotonic() - 7, "too large")
    said = shown(health, attempts=(letters,))
    assert seconds_in(r"dead_letters: surveys-3: waiting for (\d+) s: too large", said) >= 7


def test_the_partition_that_lags_most_is_named(health: Health) -> None:
    lagging = [PartitionProgress(f"s-{lag}", 1, 0, 0, 0, 0, lag, lag=lag) for lag in (99, 300, 101)]
    assert shown(health, partitions=tuple(lagging[:1])) == ""
    assert shown(health, partitions=tuple(lagging)) == (
        "lag: s-300 is 300 records behind, and 100 are allowed"
    )
