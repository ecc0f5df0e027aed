"""A replay that is killed or interrupted goes on where it was: the whole is as if it never was.

It speaks to Redis through a gate that shuts when enough is written: however fast it is, and however
slow the test, it is interrupted in the middle.
"""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from processor.rehearsal.naming import settings_of
from processor.settings import Settings
from processor.streaming.marks import HEADER
from processor.streaming.topics import event_topics
from tests.cli.commands import SECONDS, cxpulse
from tests.harness.gate import Gate
from tests.harness.kafka import read_all
from tests.harness.waiting import eventually
from tests.harness.worker import Deployment
from tests.rehearsal.conftest import Expected


@pytest.mark.timeout(400)
async def test_killed_then_interrupted_then_done(
    settings: Settings,
    log_file: Path,
    expected: Expected,
    topic_prefix: str,
    tmp_path: Path,
) -> None:
    whole = expected(60_000)
    kafka_bootstrap, redis_url = settings.kafka.bootstrap, settings.redis.url.get_secret_value()
    out = tmp_path / "readings.jsonl"
    part = tmp_path / f".readings.jsonl.{topic_prefix}part"
    command = cxpulse("replay", str(log_file), "--engine", "kafka", "--every", "60s")
    command += ["--topic-prefix", topic_prefix, "--partitions", "2", "--out", str(out), "--keep"]

    def size() -> int:
        return part.stat().st_size if part.exists() else 0

    most = 0

    def shut_where_enough_is_written(_: bytes) -> bool:
        if size() > most:
            gate.shut()
        return True

    async def is_shut() -> bool:
        assert process.poll() is None, (tmp_path / "err").read_text()
        return gate.is_shut

    async with Gate(redis_url) as gate:
        environment = {
            **os.environ,
            "CX_KAFKA__BOOTSTRAP": kafka_bootstrap,
            "CX_REDIS__URL": gate.url,
        }

        def start() -> "subprocess.Popen[bytes]":
            with (tmp_path / "err").open("ab") as said:
                return subprocess.Popen(command, env=environment, stderr=said)

        gate.before = shut_where_enough_is_written
        length = len(whole.encode())
        for times, number in enumerate((signal.SIGKILL, signal.SIGINT), 1):
            most = times * length // 4
            process = start()
            try:
                await eventually(is_shut, within_s=60, what="readings")
                process.send_signal(number)
                most = length
                gate.open()
                assert await asyncio.to_thread(process.wait, SECONDS) != 0
            finally:
                process.kill()
            assert not out.exists()
            assert size() < length
        done = start()
        try:
            assert await asyncio.to_thread(done.wait, 3 * SECONDS) == 0, (
                tmp_path / "err"
            ).read_text()
        finally:
            done.kill()
    assert out.read_text() == whole
    assert not part.exists()
    assert "going on after" in (tmp_path / "err").read_text()

    # No event was sent twice, and each tells its place.
    deployment = Deployment(kafka_bootstrap, redis_url, topic_prefix, "")
    own = settings_of(settings, topic_prefix, 2)
    places = [
        int(dict(record.headers)[HEADER])
        for topic in event_topics(own.kafka)
        for record in await read_all(deployment, topic)
        if record.value is not None
    ]
    assert sorted(places) == list(range(1, len(places) + 1))
