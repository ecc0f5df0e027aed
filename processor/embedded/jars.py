"""Kafka's jars: a lock file of what they are, and a folder per user that keeps them.

``kafka-jars.lock`` lists each jar by its Maven coordinates and SHA-256, so that what runs here
is what was tested, whichever repository or mirror it came from. jgo downloads them.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from processor.embedded.server import EmbeddedServerError

KAFKA_VERSION = "4.1.1"
CACHE_VARIABLE = "CX_EMBEDDED__CACHE"

# Kafka logs through slf4j, and says nothing at all without a binding. This one writes to
# standard error and is set up by system properties, so it needs no file of its own.
_ROOTS = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")
_LOCK = Path(__file__).with_name("kafka-jars.lock")
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Jar:
    """One line of the lock file."""

    sha256: str
    coordinate: str
    """``group:artifact:version``."""

    @property
    def file_name(self) -> str:
        """``artifact-version.jar``."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def locked_jars() -> list[Jar]:
    """The jars that make up the embedded Kafka, in the order of the lock file."""
    lines = _LOCK.read_text(encoding="utf-8").splitlines()
    return [Jar(*line.split()) for line in lines if line and not line.startswith("#")]


def cache_folder() -> Path:
    """``$CX_EMBEDDED__CACHE``, else ``cxpulse`` in the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    user_cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(user_cache) if user_cache else Path.home() / ".cache") / "cxpulse"


def jar_folder() -> Path:
    """Where the jars are, or will be: one folder per Kafka version and content of the lock."""
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:8]
    return cache_folder() / f"kafka-{KAFKA_VERSION}-{digest}"


def fetch_jars(announce: Callable[[str], None] | None = None) -> Path:
    """The folder with every jar of the lock file, downloading them when it is missing.

    Processes that ask at the same time wait for the first; the folder appears complete or not
    at all.

    Args:
        announce: Told in a line when a download begins.

    Raises:
        EmbeddedServerError: The network, the cache folder or a downloaded jar is no good.
    """
    target = jar_folder()
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with only_one_process(target.parent):
            if not target.is_dir():
                if announce:
                    announce(f"downloading Kafka {KAFKA_VERSION} (43 MB, once) to {target}")
                _download(target)
    except OSError as error:
        raise EmbeddedServerError(
            f"cannot keep Kafka's jars in {target.parent} ({error}); "
            f"choose another folder with {CACHE_VARIABLE}"
        ) from error
    return target


@contextmanager
def only_one_process(folder: Path) -> Iterator[None]:
    """Others that ask for the same folder wait until this one is done."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go by the kernel if we are killed
        yield


def _download(target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as work:
        complete = Path(work) / "complete"
        complete.mkdir()
        fetch = _fetcher(Path(work) / "repository")
        for jar in locked_jars():
            file = fetch(jar.coordinate)
            found = _sha256(file)
            if found != jar.sha256:
                raise EmbeddedServerError(
                    f"{jar.coordinate} is not the jar we know: {file} has SHA-256 {found}, "
                    f"expected {jar.sha256}"
                )
            shutil.copyfile(file, complete / jar.file_name)
        complete.rename(target)


def _fetcher(repository: Path) -> Callable[[str], Path]:
    """A function from coordinates to the path of their jar, through jgo."""
    # Only for a download, so that a prepared machine starts without loading them.
    import requests  # noqa: PLC0415
    from jgo.config import GlobalSettings  # noqa: PLC0415
    from jgo.constants import MAVEN_CENTRAL_URL, default_maven_repo  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415

    context = MavenContext(
        # A repository of our own: jgo writes files in place, and an interrupted download
        # must not stay behind in the user's.
        repo_cache=repository,
        local_repos=[default_maven_repo()],
        # Repositories of the user's jgo configuration come first: mirrors of a company network.
        remote_repos={"central": MAVEN_CENTRAL_URL} | GlobalSettings.load().repositories,
        timeout=_TIMEOUT_SECONDS,
    )

    def fetch(coordinate: str) -> Path:
        group, artifact, version = coordinate.split(":")
        wanted = context.project(group, artifact).at_version(version).artifact()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return Path(wanted.resolve())
            except (requests.RequestException, RuntimeError) as error:
                if wanted.cached_path is not None:  # perhaps the beginning of a jar
                    wanted.cached_path.unlink(missing_ok=True)
                if attempt == _ATTEMPTS:
                    raise EmbeddedServerError(
                        f"cannot download {coordinate} ({_first_line(error)}); check the "
                        "network, or name a mirror under [repositories] in jgo's configuration"
                    ) from error
                time.sleep(attempt)  # a busy repository recovers by being left alone
        raise AssertionError("the last attempt returns or raises")

    return fetch


def write_lock() -> int:
    """Resolves Kafka's dependencies anew and writes the lock file; needs the network.

    Returns:
        How many jars it lists.
    """
    import jgo  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as work:
        fetch = _fetcher(Path(work))
        jars = []
        for artifact in jgo.resolve("+".join(_ROOTS)):
            coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
            jars.append(f"{_sha256(fetch(coordinate))}  {coordinate}\n")
    header = f"# Written by `python -m processor.embedded lock` for {' + '.join(_ROOTS)}\n"
    jars.sort(key=lambda line: line.split()[1])
    _LOCK.write_text(header + "".join(jars), encoding="utf-8")
    return len(jars)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
