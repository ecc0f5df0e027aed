"""One receiver's way from the outbox: read, group, tell, try again, and keep how far it is."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from processor.alerting.silence import Silence, silenced_by
from processor.core.panes import parse_duration_ms
from processor.notifying.counters import NotifyingCounters
from processor.notifying.grouping import READ_AHEAD, START, Grouping, Groups, wanted
from processor.notifying.notification import (
    AlertRow,
    DeliveryError,
    GroupKey,
    Notification,
    Sender,
)
from processor.notifying.outbox import PAGE, Outbox
from processor.settings import AlertmanagerReceiver, AnyReceiver

log = logging.getLogger(__name__)

RECONCILE_S: Final = 10.0
"""Between two looks at the stored alerts: how late what was silenced may be told."""

NEWS_S: Final = 3600.0
"""A receiver that is new is told of the changes of the last hour, and of what fires."""

_REMEMBERED_MAX: Final = 10_000
_ALERTMANAGER_AT_ONCE: Final = 200


def grouping_of(receiver: AnyReceiver) -> Grouping:
    """How a receiver's alerts are put together."""
    if isinstance(receiver, AlertmanagerReceiver):  # which groups them itself
        return Grouping(
            by=(),
            wait_ms=0,
            interval_ms=0,
            repeat_ms=parse_duration_ms(receiver.resend_every),
            max_alerts=_ALERTMANAGER_AT_ONCE,
            whole=False,
        )
    return Grouping(
        by=receiver.group_by,
        wait_ms=int(receiver.group_wait_s * 1000),
        interval_ms=int(receiver.group_interval_s * 1000),
        repeat_ms=parse_duration_ms(receiver.repeat_every),
        max_alerts=receiver.max_alerts,
        whole=True,
    )


