"""A real receiver of webhooks that takes nothing but version 4, signed."""

import hashlib
import hmac
import time
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Annotated, Any, Final, Literal, Self

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from processor.embedded.server import free_port
from tests.harness.waiting import eventually

SECRET: Final = "a secret of the tests"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WebhookAlert(_Strict):
    """An alert as Alertmanager's documentation has it."""

    status: Literal["firing", "resolved"]
    labels: Annotated[dict[str, str], Field(min_length=1)]
    annotations: dict[str, str]
    startsAt: AwareDatetime  # noqa: N815 - Alertmanager's names
    endsAt: AwareDatetime  # noqa: N815
    generatorURL: str  # noqa: N815
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


class WebhookMessage(_Strict):
    """A message as Alertmanager's documentation has it, version 4."""

    version: Literal["4"]
    groupKey: Annotated[str, Field(min_length=1)]  # noqa: N815
    truncatedAlerts: Annotated[int, Field(ge=0)]  # noqa: N815
    status: Literal["firing", "resolved"]
    receiver: str
    groupLabels: dict[str, str]  # noqa: N815
    commonLabels: dict[str, str]  # noqa: N815
    commonAnnotations: dict[str, str]  # noqa: N815
    externalURL: str  # noqa: N815
    alerts: Annotated[list[WebhookAlert], Field(min_length=1)]

    @property
    def seen(self) -> list[tuple[str, str, str]]:
        """What a receiver drops repeats by, and a name to read it by."""
        return [
            (one.labels["channel"], one.status, one.startsAt.isoformat()) for one in self.alerts
        ]


class Receiving:
    """Takes webhooks at an address of this machine.

    Attributes:
        messages: what was taken, in order.
        requests: when each came, whatever became of it.
        answers: for the next requests, one each; of none it is taken and a 200.
        signed: whether signatures are asked for.
    """

    def __init__(self, *, signed: bool = True) -> None:
        self.messages: list[WebhookMessage] = []
        self.requests: list[float] = []
        self.answers: deque[Answer] = deque()
        self.problems: list[str] = []
        self.signed = signed
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook?key=hush"

    @property
    def seen(self) -> list[tuple[str, str, str]]:
        """All alerts of all messages, in order."""
        return [one for message in self.messages for one in message.seen]

    @property
    def distinct(self) -> list[tuple[str, str]]:
        """Channel and status without repeats, as a receiver that drops them sees it."""
        return [(channel, status) for channel, status, _ in dict.fromkeys(self.seen)]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        assert not self.problems, self.problems

    async def start(self) -> None:
        """Listen, at the port of before: none that a client may be given while it is away."""
        self.port = self.port or free_port()
        app = web.Application(client_max_size=10 * 2**20)
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def until(self, condition: Callable[[], Any], what: str, within_s: float = 20) -> None:
        """Wait for what is to arrive."""

        async def look() -> tuple[Any, Any]:
            return condition(), self.distinct

        await eventually(look, lambda seen: bool(seen[0]), what=what, within_s=within_s)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(time.monotonic())
        body = await request.read()
        if self.answers:
            return await self.answers.popleft()(request)
        try:
            if self.signed:
                check_signature(request.headers["X-Cx-Signature"], body)
            assert request.content_type == "application/json"
            self.messages.append(WebhookMessage.model_validate_json(body))
        except (AssertionError, KeyError, ValueError) as error:
            self.problems.append(repr(error))
            return web.Response(status=400, text=f"{error}")
        return web.Response(text="taken")


def check_signature(header: str, body: bytes) -> None:
    """As the contract says it, without the code that made it."""
    at, signature = header.split(",")
    assert at.startswith("t=")
    assert signature.startswith("v1=")
    assert abs(time.time() - int(at[2:])) < 60
    signed = at[2:].encode() + b"." + body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert signature[3:] == expected, "the signature is not of this body"


def status(code: int, headers: dict[str, str] | None = None, text: str = "no") -> Answer:
    """An answer of a status."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers=headers, text=text)

    return answer
