"""What a worker says of its health: whether it lives, and whether it is ready.

``live`` is about the process alone: the event loop runs, nothing fatal has happened, and a stop
has not passed its deadline. A worker that waits for Redis or Kafka lives: a restart would not help.
Only a worker that is not live should be started again, and it does that itself: see
:mod:`processor.streaming.watchdog`. For a supervisor: restart on a failure (exit code 1), not on
an order to stop (exit code 0).

``ready`` is about the work: partitions are assigned and claimed, Redis, Kafka and the dead-letter
topics answer, and no partition is further behind than ``worker.ready_lag_max``. Use it for what
waits for a worker (a deployment that goes on to the next, an alert); do not restart for it.
A worker without partitions, because others have them all, is ready: it stands by.

The event loop writes here and other threads read, so the answer comes while the loop is blocked.
Each attribute is replaced whole, never changed in place.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from processor.streaming.progress import Attempt, Awaited, Snapshot

_BEAT_S: Final = 0.25
_LATE_S: Final = 5.0
"""A beat this late is a loop that does not run: batches are counted in a tenth of that."""

_NAMED: Final = 3
"""So many partitions are named in a reason; the others are a number."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: of the check.
        ok: whether it is as it should be.
        reason: why, in words.
    """

    name: str
    ok: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """Checks, which are all to be ok."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether all are."""
        return all(check.ok for check in self.checks)

    def failures(self) -> str:
        """What is not, in a line."""
        return "; ".join(f"{c.name}: {c.reason}" for c in self.checks if not c.ok)

    def as_dict(self) -> dict[str, object]:
        """For JSON: ``{"status": "ok" | "failing", "checks": {name: {"ok", "reason"}}}``."""
        return {
            "status": "ok" if self.ok else "failing",
            "checks": {c.name: {"ok": c.ok, "reason": c.reason} for c in self.checks},
        }


