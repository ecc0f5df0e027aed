"""A dispatcher that is killed in the middle: everything is told, and repeats can be dropped."""

import subprocess
import sys

import pytest
from aiohttp import web

from tests.notifying.outboxes import Outboxes, alert
from tests.notifying.receiving import Answer, Receiving


@pytest.mark.timeout(120)
async def test_killed_before_and_after_an_answer(
    outbox: Outboxes, receiving: Receiving, redis_url: str, redis_prefix: str
) -> None:
    command = [sys.executable, "-m", "tests.notifying.process"]
    command += [redis_url, redis_prefix.rstrip(":"), receiving.url]
    process: list[subprocess.Popen[bytes]] = []

    def kill(status: int | None) -> Answer:
        """The request is the last that the process makes; ``None`` takes it all the same."""

        async def answer(request: web.Request) -> web.StreamResponse:
            process[-1].kill()
            process[-1].wait()
            if status is None:
                return await receiving._take(request)
            return web.Response(status=status)

        return answer

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(command)

    channels = [f"c{n}" for n in range(8)]
    for state in ("firing", "resolved"):
        await outbox.change(*(alert(state, channel) for channel in channels))
    try:
        # Killed with nothing taken, and with three alerts taken and no answer.
        for fatal in (kill(500), kill(None)):
            receiving.answers.append(fatal)
            process.append(start())
            await receiving.until(lambda: process[-1].poll() is not None, "killed")
        process.append(start())
        await receiving.until(lambda: len(receiving.distinct) == 16, "all")
    finally:
        process[-1].kill()
        process[-1].wait()
    for channel in channels:
        states = [state for one, state in receiving.distinct if one == channel]
        assert states == ["firing", "resolved"]
    assert len(receiving.messages) <= 8, "three at a time, and what was not known to be taken"