class Lane:
    """Tells one receiver, for as long as this process leads.

    Args:
        receiver: its settings.
        sender: tells it.
        outbox: where changes come from.
        now_ms: the clock.
        counters: where tries are counted.
        jitter: a number from 0 to 1, another at each call.
        reconcile_s: between two looks at the stored alerts.

    Attributes:
        bell: is rung when there may be something new.
    """

    def __init__(
        self,
        receiver: AnyReceiver,
        sender: Sender,
        outbox: Outbox,
        *,
        now_ms: Callable[[], int],
        counters: NotifyingCounters,
        jitter: Callable[[], float] = random.random,
        reconcile_s: float = RECONCILE_S,
    ) -> None:
        self.bell = asyncio.Event()
        self._receiver = receiver
        self._sender = sender
        self._outbox = outbox
        self._now_ms = now_ms
        self._counters = counters
        self._jitter = jitter
        self._reconcile_ms = int(reconcile_s * 1000)
        self._retry_for_ms = parse_duration_ms(receiver.retry_for)
        self._silences: list[Silence] = []
        self._tries: dict[GroupKey, _Tries] = {}
        self._not_before_ms = 0
        self._kept = ""

    @property
    def name(self) -> str:
        """The receiver's."""
        return self._receiver.name

    async def run(self) -> None:
        """Tell the receiver of all that comes, until cancelled.

        Raises:
            redis.exceptions.RedisError: Redis is away or refuses; run it again.
        """
        groups = await self._restored()
        self._tries, self._not_before_ms = {}, 0
        looked_ms = 0
        while True:
            self.bell.clear()
            look = self._now_ms() - looked_ms >= self._reconcile_ms
            # Before the entries: those behind it are then known, when they are compared.
            current = await self._outbox.current() if look else {}
            drained = await self._read(groups)
            if look:
                looked_ms = self._now_ms()
                self._silences = await self._outbox.silences(self._now_ms())
                if drained:
                    groups.reconcile(current, looked_ms, self._muted)
            await self._keep(groups)
            self._counters.waits(self.name, groups.waiting)
            if await self._tell(groups):
                continue
            due_ms = groups.next_due_ms()
            until_ms = looked_ms + self._reconcile_ms
            if due_ms is not None:
                until_ms = min(until_ms, max(due_ms, self._not_before_ms))
            await self._until(until_ms)

    async def close(self) -> None:
        """Let go of the receiver."""
        await self._sender.close()

    # -- how ------------------------------------------------------------------------------------

    async def _restored(self) -> Groups:
        receiver = self._receiver
        cursor = await self._outbox.cursor(receiver.name)
        if cursor is None:
            began_ms = self._now_ms() - int(NEWS_S * 1000)
            cursor = f"{began_ms}-0" if began_ms > 0 else START
            await self._outbox.keep(receiver.name, cursor)
        return Groups(
            grouping_of(receiver),
            wants=wanted(receiver.rules, receiver.severity, receiver.labels),
            send_resolved=receiver.send_resolved,
            cursor=cursor,
            told=await self._outbox.told(receiver.name),
        )

    async def _read(self, groups: Groups) -> bool:
        """Read what there is; whether that was all."""
        while groups.waiting < READ_AHEAD and groups.remembered < _REMEMBERED_MAX:
            entries = await self._outbox.read(groups.read)
            for entry_id, alert in entries:
                groups.take(entry_id, alert, self._now_ms())
            if len(entries) < PAGE:
                return True
        return False

    async def _keep(self, groups: Groups) -> None:
        changed = groups.changed()
        if changed or groups.cursor != self._kept:
            await self._outbox.keep(self.name, groups.cursor, changed)
            self._kept = groups.cursor

    async def _tell(self, groups: Groups) -> bool:
        """Tell what is due, once; whether there was anything."""
        now_ms = self._now_ms()
        due_ms = groups.next_due_ms()
        if due_ms is None or max(due_ms, self._not_before_ms) > now_ms:
            return False
        self._silences = await self._outbox.silences(self._now_ms())
        notification = groups.due(now_ms, self._muted)
        if notification is None:
            return True
        try:
            await self._sender.send(notification, now_ms)
        except DeliveryError as error:
            await self._failed(groups, notification, error)
            return True
        if self._tries.pop(notification.group, None) is not None:
            log.info("%s is told of alerts again", self.name)
        self._not_before_ms = 0
        self._counters.tried(self.name, "delivered")
        groups.done(notification, self._now_ms())
        await self._keep(groups)
        return True

    async def _failed(
        self, groups: Groups, notification: Notification, error: DeliveryError
    ) -> None:
        now_ms = self._now_ms()
        tries = self._tries.setdefault(notification.group, _Tries(now_ms))
        tries.count += 1
        if not error.retry or now_ms - tries.began_ms >= self._retry_for_ms:
            await self._outbox.give_up(self.name, str(error), notification, now_ms)
            del self._tries[notification.group]
            self._counters.tried(self.name, "given_up")
            log.error(
                "%s was not told of %d alerts, which are kept under 'undelivered': %s",
                self.name,
                len(notification.alerts),
                error,
            )
            groups.done(notification, now_ms)
            await self._keep(groups)
            return
        wait_ms = int(1000 * self._wait_s(tries.count, error))
        groups.postpone(notification.group, now_ms + wait_ms)
        if error.unreachable:
            self._not_before_ms = now_ms + wait_ms
        self._counters.tried(self.name, "retried")
        log.warning(
            "%s was not told of alerts: %s; again in %.1f s", self.name, error, wait_ms / 1000
        )

    def _wait_s(self, count: int, error: DeliveryError) -> float:
        receiver = self._receiver
        wait_s = min(receiver.retry_max_s, receiver.retry_after_s * 2.0 ** min(count - 1, 30))
        wait_s *= 1 + (2 * self._jitter() - 1) / 3
        return max(wait_s, error.retry_after_s or 0.0)

    def _muted(self, alert: AlertRow) -> bool:
        return silenced_by(alert, self._silences, self._now_ms()) is not None

    async def _until(self, until_ms: int) -> None:
        wait_s = (until_ms - self._now_ms()) / 1000
        if wait_s <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(wait_s):
                await self.bell.wait()
        except TimeoutError:
            return


class _Tries:
    """How often a group was tried, and since when."""

    def __init__(self, began_ms: int) -> None:
        self.began_ms = began_ms
        self.count = 0
