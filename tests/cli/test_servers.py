"""Commands on a real Kafka and Redis."""

import asyncio
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from processor.cli import checks, main
from processor.cli.checks import judge_clock, judge_eviction, judge_persistence, judge_topics
from processor.cli.servers import await_servers
from processor.embedded.redis import EmbeddedRedis
from processor.settings import KafkaSettings, load_settings
from processor.state.keys import Keys
from processor.state.live import LiveReadings, Snapshot
from processor.state.redis_url import async_client
from processor.streaming.topics import topic_plans
from tests.cli.commands import SECONDS, cxpulse
from tests.harness.gate import Gate
from tests.harness.kafka import end_offsets
from tests.harness.waiting import PATIENCE, eventually
from tests.harness.worker import Deployment


@pytest.fixture
def deployment(
    kafka_bootstrap: str,
    redis_url: str,
    topic_prefix: str,
    redis_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    env = {
        "CX_KAFKA__BOOTSTRAP": kafka_bootstrap,
        "CX_KAFKA__TOPIC_PREFIX": topic_prefix,
        "CX_KAFKA__READINGS_TOPIC": f"{topic_prefix}metrics",
        "CX_ALERTING__TOPIC": f"{topic_prefix}alerts",
        "CX_KAFKA__GROUP": f"{topic_prefix}group",
        "CX_REDIS__URL": redis_url,
        "CX_REDIS__PREFIX": redis_prefix.rstrip(":"),
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    # A doctor does not wait for long: here the servers are there, however slow they are.
    monkeypatch.setattr(checks, "_PATIENCE_S", 10 * PATIENCE)
    return env


def test_topics_are_created_once_and_the_doctor_sees_it(
    deployment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"^FAIL +topics +missing: .*: run cxpulse topics create$", out, re.MULTILINE)

    assert main(["topics", "create"]) == 0
    created = capsys.readouterr().out.splitlines()
    settings = load_settings()
    plans = topic_plans(settings.kafka, settings.alerting)
    assert sorted(created) == sorted(plan.name for plan in plans)
    assert main(["topics", "create"]) == 0
    assert capsys.readouterr().out == ""

    assert main(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert [line.split("  ")[0] for line in out.splitlines()] == ["ok"] * 7
    assert err == "all is well\n"


def test_the_doctor_names_what_is_broken(
    deployment: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    main(["topics", "create"])
    monkeypatch.setenv("CX_KAFKA__PARTITIONS", "5")
    capsys.readouterr()
    with EmbeddedRedis(appendonly=False) as plain:
        monkeypatch.setenv("CX_REDIS__URL", plain.url)
        with redis.Redis.from_url(plain.url) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
            assert main(["doctor"]) == 1
            out = capsys.readouterr().out
            assert "has 4 partitions, not 5" in out
            assert "set maxmemory-policy to noeviction" in out
            assert "nothing is saved: set appendonly to yes" in out

            client.config_set("requirepass", "right")
            assert main(["doctor"]) == 1
            assert "refuses the user or password" in capsys.readouterr().out
            wrong = plain.url.replace("//", "//:hush@")
            monkeypatch.setenv("CX_REDIS__URL", wrong)
            assert main(["doctor"]) == 1
            out = capsys.readouterr().out
            assert "refuses the user or password" in out
            assert "hush" not in out


def test_the_doctor_without_servers_checks_all_it_can(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CX_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("CX_REDIS__URL", "redis://127.0.0.1:1/0")
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["ok", "configuration"],
        ["FAIL", "kafka"],
        ["FAIL", "redis"],
    ]
    assert err.startswith("error: 2 of the checks failed")


def test_the_doctor_and_a_bad_configuration(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CX_KAFKA__PARTITIONS", "none")
    assert main(["doctor"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert re.match(r"FAIL +configuration +kafka.partitions: ", line)


def test_verdicts() -> None:
    kafka = KafkaSettings()
    there = {plan.name: plan.partitions for plan in topic_plans(kafka)}
    assert judge_topics(kafka, there).ok
    assert not judge_topics(kafka, {**there, "cx.events.session": 1}).ok
    assert judge_eviction({"maxmemory_policy": "noeviction"}).ok
    assert not judge_eviction({"maxmemory_policy": "volatile-lru"}).ok
    assert judge_persistence(appends=True, saves=False).ok
    assert not judge_persistence(appends=False, saves=True).ok
    assert judge_clock(100.0, asked_at_s=99.0, answered_at_s=101.0).ok
    assert not judge_clock(110.0, asked_at_s=99.0, answered_at_s=101.0).ok
    assert not judge_clock(90.0, asked_at_s=99.0, answered_at_s=101.0).ok


async def test_a_server_that_answers_late_is_waited_for(
    deployment: dict[str, str], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def count(_: bytes) -> bool:
        nonlocal asked
        asked += 1
        return True

    async def times_asked() -> int:
        return asked

    async with Gate(redis_url) as gate:
        gate.before = count
        gate.shut()
        monkeypatch.setenv("CX_REDIS__URL", gate.url)
        monkeypatch.setenv("CX_REDIS__TIMEOUT_S", "0.2")
        waiting = asyncio.create_task(await_servers(load_settings(), 60 * PATIENCE))
        await eventually(times_asked, lambda times: times > 1, what="asked again")
        assert not waiting.done()
        gate.open()
        await waiting


async def _snapshot() -> Snapshot:
    settings = load_settings()
    client = async_client(settings.redis.url.get_secret_value())
    try:
        return await LiveReadings(client, Keys(settings.redis.prefix)).read()
    finally:
        await client.aclose()


async def test_a_worker_under_load_ends_in_order_and_loses_nothing(
    deployment: dict[str, str], topic_prefix: str, tmp_path: Path
) -> None:
    worker = cxpulse("worker", "--instance-id", "one")
    simulate = cxpulse("simulate", "--rate", "2000", "--steady", "--type", "survey_response")
    with _running(simulate, tmp_path / "simulator") as simulator:
        with _running(worker, tmp_path / "first") as first:
            await _seen(lambda now: now.stats["counted"] >= 5_000, first, simulator)
            began = time.monotonic()
            first.process.send_signal(signal.SIGTERM)
            first.process.wait(SECONDS)
            took_s = time.monotonic() - began
        simulator.process.send_signal(signal.SIGINT)
        simulator.process.wait(SECONDS)
    assert (first.process.returncode, simulator.process.returncode) == (0, 0)
    assert took_s < 10 * PATIENCE
    assert "Traceback" not in first.log
    assert first.log.splitlines()[-1].endswith("stopped")
    assert "stopped after" in simulator.log.splitlines()[-1]

    ends = await end_offsets(
        Deployment(deployment["CX_KAFKA__BOOTSTRAP"], "", topic_prefix, ""),
        [f"{topic_prefix}survey-response"],
    )
    written = sum(ends.values())
    with _running(worker, tmp_path / "second") as second:

        def has_read_all(now: Snapshot) -> bool:
            return "ready, counting" in second.log and now.records >= written

        snapshot = await _seen(has_read_all, second)
        second.process.send_signal(signal.SIGINT)
        second.process.wait(SECONDS)
    assert second.process.returncode == 0
    # Poison and repeats are part of it: each record has exactly one outcome.
    stats = snapshot.stats
    outcomes = ("counted", "repeats", "rejected", "late_dropped")
    assert sum(stats[name] for name in outcomes) == snapshot.records == written


@dataclass(frozen=True, slots=True)
class _Running:
    """A command that runs, and the file that it says things in."""

    process: subprocess.Popen[bytes]
    file: Path

    @property
    def log(self) -> str:
        return self.file.read_text(encoding="utf-8")


@contextmanager
def _running(command: list[str], file: Path) -> Iterator[_Running]:
    """Runs a command, and ends it at the latest with the test."""
    with file.open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            yield _Running(process, file)
        finally:
            process.kill()


async def _seen(until: Callable[[Snapshot], bool], *running: _Running) -> Snapshot:
    """A snapshot that is as it should be; whoever brings it about has not ended before."""

    async def look() -> Snapshot:
        for one in running:
            assert one.process.poll() is None, one.log
        return await _snapshot()

    return await eventually(look, until, within_s=60, what="counts")
