"""Asking a worker's health checks."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
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
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self._port}{path}", timeout=_ANSWER_S
            ) as answer:
                return answer.status, json.loads(answer.read())["checks"]
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.loads(refused.read())["checks"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return 0, {}

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
        """Returns when a check fails for a reason."""
        await eventually(
            self.reasons,
            lambda reasons: reason in reasons.get(check, ""),
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
