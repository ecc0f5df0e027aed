"""Chats, mail and pagers by Apprise, which is loaded only where a receiver needs it.

Its services block, so each call has a thread with a deadline. They connect by themselves: in that
thread every address they connect to is checked, as an HTTP receiver's is.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from processor.notifying.guard import AddressRefusedError, refusal
from processor.notifying.notification import FIRING, RESOLVED, DeliveryError, Notification
from processor.notifying.told_as import link, texts_of

if TYPE_CHECKING:
    from processor.notifying.notification import AlertRow
    from processor.settings import AppriseReceiver

_LINES_MAX: Final = 20
_CONNECTING: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


class AppriseSender:
    """Sends notifications by one address of Apprise.

    Args:
        receiver: its settings.
        external_url: where the monitor's page is; empty where that is not known.
    """

    def __init__(self, receiver: AppriseReceiver, external_url: str) -> None:
        self._receiver = receiver
        self._external_url = external_url
        self._calling: threading.Thread | None = None

    async def send(self, notification: Notification, now_ms: int) -> None:
        """Send it once; a call that is not over in time is left to itself.

        Raises:
            DeliveryError: Apprise said that it failed, or nothing in time.
        """
        del now_ms  # messages of people have the alerts' times
        if self._calling is not None and self._calling.is_alive():
            raise DeliveryError("the call before has not ended", unreachable=True)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[DeliveryError | None] = loop.create_future()
        call = _Call(self._receiver, title(notification), body(notification, self._external_url))

        def work() -> None:
            error = call.failure()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_answer, answer, error)

        self._calling = threading.Thread(
            target=work, name=f"apprise {self._receiver.name}", daemon=True
        )
        self._calling.start()
        limit_s = self._receiver.timeout_s
        try:
            async with asyncio.timeout(limit_s):
                error = await answer
        except TimeoutError:
            raise DeliveryError(f"no answer within {limit_s:g} s", unreachable=True) from None
        if error is not None:
            raise error

    async def close(self) -> None:
        """Nothing is kept open."""


def title(notification: Notification) -> str:
    """One line: how many, and of what.

    >>> title(Notification(group=(("alertname", "NPS low"),)))
    '[RESOLVED] NPS low'
    """
    firing = sum(alert["state"] == FIRING for alert in notification.alerts)
    firing += notification.left_out
    state = f"FIRING {firing}" if firing else RESOLVED.upper()
    of = ", ".join(value for _, value in notification.group)
    if not of:
        of = ", ".join(sorted({alert["name"] for alert in notification.alerts}))
    return f"[{state}] {of}"


def body(notification: Notification, external_url: str) -> str:
    """The alerts' own texts, a paragraph each; of many only the first."""
    alerts = notification.alerts
    parts = [_paragraph(alert, external_url) for alert in alerts[:_LINES_MAX]]
    more = len(alerts) - len(parts) + notification.left_out
    return "\n\n".join([*parts, *([f"and {more} more"] if more else [])])


def _paragraph(alert: AlertRow, external_url: str) -> str:
    texts = texts_of(alert)
    segment = ", ".join(f"{name} {value}" for name, value in sorted(alert["segment"].items()))
    about = f" ({segment})" if segment else ""
    over = alert["state"] == RESOLVED
    when = f"resolved at {alert['ends_at']}" if over else f"firing since {alert['starts_at']}"
    lines = [
        f"{alert['severity']}{about}: {texts['summary']}",
        texts.get("description", ""),
        when,
        link(external_url, alert),
    ]
    return "\n".join(line for line in lines if line)


def _answer(answer: asyncio.Future[DeliveryError | None], error: DeliveryError | None) -> None:
    if not answer.done():
        answer.set_result(error)


class _Call:
    """One call of a service, in its own thread."""

    def __init__(self, receiver: AppriseReceiver, title: str, body: str) -> None:
        self._receiver = receiver
        self._title = title
        self._body = body

    def failure(self) -> DeliveryError | None:
        """Make the call: what went wrong, without the words of others, which may be secrets."""
        receiver = self._receiver
        try:
            import apprise  # noqa: PLC0415 - an extra, and slow to load
        except ImportError:
            return DeliveryError('Apprise is not installed: pip install "cxpulse[apprise]"')
        # It logs addresses, and those are secrets.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        url = receiver.url.get_secret_value()
        refused: list[AddressRefusedError] = []
        host = url.partition("://")[2].rpartition("@")[2].partition("/")[0]
        named = {host, host.rpartition(":")[0]} & set(receiver.allowed_hosts)
        if not (receiver.allow_private or named):
            _guard_this_thread(refused)
        try:
            service: Any = apprise.Apprise.instantiate(url)
            if not service:
                return DeliveryError("its url is none that Apprise knows", retry=False)
            sent = service.notify(
                title=self._title, body=self._body, notify_type=apprise.NotifyType.WARNING
            )
        except Exception as error:  # noqa: BLE001 - of any of a hundred services
            sent, failed = False, type(error).__name__
        else:
            failed = "Apprise says it failed"
        if refused:
            return DeliveryError(str(refused[0]), retry=False)
        return None if sent else DeliveryError(failed, unreachable=True)


_here = threading.local()
_hooked = threading.Lock()
_hooks: list[bool] = []


def _guard_this_thread(refused: list[AddressRefusedError]) -> None:
    """From now on this thread connects to addresses of the internet only.

    Args:
        refused: where refusals are put, as services swallow what is raised.
    """
    with _hooked:
        if not _hooks:
            sys.addaudithook(_check_connection)
            _hooks.append(True)
    _here.refused = refused


def _check_connection(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _CONNECTING:
        return
    refused: list[AddressRefusedError] | None = getattr(_here, "refused", None)
    if refused is None:
        return
    address = next((one for one in arguments[1:] if isinstance(one, tuple)), None)
    kind = "a local socket" if address is None else refusal(str(address[0]))
    if kind is not None:
        error = AddressRefusedError(kind)
        refused.append(error)
        raise PermissionError(errno.EACCES, str(error))  # after which services tidy up
