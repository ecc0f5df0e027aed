"""The dispatcher: while this process leads, every receiver is told of alerts, each by its own task.

A receiver that is slow or dead delays no other, and never the publisher: between them is the
outbox, which the publisher fills and each receiver reads from where it is.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from traceback import format_tb
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from processor.notifying.alertmanager import AlertmanagerSender
from processor.notifying.apprise import AppriseSender
from processor.notifying.counters import NotifyingCounters
from processor.notifying.lane import RECONCILE_S, Lane
from processor.notifying.notification import Sender
from processor.notifying.outbox import Outbox
from processor.notifying.webhook import WebhookSender
from processor.settings import AlertmanagerReceiver, AnyReceiver, WebhookReceiver
from processor.state.cancelling import cancel_until_done
from processor.state.keys import Keys

log = logging.getLogger(__name__)

_LEADS_S: Final = 0.2
"""Between two looks at who leads."""

_AGAIN_S: Final = 1.0
_PUZZLED_S: Final = 10.0
_WAIT_MS: Final = 1_000

Sleep = Callable[[float], Awaitable[object]]


class Dispatcher:
    """Tells receivers of alerts while this process leads.

    Args:
        receivers: who is told, as configured.
        redis: a client with bounded time-outs; its owner closes it.
        keys: key names of the deployment.
        now_ms: the clock.
        external_url: where the monitor's page is; empty where that is not known.
        counters: where tries are counted.
        wait_ms: how long Redis is asked to wait for an entry; less than the client's time-out.
        others: further lanes by name, such as the one to the topic. Each is given the event that
            is rung when there may be something new, and runs until cancelled.
        reconcile_s: between two looks at the stored alerts.
    """

    def __init__(
        self,
        receivers: Sequence[AnyReceiver],
        *,
        redis: Redis,
        keys: Keys,
        now_ms: Callable[[], int],
        external_url: str = "",
        counters: NotifyingCounters | None = None,
        wait_ms: int = _WAIT_MS,
        others: Iterable[tuple[str, Callable[[asyncio.Event], Coroutine[Any, Any, None]]]] = (),
        reconcile_s: float = RECONCILE_S,
    ) -> None:
        self._receivers = receivers
        self._outbox = Outbox(redis, keys)
        self._now_ms = now_ms
        self._external_url = external_url
        self._counters = counters or NotifyingCounters(one.name for one in receivers)
        self._wait_ms = wait_ms
        self._others = tuple(others)
        self._reconcile_s = reconcile_s

    async def run_forever(self, is_leader: Callable[[], bool], sleep: Sleep) -> None:
        """Tell receivers while this process leads, until cancelled.

        Args:
            is_leader: whether it leads now.
            sleep: waits for some seconds.
        """
        while True:
            if is_leader():
                log.info("telling %d receivers of alerts", len(self._receivers))
                await self._while_leading(is_leader, sleep)
            await sleep(_LEADS_S)

    async def _while_leading(self, is_leader: Callable[[], bool], sleep: Sleep) -> None:
        lanes = [
            Lane(
                receiver,
                sender_of(receiver, self._external_url),
                self._outbox,
                now_ms=self._now_ms,
                counters=self._counters,
                reconcile_s=self._reconcile_s,
            )
            for receiver in self._receivers
        ]
        bells = [lane.bell for lane in lanes]
        works: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = [
            (lane.name, lane.run) for lane in lanes
        ]
        for name, run in self._others:
            bell = asyncio.Event()
            bells.append(bell)
            works.append((name, _with(run, bell)))
        works.append(("outbox", lambda: self._ring(bells)))
        tasks = [asyncio.create_task(_again(*work, sleep), name=work[0]) for work in works]
        try:
            while is_leader():
                await sleep(_LEADS_S)
        finally:
            await _whatever_comes(_end(tasks, lanes))

    async def _ring(self, bells: Sequence[asyncio.Event]) -> None:
        """Ring whenever there is something new in the outbox."""
        last = await self._outbox.last_id()
        while True:
            for bell in bells:
                bell.set()
            while not await self._outbox.wait(last, self._wait_ms):
                pass
            last = await self._outbox.last_id()


async def _end(tasks: Sequence["asyncio.Task[None]"], lanes: Sequence[Lane]) -> None:
    await cancel_until_done(tasks)
    for lane in lanes:
        await lane.close()


async def _whatever_comes(work: Coroutine[Any, Any, None]) -> None:
    """Do work that is short to its end, also where we are cancelled meanwhile, even repeatedly."""
    task = asyncio.create_task(work)
    is_cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            is_cancelled = True
    task.result()
    if is_cancelled:
        raise asyncio.CancelledError


def sender_of(receiver: AnyReceiver, external_url: str) -> Sender:
    """What tells a receiver."""
    if isinstance(receiver, AlertmanagerReceiver):
        return AlertmanagerSender(receiver, external_url)
    if isinstance(receiver, WebhookReceiver):
        return WebhookSender(receiver, external_url)
    return AppriseSender(receiver, external_url)


def _with(
    run: Callable[[asyncio.Event], Coroutine[Any, Any, None]], bell: asyncio.Event
) -> Callable[[], Coroutine[Any, Any, None]]:
    return lambda: run(bell)


async def _again(name: str, run: Callable[[], Coroutine[Any, Any, None]], sleep: Sleep) -> None:
    """Run what fails again and again: neither the others nor the publisher depend on it."""
    while True:
        wait_s = _AGAIN_S
        try:
            await run()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("alerts do not go to %s: %r; trying again", name, error)
        except Exception as error:  # noqa: BLE001 - what nobody thought of is this receiver's alone
            # Without its words, which nobody has looked at for secrets.
            where = "".join(format_tb(error.__traceback__))
            log.error("alerts do not go to %s: %s at\n%s", name, type(error).__name__, where)  # noqa: TRY400
            wait_s = _PUZZLED_S
        await sleep(wait_s)
