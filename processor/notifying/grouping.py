"""Which alerts a receiver is told of together, and when: a pure machine that is told the time.

Changes come in with the ids of their outbox entries, and notifications go out. Of one alert they
go out in order, one in each notification: a receiver that was away learns of each beginning and
each end. The cursor is the entry up to which everything was told, or need not be.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from processor.notifying.notification import (
    FIRING,
    RESOLVED,
    AlertRow,
    Change,
    GroupKey,
    Notification,
    Told,
    ended,
    slim,
)

START: Final = "0-0"
"""The id before the first entry."""

READ_AHEAD: Final = 1_000
"""Changes that wait in memory; further ones wait in the outbox."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """How a receiver's alerts are put together.

    Attributes:
        by: the labels whose values alerts of a group share.
        wait_ms: how long the first change of a group waits for others.
        interval_ms: the shortest time between two notifications of a group.
        repeat_ms: what goes on firing is told again after this long.
        max_alerts: at most this many in one notification.
        whole: a notification has what fires still, beside what changed.
    """

    by: tuple[str, ...]
    wait_ms: int
    interval_ms: int
    repeat_ms: int
    max_alerts: int
    whole: bool


@dataclass(slots=True)
class _Group:
    pending: dict[str, deque[Change]] = field(default_factory=dict)
    firing: set[str] = field(default_factory=set)
    since_ms: int = 0
    sent_ms: int | None = None
    repeated_ms: int = 0
    not_before_ms: int = 0


class Groups:
    """All groups of one receiver.

    Args:
        grouping: how they are made.
        wants: whether the receiver is to be told that an alert fires.
        send_resolved: whether it is told that one is over.
        cursor: the entry behind which changes follow.
        told: what it was told by fingerprint, as stored.
    """

    def __init__(
        self,
        grouping: Grouping,
        *,
        wants: Callable[[AlertRow], bool],
        send_resolved: bool,
        cursor: str = START,
        told: Mapping[str, Told] | None = None,
    ) -> None:
        self._grouping = grouping
        self._wants = wants
        self._send_resolved = send_resolved
        self.told: dict[str, Told] = {}
        self.read = self.cursor = cursor
        self._open: dict[str, int] = {}
        self._groups: dict[GroupKey, _Group] = {}
        self._group_of: dict[str, GroupKey] = {}
        self._changed: set[str] = set()
        self._over: set[str] = set()
        for fingerprint, one in (told or {}).items():
            self.told[fingerprint] = one
            if one.fires:
                group = self._group(self._key(fingerprint, one.alert))
                group.firing.add(fingerprint)
                group.sent_ms = max(group.sent_ms or 0, one.at_ms)
                group.repeated_ms = group.sent_ms
            else:
                self._over.add(fingerprint)

    @property
    def waiting(self) -> int:
        """Changes that were read and not told."""
        return sum(self._open.values())

    @property
    def remembered(self) -> int:
        """Entries that were read and are not behind the cursor."""
        return len(self._open)

    # -- in -------------------------------------------------------------------------------------

    def take(self, entry_id: str, alert: AlertRow | None, now_ms: int) -> None:
        """Take in the next entry of the outbox.

        Args:
            entry_id: its id.
            alert: what changed; ``None`` for what cannot be read.
            now_ms: the clock.
        """
        self.read = entry_id
        self._open[entry_id] = 0
        if alert is not None and self._matters(entry_id, alert):
            self._add(Change(entry_id, alert), now_ms)
        self._move_cursor()

    def reconcile(
        self, current: Mapping[str, AlertRow], now_ms: int, muted: Callable[[AlertRow], bool]
    ) -> None:
        """Compare with what is stored: find what was silenced, lost, or is new to the receiver.

        Args:
            current: the stored alerts by fingerprint, read before the last entries of the outbox.
            now_ms: the clock.
            muted: whether an alert is silenced now.
        """
        for fingerprint, alert in current.items():
            if alert["state"] != FIRING or self._pending(fingerprint):
                continue
            told = self.told.get(fingerprint)
            if told is not None and told.fires and _same(told.alert, alert):
                self.told[fingerprint] = Told(told.entry_id, told.at_ms, slim(alert))
            elif _anew(told, alert) and self._wants(alert) and not muted(alert):
                self._add(Change(self.read, alert), now_ms)
        for fingerprint, told in list(self.told.items()):
            if not told.fires or self._pending(fingerprint):
                continue
            alert = current.get(fingerprint, {})
            if alert.get("state") == FIRING or muted(told.alert):
                continue
            over = alert if alert.get("state") == RESOLVED else ended(told.alert, now_ms)
            if self._send_resolved:
                self._add(Change(self.read, over), now_ms)
            else:
                self._note(fingerprint, Told(self.read, now_ms, slim(over)))
        self._move_cursor()
        self._sweep(now_ms)

    # -- out ------------------------------------------------------------------------------------

    def next_due_ms(self) -> int | None:
        """When there is something to tell; ``None`` for never, as things are."""
        times = [due for group in self._groups.values() if (due := self._due_ms(group)) is not None]
        return min(times, default=None)

    def due(self, now_ms: int, muted: Callable[[AlertRow], bool]) -> Notification | None:
        """What is to be told now; ``None`` for nothing.

        Args:
            now_ms: the clock.
            muted: whether an alert is silenced now.
        """
        while True:
            times = [
                (due, key)
                for key, group in self._groups.items()
                if (due := self._due_ms(group)) is not None and due <= now_ms
            ]
            if not times:
                return None
            _, key = min(times)
            notification = self._notification(key, now_ms, muted)
            if notification is not None:
                return notification

    def done(self, notification: Notification, now_ms: int) -> None:
        """A notification has arrived, or is given up."""
        group = self._groups[notification.group]
        for change in notification.changes:
            self._drop(group, change.fingerprint)
            self._note(change.fingerprint, Told(change.entry_id, now_ms, slim(change.alert)))
        if self._grouping.whole:
            for alert in notification.ongoing:
                told = self.told[alert["fingerprint"]]
                self._note(alert["fingerprint"], Told(told.entry_id, now_ms, told.alert))
        repeats = bool(notification.ongoing) or self._grouping.whole
        if repeats or not group.repeated_ms:
            group.repeated_ms = now_ms
        if notification.changes:
            # Behind what waits already no time is lost: the receiver was away.
            group.sent_ms = None if group.pending else now_ms
            group.since_ms = now_ms - self._grouping.wait_ms if group.pending else 0
        self._move_cursor()

    def postpone(self, key: GroupKey, until_ms: int) -> None:
        """Tell a group nothing before a time."""
        self._groups[key].not_before_ms = until_ms

    def changed(self) -> dict[str, Told | None]:
        """What is to be stored since the last call: by fingerprint, ``None`` for nothing more."""
        found = {fingerprint: self.told.get(fingerprint) for fingerprint in self._changed}
        self._changed = set()
        return found

    # -- how ------------------------------------------------------------------------------------

    def _matters(self, entry_id: str, alert: AlertRow) -> bool:
        fingerprint = str(alert["fingerprint"])
        told = self.told.get(fingerprint)
        if told is not None and not _behind(told.entry_id, entry_id):
            return False
        if alert["state"] == FIRING:
            return self._wants(alert)
        if alert["state"] != RESOLVED:
            return False
        waiting = self._pending(fingerprint)
        last = waiting[-1].alert if waiting else None if told is None else told.alert
        if last is None or last["state"] != FIRING:
            return False
        if self._send_resolved:
            return True
        if not waiting:
            self._note(fingerprint, Told(entry_id, told.at_ms if told else 0, slim(alert)))
        return False  # where its beginning waits still, it is found to be over after that

    def _add(self, change: Change, now_ms: int) -> None:
        fingerprint = change.fingerprint
        group = self._group(self._key(fingerprint, change.alert))
        if not group.pending:
            group.since_ms = now_ms
        group.pending.setdefault(fingerprint, deque()).append(change)
        self._open[change.entry_id] = self._open.get(change.entry_id, 0) + 1

    def _drop(self, group: _Group, fingerprint: str) -> None:
        changes = group.pending[fingerprint]
        self._open[changes.popleft().entry_id] -= 1
        if not changes:
            del group.pending[fingerprint]

    def _note(self, fingerprint: str, told: Told) -> None:
        self.told[fingerprint] = told
        self._changed.add(fingerprint)
        group = self._group(self._key(fingerprint, told.alert))
        if told.fires:
            group.firing.add(fingerprint)
            self._over.discard(fingerprint)
        else:
            group.firing.discard(fingerprint)
            self._over.add(fingerprint)

    def _notification(
        self, key: GroupKey, now_ms: int, muted: Callable[[AlertRow], bool]
    ) -> Notification | None:
        group, most = self._groups[key], self._grouping.max_alerts
        changes: list[Change] = []
        for fingerprint in list(group.pending):
            change = group.pending[fingerprint][0]
            if muted(change.alert):  # found again when the silence is over, if it holds still
                while fingerprint in group.pending:
                    self._drop(group, fingerprint)
            elif len(changes) < most:
                changes.append(change)
        changing = {change.fingerprint for change in changes}
        repeats = now_ms >= group.repeated_ms + self._grouping.repeat_ms
        firing: list[AlertRow] = []
        if self._grouping.whole or not changes:
            firing = [
                alert
                for fingerprint in sorted(group.firing - changing)
                if not muted(alert := self.told[fingerprint].alert)
            ]
        if not changes and not (firing and repeats):
            if repeats:
                group.repeated_ms = now_ms
            self._move_cursor()
            return None
        room = most - len(changes) if self._grouping.whole else len(firing)
        return Notification(key, tuple(changes), tuple(firing[:room]), max(0, len(firing) - room))

    def _due_ms(self, group: _Group) -> int | None:
        times: list[int] = []
        if group.pending:
            due = group.since_ms + self._grouping.wait_ms
            if group.sent_ms is not None:
                due = max(due, group.sent_ms + self._grouping.interval_ms)
            times.append(due)
        if group.firing:
            times.append(group.repeated_ms + self._grouping.repeat_ms)
        return max(min(times), group.not_before_ms) if times else None

    def _key(self, fingerprint: str, alert: AlertRow) -> GroupKey:
        """The group of an alert: the same for as long as it waits or fires, whatever its labels."""
        if fingerprint not in self._group_of:
            labels = alert["labels"]
            self._group_of[fingerprint] = tuple(
                (name, labels[name]) for name in self._grouping.by if name in labels
            )
        return self._group_of[fingerprint]

    def _group(self, key: GroupKey) -> _Group:
        return self._groups.setdefault(key, _Group())

    def _pending(self, fingerprint: str) -> deque[Change] | None:
        key = self._group_of.get(fingerprint)
        return None if key is None else self._groups[key].pending.get(fingerprint)

    def _move_cursor(self) -> None:
        for entry_id in list(_finished(self._open)):
            del self._open[entry_id]
            if _behind(self.cursor, entry_id):
                self.cursor = entry_id
        # What has ended is remembered for as long as its entry may be read again.
        for fingerprint in list(self._over):
            if not _behind(self.cursor, self.told[fingerprint].entry_id):
                self._over.discard(fingerprint)
                del self.told[fingerprint]
                self._changed.add(fingerprint)

    def _sweep(self, now_ms: int) -> None:
        """Forget groups of which nothing is left, once their interval is over."""
        for key, group in list(self._groups.items()):
            quiet_ms = (group.sent_ms or 0) + self._grouping.interval_ms
            if not group.pending and not group.firing and quiet_ms <= now_ms:
                del self._groups[key]
        for fingerprint, key in list(self._group_of.items()):
            if key not in self._groups or not (
                fingerprint in self.told or self._groups[key].pending.get(fingerprint)
            ):
                del self._group_of[fingerprint]


def _finished(open_: Mapping[str, int]) -> Iterator[str]:
    for entry_id, waiting in open_.items():
        if waiting:
            return
        yield entry_id


def _anew(told: Told | None, alert: AlertRow) -> bool:
    """Whether an alert fires that is not the one that was told as over."""
    return told is None or told.fires or not _same(told.alert, alert)


def _same(one: AlertRow, other: AlertRow) -> bool:
    return bool(one["starts_at"] == other["starts_at"])


def _behind(entry_id: str, other: str) -> bool:
    """Whether the other entry comes later."""
    return _place(entry_id) < _place(other)


def _place(entry_id: str) -> tuple[int, int]:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number or 0)


def wanted(
    rules: Iterable[str], severity: Iterable[str], labels: Mapping[str, str]
) -> Callable[[AlertRow], bool]:
    """Whether filters let an alert through; those that are empty let all."""
    of_rules, of_severity = frozenset(rules), frozenset(severity)

    def wants(alert: AlertRow) -> bool:
        if of_rules and alert["name"] not in of_rules:
            return False
        if of_severity and alert["severity"] not in of_severity:
            return False
        return all(alert["labels"].get(name) == value for name, value in labels.items())

    return wants