class Health:
    """The state of one worker process, for those who look from other threads.

    Args:
        ready_lag_max: a partition further behind than this many records is not ready.
    """

    def __init__(self, ready_lag_max: int) -> None:
        self._ready_lag_max = ready_lag_max
        self._beat = 0
        self._beat_at = time.monotonic()
        self._doing = "starting"
        self._fatal: str | None = None
        self._stop_by: float | None = None
        self._snapshot: Snapshot | None = None

    # -- what the event loop tells --------------------------------------------------------------

    def beat_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Beat for as long as the loop runs."""
        self._beat, self._beat_at = self._beat + 1, time.monotonic()
        loop.call_later(_BEAT_S, self.beat_on, loop)

    def starting(self, doing: str) -> None:
        """Say what the start waits for: ``connecting to Redis``."""
        self._doing = doing

    def show(self, snapshot: Snapshot) -> None:
        """Publish a snapshot: from the first on, the worker has started."""
        self._snapshot = snapshot

    def fail(self, error: BaseException) -> None:
        """Something happened that ends the worker; the first counts."""
        if self._fatal is None:
            self._fatal = f"{type(error).__name__}: {error}"

    def stopping(self, within_s: float) -> None:
        """The worker was told to stop, and will have within this time."""
        self._stop_by = time.monotonic() + within_s

    # -- what others ask ------------------------------------------------------------------------

    @property
    def beat(self) -> int:
        """How often the event loop has beaten."""
        return self._beat

    @property
    def snapshot(self) -> Snapshot | None:
        """What the event loop showed last."""
        return self._snapshot

    @property
    def is_stopping(self) -> bool:
        """Whether the worker was told to stop."""
        return self._stop_by is not None

    def live(self) -> Report:
        """Whether the process works."""
        return Report((self._event_loop(), self._errors(), self._stop()))

    def ready(self) -> Report:
        """Whether the worker counts what arrives."""
        snapshot = self._snapshot
        state = self._state(started=snapshot is not None)
        if snapshot is None:
            return Report((self._event_loop(), state))
        return Report(
            (
                self._event_loop(),
                state,
                _partitions(snapshot),
                _redis(snapshot),
                _kafka(snapshot),
                _dead_letters(snapshot),
                self._lag(snapshot),
            )
        )

    @property
    def beat_age_s(self) -> float:
        """Seconds since the event loop last beat."""
        return time.monotonic() - self._beat_at

    def _event_loop(self) -> Check:
        age_s = self.beat_age_s
        if age_s <= _LATE_S:
            return Check("event_loop", ok=True, reason="runs")
        return Check("event_loop", ok=False, reason=f"has not run for {age_s:.0f} s")

    def _errors(self) -> Check:
        fatal = self._fatal
        return Check("errors", ok=fatal is None, reason=fatal or "none")

    def _stop(self) -> Check:
        if self._stop_by is None:
            return Check("stop", ok=True, reason="not stopping")
        overdue_s = time.monotonic() - self._stop_by
        if overdue_s <= 0:
            return Check("stop", ok=True, reason="stopping")
        return Check("stop", ok=False, reason=f"should have ended {overdue_s:.0f} s ago")

    def _state(self, *, started: bool) -> Check:
        if self._fatal is not None:
            return Check("worker", ok=False, reason=self._fatal)
        if self._stop_by is not None:
            return Check("worker", ok=False, reason="stopping")
        if not started:
            return Check("worker", ok=False, reason=self._doing)
        return Check("worker", ok=True, reason="started")

    def _lag(self, snapshot: Snapshot) -> Check:
        if not snapshot.partitions:
            return Check("lag", ok=True, reason="no partitions")
        last = max(snapshot.partitions, key=lambda p: p.lag)
        reason = f"{last.name} is {last.lag} records behind, and {self._ready_lag_max} are allowed"
        if last.lag > self._ready_lag_max:
            return Check("lag", ok=False, reason=reason)
        return Check("lag", ok=True, reason=f"at most {last.lag} records")


def _partitions(snapshot: Snapshot) -> Check:
    if not snapshot.joined:
        return Check("partitions", ok=False, reason="joining the consumer group")
    if snapshot.rebalancing:
        return Check("partitions", ok=False, reason="the consumer group is rebalancing")
    if snapshot.unclaimed:
        reason = f"not claimed yet: {_names(snapshot.unclaimed)}"
        return Check("partitions", ok=False, reason=reason)
    if lost := [p.name for p in snapshot.partitions if p.lost]:
        reason = f"claimed by another worker: {_names(lost)}"
        return Check("partitions", ok=False, reason=reason)
    if not snapshot.partitions:
        return Check("partitions", ok=True, reason="none: other workers have them all")
    return Check("partitions", ok=True, reason=f"{len(snapshot.partitions)} claimed")


def _redis(snapshot: Snapshot) -> Check:
    if snapshot.redis.error is not None:
        return Check("redis", ok=False, reason=f"does not answer: {snapshot.redis.error}")
    return _attempts("redis", Awaited.REDIS, snapshot.attempts)


def _kafka(snapshot: Snapshot) -> Check:
    if snapshot.kafka.error is not None:
        return Check("kafka", ok=False, reason=f"does not answer: {snapshot.kafka.error}")
    return Check("kafka", ok=True, reason="answers")


def _dead_letters(snapshot: Snapshot) -> Check:
    return _attempts("dead_letters", Awaited.DEAD_LETTERS, snapshot.attempts)


def _attempts(name: str, of: Awaited, attempts: Iterable[Attempt]) -> Check:
    waiting = [attempt for attempt in attempts if attempt.of is of]
    if not waiting:
        return Check(name, ok=True, reason="answers" if of is Awaited.REDIS else "accepted")
    first = min(waiting, key=lambda attempt: attempt.began_at)
    waited_s = time.monotonic() - first.began_at
    why = "no answer" if first.error is None else first.error
    names = _names(sorted({attempt.name for attempt in waiting}))
    return Check(name, ok=False, reason=f"{names}: waiting for {waited_s:.0f} s: {why}")


def _names(names: Iterable[str]) -> str:
    shown = list(names)
    if len(shown) <= _NAMED:
        return ", ".join(shown)
    return f"{', '.join(shown[:_NAMED])} and {len(shown) - _NAMED} more"
