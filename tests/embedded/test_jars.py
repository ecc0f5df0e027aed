"""Fetching Kafka's jars, from a Maven repository that this file serves itself."""

import functools
import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import pytest

from processor.embedded.jars import KAFKA_VERSION, Jar, cache_folder, jar_folder, locked_jars
from processor.embedded.kafka import prepare
from tests.harness.waiting import PATIENCE

_SECONDS = 120 * PATIENCE


@dataclass
class Repository:
    """A Maven repository on loopback, and what goes wrong with it."""

    url: str
    folder: Path
    asked: list[str] = field(default_factory=list)
    failures: list[HTTPStatus] = field(default_factory=list)
    """Answers to the next requests, before it works."""


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    folder = tmp_path / "repository"
    jars = prepare()
    for jar in locked_jars():
        file = folder / path_in_repository(jar)
        file.parent.mkdir(parents=True)
        file.symlink_to(jars / jar.file_name)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            if served.failures:
                self.send_error(served.failures.pop())
            else:
                super().do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet: `Repository.asked` tells."""

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        served = Repository(f"http://127.0.0.1:{server.server_port}", folder)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield served
        server.shutdown()
        thread.join()


def path_in_repository(jar: Jar) -> str:
    group, artifact, version = jar.coordinate.split(":")
    return f"{group.replace('.', '/')}/{artifact}/{version}/{jar.file_name}"


def start_prepare(cache: Path, repository_url: str) -> subprocess.Popen[str]:
    """``prepare`` as of a user who has never run it and whose jgo names a mirror."""
    settings = cache.parent / "jgo.conf"
    settings.write_text(f"[repositories]\ncentral = {repository_url}\n")
    environment = {
        **os.environ,
        "CX_EMBEDDED__CACHE": str(cache),
        "JGO_CONFIG_FILE": str(settings),
        "M2_REPO": str(cache.parent / "empty"),
        "NO_PROXY": "127.0.0.1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "processor.embedded", "prepare"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, list[str]]:
    output, errors = process.communicate(timeout=_SECONDS)
    return process.returncode, output, errors.splitlines()


def folder_made_in(cache: Path) -> Path:
    return cache / jar_folder().name


def test_the_lock_names_this_kafka_once_per_jar() -> None:
    jars = locked_jars()
    assert f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}" in [jar.coordinate for jar in jars]
    assert len({jar.file_name for jar in jars}) == len(jars)


def test_the_prepared_jars_are_those_of_the_lock() -> None:
    folder = prepare()
    found = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.glob("*.jar")}
    assert found == {jar.file_name: jar.sha256 for jar in locked_jars()}


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.delenv("CX_EMBEDDED__CACHE", raising=False)
    assert cache_folder() == Path("/xdg/cxpulse")
    monkeypatch.setenv("CX_EMBEDDED__CACHE", "/chosen")
    assert cache_folder() == Path("/chosen")
    assert jar_folder().name.startswith(f"kafka-{KAFKA_VERSION}-")


def test_two_at_once_download_once_then_it_is_quiet_and_offline(
    repository: Repository, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    both = [start_prepare(cache, repository.url) for _ in range(2)]
    (code, output, errors), (other_code, other_output, other_errors) = map(outcome, both)

    assert (code, other_code, output, other_output) == (0, 0, "", "")
    (line,) = errors + other_errors
    assert line == f"downloading Kafka {KAFKA_VERSION} (43 MB, once) to {folder_made_in(cache)}"
    jars = [path for path in repository.asked if path.endswith(".jar")]
    assert sorted(jars) == sorted("/" + path_in_repository(jar) for jar in locked_jars())
    assert {f.name for f in cache.iterdir()} == {".lock", folder_made_in(cache).name}

    assert outcome(start_prepare(cache, "http://127.0.0.1:1")) == (0, "", [])


def test_a_repository_that_fails_for_a_moment_is_asked_again(
    repository: Repository, tmp_path: Path
) -> None:
    repository.failures += [HTTPStatus.SERVICE_UNAVAILABLE]
    code, _, errors = outcome(start_prepare(tmp_path / "cache", repository.url))
    assert (code, len(errors)) == (0, 1)
    assert folder_made_in(tmp_path / "cache").is_dir()


def test_no_network_is_one_clear_line_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    code, output, errors = outcome(start_prepare(cache, "http://127.0.0.1:1"))
    assert (code, output, len(errors)) == (1, "", 2)
    assert errors[1].startswith("error: cannot download ")
    assert "check the network" in errors[1]
    assert [f.name for f in cache.iterdir()] == [".lock"]


def test_a_jar_that_was_tampered_with_is_refused(repository: Repository, tmp_path: Path) -> None:
    jar = locked_jars()[0]
    file = repository.folder / path_in_repository(jar)
    file.unlink()
    shutil.copy(prepare() / jar.file_name, file)
    with file.open("ab") as stream:
        stream.write(b"\0")

    code, _, errors = outcome(start_prepare(tmp_path / "cache", repository.url))

    assert code == 1
    assert f"{jar.coordinate} is not the jar we know" in errors[-1]
    assert not folder_made_in(tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    code, _, errors = outcome(start_prepare(tmp_path / "cache", "http://127.0.0.1:1"))
    assert code == 1
    assert "choose another folder with CX_EMBEDDED__CACHE" in errors[-1]
