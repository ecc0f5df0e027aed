"""What takes Alertmanager's place where it cannot be had: its API's schema, and no more."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from processor.embedded.server import free_port

_NAME: Final = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*$")


class PostableAlert(BaseModel):
    """As of openapi.yaml of its API version 2, with the checks it does beyond that."""

    model_config = ConfigDict(extra="forbid")

    labels: Annotated[dict[str, Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    annotations: dict[str, str] = Field(default_factory=dict)
    startsAt: AwareDatetime | None = None  # noqa: N815 - its names
    endsAt: AwareDatetime | None = None  # noqa: N815
    generatorURL: Annotated[str, Field(pattern="^https?://")] | None = None  # noqa: N815

    @model_validator(mode="after")
    def _valid(self) -> "PostableAlert":
        names = [*self.labels, *self.annotations]
        if not all(map(_NAME.match, names)):
            raise ValueError("a name is none that Prometheus has")
        if self.startsAt and self.endsAt and self.endsAt < self.startsAt:
            raise ValueError("it ends before it starts")
        return self


_ALERTS: Final = TypeAdapter(list[PostableAlert])


class StrictAlertmanager:
    """Takes alerts as Alertmanager does, and remembers the latest of each."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[PostableAlert, dict[str, Any]]] = {}
        self._runner: web.AppRunner | None = None
        self._port = free_port()

    @property
    def url(self) -> str:
        """Its root."""
        return f"http://127.0.0.1:{self._port}/am"

    async def start(self) -> None:
        """Listen, with nothing remembered."""
        self._latest = {}
        app = web.Application()
        app.router.add_post("/am/api/v2/alerts", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def stop(self) -> None:
        """Listen no more."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            await asyncio.sleep(0)

    async def alerts(self) -> dict[str, dict[str, Any]]:
        """What fires, by channel."""
        now = datetime.now(UTC)
        return {
            channel: row
            for channel, (alert, row) in self._latest.items()
            if alert.endsAt is None or alert.endsAt > now
        }

    async def _take(self, request: web.Request) -> web.Response:
        try:
            alerts = _ALERTS.validate_json(await request.read())
        except ValueError as error:
            return web.json_response(str(error), status=400)
        for alert, row in zip(alerts, await request.json(), strict=True):
            self._latest[alert.labels["channel"]] = (alert, row)
        return web.Response()
