"""What a receiver is told at once, and how telling it can fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from schemas.timestamps import format_rfc3339

AlertRow = Mapping[str, Any]
"""The fields of `schemas.alerts.Alert`."""

FIRING: Final = "firing"
RESOLVED: Final = "resolved"

GroupKey = tuple[tuple[str, str], ...]
"""Names and values of the labels that a group's alerts share."""


@dataclass(frozen=True, slots=True)
class Change:
    """An alert that began or ended.

    Attributes:
        entry_id: its entry of the outbox; the last that was read, where it was found out otherwise.
        alert: as it stands then: firing or resolved.
    """

    entry_id: str
    alert: AlertRow

    @property
    def fingerprint(self) -> str:
        """Names the alert."""
        return str(self.alert["fingerprint"])


@dataclass(frozen=True, slots=True)
class Notification:
    """Alerts of one group.

    Attributes:
        group: what they have in common.
        changes: those that began or ended, one for each alert.
        ongoing: those that were told before and fire still.
        left_out: how many more fire still.
    """

    group: GroupKey
    changes: tuple[Change, ...] = ()
    ongoing: tuple[AlertRow, ...] = ()
    left_out: int = 0

    @property
    def alerts(self) -> list[AlertRow]:
        """All of them, those that changed first."""
        return [*(change.alert for change in self.changes), *self.ongoing]

    @property
    def status(self) -> str:
        """Firing as long as any of them is."""
        return FIRING if any(one["state"] == FIRING for one in self.alerts) else RESOLVED


class DeliveryError(Exception):
    """A receiver was not told; the message says why, without secrets.

    Attributes:
        retry: whether the same may succeed later.
        retry_after_s: how long the receiver asked to be left alone, ``None`` where it did not.
        unreachable: it did not answer, or wants nothing of anybody now: no other notification
            would fare better.
    """

    def __init__(
        self,
        message: str,
        *,
        retry: bool = True,
        retry_after_s: float | None = None,
        unreachable: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry = retry
        self.retry_after_s = retry_after_s
        self.unreachable = unreachable


class Sender(Protocol):
    """Tells one receiver."""

    async def send(self, notification: Notification, now_ms: int) -> None:
        """Tell it, once.

        Args:
            notification: what.
            now_ms: the clock.

        Raises:
            DeliveryError: it was not told, or did not say so.
        """

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a receiver was told of an alert last.

    Attributes:
        entry_id: of the change.
        at_ms: when, by the clock.
        alert: as it was told, without the reading behind it.
    """

    entry_id: str
    at_ms: int
    alert: AlertRow = field(repr=False)

    @property
    def fires(self) -> bool:
        """Whether it was told as firing."""
        return bool(self.alert["state"] == FIRING)


def slim(alert: AlertRow) -> dict[str, Any]:
    """An alert without what no receiver is told: a stored one is a fifth as long."""
    return {**alert, "reading": None}


def ended(alert: AlertRow, at_ms: int) -> dict[str, Any]:
    """A firing alert that is over, where nobody said when."""
    at = format_rfc3339(at_ms)
    return {**alert, "state": RESOLVED, "previous_state": FIRING, "since": at, "ends_at": at}
