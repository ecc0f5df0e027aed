"""The monitor beside a real worker: events go into Kafka, and come out of its stream."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from processor.embedded.server import free_port
from tests.harness.kafka import Record, create_topics, producing, send_all
from tests.harness.waiting import PATIENCE, eventually
from tests.harness.worker import Deployment, WorkerProcess
from tests.monitor.serving import TOKEN, following, serving, settings_of

pytestmark = pytest.mark.timeout(180)

SCORES = (9, 9, 9, 10, 7, 7, 3)


def _records(deployment: Deployment) -> list[Record]:
    now = datetime.now(UTC).isoformat()
    events = [
        {
            "type": "survey_response",
            "event_id": f"e{number}",
            "occurred_at": now,
            "survey": "nps",
            "score": score,
            "dimensions": {"channel": "<b>é🎉"},
        }
        for number, score in enumerate(SCORES)
    ]
    topic = deployment.topic("survey-response")
    return [Record(topic, None, json.dumps(event).encode()) for event in events]


async def test_from_kafka_to_the_stream(
    kafka_bootstrap: str, redis_url: str, topic_prefix: str, redis_prefix: str, tmp_path: Path
) -> None:
    deployment = Deployment(kafka_bootstrap, redis_url, topic_prefix, redis_prefix.rstrip(":"))
    await create_topics(deployment, partitions=1)
    settings = settings_of(redis_url, redis_prefix, stale_after_s=3.0)
    nps = 100 * (4 - 1) / 7
    with WorkerProcess(deployment, tmp_path) as worker:
        async with serving(settings) as served, following(served, "?metric=nps") as stream:
            await worker.until_ready()
            async with producing(deployment) as producer:
                await send_all(producer, _records(deployment))
            wanted = {
                "nps|24h|all": pytest.approx(nps),
                "nps|24h|channel=%3Cb%3E%C3%A9%F0%9F%8E%89": pytest.approx(nps),
            }
            seen: dict[str, float] = {}
            while not wanted.items() <= seen.items():
                seen |= await stream.rows()

            async def ready() -> int:
                return (await served.http.get("/readyz")).status_code

            await eventually(ready, lambda status: status == 200, what="ready")

            async def status() -> tuple[int, int, bool, str | None]:
                told = (await served.http.get("/api/status")).json()
                return told["events"]["counted"], told["lag"], told["stale"], told["leader"]

            # The partitions' progress is looked at now and then, and so after the readings.
            await eventually(
                status,
                lambda told: told[:3] == (7, 0, False) and bool(told[3]),
                what="all 7 are told as counted",
            )
            worker.kill()

            async def checks() -> tuple[int, dict[str, bool]]:
                answer = await served.http.get("/readyz")
                found = answer.json()["checks"]
                return answer.status_code, {name: check["ok"] for name, check in found.items()}

            await eventually(
                checks,
                lambda now: now[0] == 503 and now[1]["redis"] and not now[1]["publisher"],
                what="stale: not ready",
            )


async def test_the_command_ends_in_order(redis_url: str, tmp_path: Path) -> None:
    port = free_port()
    ours = {"CX_REDIS__URL": redis_url, "CX_MONITOR__TOKEN": TOKEN, "CX_MONITOR__HOST": "0.0.0.0"}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CX_")} | ours
    command = [sys.executable, "-m", "processor.cli", "monitor", "--port", str(port)]
    log = (tmp_path / "monitor.log").open("wb")
    process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        command, cwd=tmp_path, env=environment, stderr=log
    )
    log.close()
    try:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=bearer, timeout=20 * PATIENCE
        ) as http:

            async def live() -> bool:
                assert process.poll() is None, (tmp_path / "monitor.log").read_text()
                try:
                    return (await http.get("/livez")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(live, what="the monitor's process")
            async with http.stream("GET", "/api/stream") as response:
                lines = response.aiter_lines()
                assert "id: " in await anext(lines)
                process.send_signal(signal.SIGTERM)
                rest = [line async for line in lines]
        assert "event: bye" in rest
        assert process.wait(10 * PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


def test_the_command_refuses_another_address_without_a_token(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CX_")}
    command = [sys.executable, "-m", "processor.cli", "monitor", "--host", "0.0.0.0"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "needs a token" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
