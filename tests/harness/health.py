"""Asking a worker's health checks."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

from tests.harness.waiting import PATIENCE, eventually

_ANSWER_S: Final = 3.0 * PATIENCE


class HealthChecks:
    """The health checks of a worker on this machine.

    Args:
        port: they are served on.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and checks; status 0 while nobody listens, or answers in time."""
        return await asyncio.to_thread(self._get, path)

    def _get(self, path: str) -> tuple[int, dict[str, Any]]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=_ANSWER_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())["checks"]
        except (OSError, HTTPException):  # also of a worker that ends while it answers
            return 0, {}
        finally:
            connection.close()

    async def live(self) -> int:
        """Status of ``/livez``."""
        return (await self.get("/livez"))[0]

    async def reasons(self) -> dict[str, str]:
        """What of ``/readyz`` is not as it should be; the key ``unreachable`` if nobody answers."""
        status, checks = await self.get("/readyz")
        if status == 0:
            return {"unreachable": ""}
        reasons = {name: check["reason"] for name, check in checks.items() if not check["ok"]}
        assert (status == 200) == (not reasons), (status, checks)
        return reasons

    async def until_ready(self, within_s: float = 60) -> None:
        """Returns when it is ready."""
        await eventually(self.reasons, lambda r: not r, within_s=within_s, what="ready")

    async def until_not(self, check: str, reason: str, within_s: float = 30) -> None:
        """Returns when a check fails for a reason, or for any where that is empty."""
        await eventually(
            self.reasons,
            lambda reasons: check in reasons and reason in reasons[check],
            within_s=within_s,
            what=f"{check}: {reason}",
        )


async def holds(look: Callable[[], Awaitable[bool]], times: int, pause_s: float) -> bool:
    """Whether something is so every time that it is looked at."""
    for _ in range(times):
        if not await look():
            return False
        await asyncio.sleep(pause_s)
    return True
