"""No server outlives the process that started it, however that one ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
import redis

from processor.embedded.redis import EmbeddedRedis
from tests.embedded.processes import exists, survivors
from tests.harness.waiting import PATIENCE

_SECONDS = 60 * PATIENCE

# A parent: starts servers, says what it started, and then does what the test is about.
_PARENT = """
import json, os, signal, sys
from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.redis import EmbeddedRedis

def tell(**facts):
    print(json.dumps(facts), flush=True)

servers = [EmbeddedRedis().start()]
if "kafka" in sys.argv:
    servers.append(EmbeddedKafka().start())
tell(
    pids=[s.pid for s in servers],
    supervisors=[s._supervisor.pid for s in servers],
    folders=[str(s.data_dir) for s in servers],
    url=servers[0].url,
)
"""


@contextmanager
def parent(then: str, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A parent process in a process group of its own, and what it said it started."""
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT + then, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process, hear(process.stdout)
        finally:
            process.kill()


def hear(stream: IO[str] | None) -> dict[str, Any]:
    assert stream is not None
    line = stream.readline()
    assert line, "the parent ended without a word"
    facts: dict[str, Any] = json.loads(line)
    return facts


def test_a_killed_parent_takes_its_servers_and_their_data_along() -> None:
    with parent("signal.pause()", "kafka") as (process, facts):
        assert all(exists(pid) for pid in facts["pids"])
        assert all(Path(folder).is_dir() for folder in facts["folders"])
        process.kill()
        process.wait()
        assert survivors(facts["pids"] + facts["supervisors"]) == []
        assert not any(Path(folder).exists() for folder in facts["folders"])


def test_a_suspended_server_goes_too() -> None:
    with parent("servers[0].suspend(); tell(suspended=True); signal.pause()") as (process, facts):
        assert hear(process.stdout) == {"suspended": True}
        process.kill()
        assert survivors(facts["pids"] + facts["supervisors"]) == []


def test_a_fork_that_holds_the_pipe_does_not_keep_the_server() -> None:
    then = "child = os.fork()\nif child: tell(child=child)\nsignal.pause()"
    with parent(then) as (process, facts):
        child = hear(process.stdout)["child"]
        process.kill()
        process.wait()
        assert survivors(facts["pids"] + facts["supervisors"]) == []
        assert exists(child)
        os.kill(child, signal.SIGKILL)


def test_a_parent_that_forgets_to_stop_leaves_nothing() -> None:
    with parent("sys.exit(3)", "kafka") as (process, facts):
        assert process.wait(_SECONDS) == 3
        assert survivors(facts["pids"] + facts["supervisors"]) == []
        assert not any(Path(folder).exists() for folder in facts["folders"])


def test_a_killed_supervisor_takes_its_server_along() -> None:
    with parent("signal.pause()") as (_, facts):
        os.kill(facts["supervisors"][0], signal.SIGKILL)
        assert survivors(facts["pids"]) == []
        shutil.rmtree(facts["folders"][0])  # with both owners killed nobody else does


def test_ctrl_c_reaches_the_parent_only() -> None:
    then = """
import redis
try:
    tell(ready=True)
    signal.pause()
except KeyboardInterrupt:
    tell(answers=redis.Redis.from_url(servers[0].url).ping())
    servers[0].stop()
    tell(running=servers[0].running)
"""
    with parent(then) as (process, facts):
        assert hear(process.stdout) == {"ready": True}  # from here on it is caught
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does
        assert hear(process.stdout) == {"answers": True}
        assert hear(process.stdout) == {"running": False}
        assert process.wait(_SECONDS) == 0
        assert survivors(facts["pids"]) == []


def test_a_server_outlives_the_thread_that_started_it() -> None:
    server = EmbeddedRedis()
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        with redis.Redis.from_url(server.url) as client:
            # The supervisor's look at its parent's id comes round every second.
            with (
                pytest.raises(redis.TimeoutError),
                redis.Redis.from_url(server.url, socket_timeout=1.5) as waiting,
            ):
                waiting.execute_command("BLPOP", "nothing", 0)
            assert client.ping()
    finally:
        server.stop()


def test_a_server_that_ends_by_itself_is_noticed() -> None:
    with EmbeddedRedis() as server:
        pid = server.pid
        os.kill(pid, signal.SIGKILL)
        assert survivors([pid]) == []
        server.restart()
        assert server.pid != pid
