import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from processor.embedded.kafka import _registered_brokers
from tests.embedded.processes import mentioning
from tests.harness.waiting import PATIENCE, eventually

_SECONDS = 60 * PATIENCE


async def _brokers_at(port: int) -> set[tuple[str, int]]:
    """What a broker says, however long it takes: one look waits for two seconds alone."""

    async def found() -> set[tuple[str, int]]:
        try:
            return _registered_brokers(port)
        except TimeoutError:
            return set()

    return await eventually(found, what="an answer of Kafka")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_run_prints_addresses_that_answer_and_ends_in_order(
    tmp_path: Path, how: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "processor.embedded", "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(2)]
        addresses = dict(line.split("=") for line in lines)
        host, port = addresses["CX_KAFKA__BOOTSTRAP"].split(":")
        assert asyncio.run(_brokers_at(int(port))) == {(host, int(port))}
        with redis.Redis.from_url(addresses["CX_REDIS__URL"]) as client:
            assert client.ping()

        process.send_signal(how)
        _, errors = process.communicate(timeout=_SECONDS)

    assert process.returncode == 0
    assert errors.splitlines()[-1] == "ended"
    assert mentioning(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_server_error_is_a_line_and_exit_code_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "processor.embedded", "run"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
        env={**os.environ, "CX_EMBEDDED__CACHE": "/dev/null"},
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot keep Kafka's jars in /dev/null")
    assert "Traceback" not in done.stderr
