"""What one partition keeps of a base: see `processor.core.bases`.

::

    recent      + . - + . . + -   every change at its instant, by the millisecond
                    horizon
    settled   |5      |-2         one point for each span between snapshots, just after the first
              s1      s2
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from processor.core.base_register import Answer, Inquiry, Knot
from processor.core.bases import BaseEvent, BasePlan, Stored, Subject, needed
from processor.core.identity import keyed_digest
from processor.core.panes import MINUTE_MS, Tier
from processor.core.rollup import add_into

ACCOUNTS_MAX: Final = 1_000
"""Accounts of one partition that are told apart; all others share `OTHER_ACCOUNT`."""

OTHER_ACCOUNT: Final = "other"
"""Its changes count; its snapshots do not, being of one account and not of all the others."""

_SETTLE_EVERY_MS: Final = MINUTE_MS
_FROM_THE_START: Final = 1
"""Where the point of the span before the first snapshot stands."""

_Points = dict[Subject, dict[int, int]]


class BaseBook:
    """A base as one partition knows it.

    Args:
        plan: the base.
        tiers: the panes that windows begin and end with.
        margin_ms: how far windows may lag behind the partition's clock.
        identity_key: key of the hashes that stand for accounts.
    """

    def __init__(
        self, plan: BasePlan, tiers: Sequence[Tier], *, margin_ms: int, identity_key: bytes = b""
    ) -> None:
        self.plan = plan
        self._tiers = tiers
        self._margin_ms = margin_ms
        self._identity_key = identity_key
        self._recent: _Points = {}
        self._settled: _Points = {}
        self._snapshots: dict[Subject, dict[int, dict[int, int]]] = {}
        self._knots: dict[Subject, list[int]] = {}
        self._accounts: dict[str, str] = {}
        self._told_apart: set[str] = set()
        self._deltas: dict[str, dict[str, int]] = {}
        self._announced: dict[Knot, None] = {}
        self._forgotten: list[Knot] = []
        self._version = 0
        self._due_ms = 0

    @property
    def has_changes(self) -> bool:
        """Whether :meth:`take` would give anything."""
        return bool(self._deltas)

    @property
    def points(self) -> int:
        """How many points are held."""
        return sum(map(len, (*self._recent.values(), *self._settled.values())))

    def restore(self, by_series: Mapping[str, Mapping[str, int]]) -> None:
        """Go on from the stored cell: series → counter → count."""
        if not self.plan.has_snapshots:
            return
        for series, counters in by_series.items():
            points: dict[str, dict[int, int]] = {}
            for name, n in counters.items():
                _, time_ms, told, account = Stored.parse(name)
                if told is None:
                    points.setdefault(account, {})[time_ms] = n
                else:
                    self._remember(Subject(series, account), time_ms, told, n)
                    self._told_apart.add(account)
            for account, by_time in points.items():
                self._recent[Subject(series, account)] = by_time
                self._told_apart.add(account)

    def record(self, time_ms: int, series: Iterable[str], event: BaseEvent) -> None:
        """Take in what an event says, in every series that it belongs to."""
        account = self._account(event.account)
        for name in series:
            subject = Subject(name, account)
            if event.count is None:
                if self.plan.has_snapshots:
                    _add(self._recent, subject, time_ms, event.change)
                    self._delta(subject, time_ms, event.change)
                else:  # nobody asks for an instant
                    self._delta(subject, _FROM_THE_START, event.change)
            elif account != OTHER_ACCOUNT:
                self._remember(subject, time_ms, event.count, 1)
                self._delta(subject, time_ms, 1, count=event.count)

    def take(self) -> dict[str, dict[str, int]]:
        """What to add to the cell since the last call, by series."""
        deltas, self._deltas = self._deltas, {}
        return {series: counters for series, counters in deltas.items() if counters}

    def inquire(self, clock_ms: int) -> Inquiry | None:
        """What to tell and ask the register; ``None`` where there is nothing to say yet.

        Args:
            clock_ms: the event clock of everything recorded so far.
        """
        is_due = self._announced or clock_ms >= self._due_ms
        if not self.plan.has_snapshots or not is_due:
            return None
        self._due_ms = clock_ms + _SETTLE_EVERY_MS
        announced, self._announced = list(self._announced), {}
        forgotten, self._forgotten = self._forgotten, []
        return Inquiry(self.plan.name, clock_ms, announced, forgotten, self._version)

    def settle(self, answer: Answer, clock_ms: int) -> None:
        """Put together what is older than the horizon, and forget snapshots nobody needs.

        Args:
            answer: of the register, to the last inquiry.
            clock_ms: the event clock.
        """
        if answer.version < self._version:  # the register was lost: tell it everything again
            self._version, self._due_ms = 0, 0
            for subject, by_time in self._snapshots.items():
                self._announced.update(((subject, at), None) for at in by_time)
            return
        self._version = answer.version
        for subject, at in answer.knots:
            times = self._knots.setdefault(Subject(*subject), [])
            if at not in times:
                insort(times, at)
        for subject in list(self._recent):
            self._put_together(subject, answer.horizon_ms)
        for subject in list(self._knots):
            self._thin(subject, answer.horizon_ms, clock_ms - self._margin_ms)

    # -- points ---------------------------------------------------------------------------------

    def _put_together(self, subject: Subject, horizon_ms: int) -> None:
        recent = self._recent[subject]
        for at in [at for at in recent if at <= horizon_ms]:
            self._move(subject, at, recent.pop(at))
        if not recent:
            del self._recent[subject]

    def _move(self, subject: Subject, at: int, n: int) -> None:
        """Move a point to where its span has its one point: just after the snapshot before it."""
        knots = self._knots.get(subject, [])
        before = bisect_left(knots, at) - 1
        to = knots[before] + 1 if before >= 0 else _FROM_THE_START
        _add(self._settled, subject, to, n)
        if at != to:
            self._delta(subject, at, -n)
            self._delta(subject, to, n)

    # -- snapshots ------------------------------------------------------------------------------

    def _remember(self, subject: Subject, at: int, count: int, n: int) -> None:
        counts = self._snapshots.setdefault(subject, {}).setdefault(at, {})
        counts[count] = counts.get(count, 0) + n
        self._announced[subject, at] = None

    def _thin(self, subject: Subject, horizon_ms: int, clock_ms: int) -> None:
        knots = self._knots[subject]
        if knots[0] > horizon_ms:
            return
        kept = set(needed(knots, self._tiers, clock_ms))
        gone = [at for at in knots if at <= horizon_ms and at not in kept]
        self._knots[subject] = [at for at in knots if at > horizon_ms or at in kept]
        settled = self._settled.get(subject, {})
        for at in gone:
            n = settled.pop(at + 1, 0)
            if n:
                self._move(subject, at + 1, n)
            for count, times in self._snapshots.get(subject, {}).pop(at, {}).items():
                self._delta(subject, at, -times, count=count)
            self._forgotten.append((subject, at))

    # -- names ----------------------------------------------------------------------------------

    def _account(self, name: str) -> str:
        if not name:
            return ""
        account = self._accounts.get(name)
        if account is None:
            account = keyed_digest(name, self._identity_key, 8).hex()
            if account not in self._told_apart and len(self._told_apart) >= ACCOUNTS_MAX:
                return OTHER_ACCOUNT
            self._told_apart.add(account)
            self._accounts[name] = account
        return account

    def _delta(self, subject: Subject, at: int, n: int, *, count: int | None = None) -> None:
        name = Stored(self.plan.name, at, count, subject.account).name
        add_into(self._deltas.setdefault(subject.series, {}), {name: n})


def _add(points: _Points, subject: Subject, at: int, n: int) -> None:
    by_time = points.setdefault(subject, {})
    total = by_time.get(at, 0) + n
    if total:
        by_time[at] = total
    else:
        by_time.pop(at, None)
