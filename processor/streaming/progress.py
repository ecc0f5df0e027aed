"""Whether a worker gets on: what it shows of itself, and when it has come to a stand. Pure.

The event loop publishes a :class:`Snapshot` several times a second. A thread beside it looks once
a tick and asks the :class:`StallJudge`, which counts looks and not seconds: a process that was
suspended, or a machine that slept, makes one look late and no more, so it is not taken for a
worker that hangs.

A worker that waits for a reason it knows (Redis away, Kafka away, dead letters refused) is not
stalled: :meth:`Snapshot.troubles` names the reason, and while there is one nothing is judged.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PARTITION_FACTOR: Final = 2
"""A partition may stand still for this many times as long as the event loop or a server."""

SETTLING_FACTOR: Final = 5
"""A rebalance with its claims may take this many times as long: it waits for other workers."""


class Awaited(StrEnum):
    """Whom a write of a partition waits for."""

    REDIS = "Redis"
    DEAD_LETTERS = "the dead-letter topic"


@dataclass(slots=True, eq=False)
class Attempt:
    """A write or a claim that is tried again and again until it is done.

    Attributes:
        name: the partition, ``<topic>-<number>``.
        of: who has to answer.
        began_at: the first try, in seconds of the monotonic clock.
        error: what came back last time, ``None`` while the first try is under way.
    """

    name: str
    of: Awaited
    began_at: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """How far a partition is, in offsets: each the first one that is not yet there.

    Attributes:
        name: ``<topic>-<number>``.
        chain: number of the seek that its batches follow.
        stored: of what is safely in Redis, ``None`` where nothing ever was.
        counted: of what its engine has counted.
        fetched: of what was handed to its agent's queue.
        position: where the fetcher stands, behind what it has read and left out.
        end: of the log as far as committed records go, as a connection of its own was told.
        lag: records that are not stored yet.
        lost: another worker has claimed it.
        topic: its topic.
        partition: its number.
        open_sessions: sessions that are not closed.
    """

    name: str
    chain: int
    stored: int | None
    counted: int
    fetched: int
    position: int
    end: int
    lag: int
    lost: bool = False
    topic: str = ""
    partition: int = 0
    open_sessions: int = 0

    @property
    def has_work(self) -> bool:
        """Whether something is there to be fetched, counted or stored."""
        return (
            self.position < self.end
            or self.counted < self.fetched
            or (self.stored or 0) < self.counted
        )

    def stands_where(self, before: "PartitionProgress | None") -> bool:
        """Whether nothing moved since: no fetch, no count, no write and no new claim."""
        return before is not None and self.marks == before.marks

    @property
    def marks(self) -> tuple[int | None, ...]:
        """What moves when the worker gets on."""
        return self.chain, self.stored, self.counted, self.fetched, self.position

    def told(self) -> str:
        """Where it stands, and which part of the worker should have moved it."""
        if self.lost:
            why = "another worker claimed it, and it was not claimed back"
        elif self.counted == self.fetched and (self.stored or 0) < self.counted:
            why = f"counted up to {self.counted} and not written: its flush hangs"
        elif self.counted < self.fetched:
            why = (
                f"fetched up to {self.fetched} and not counted: its agent hangs or has died, or a "
                "batch was lost on its way to it"
            )
        else:
            why = f"its log ends at {self.end} and nothing is fetched: its consumer hangs"
        return f"{self.name} stands at offset {self.counted}: {why}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said last.

    Attributes:
        error: why it did not answer; ``None`` if it did.
    """

    error: str | None = "not asked yet"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the event loop shows of the worker at one moment.

    Attributes:
        number: grows with each snapshot.
        joined: whether the consumer group has assigned partitions, be it none.
        rebalancing: whether the group is assigning them anew.
        unclaimed: names of partitions that are assigned and not claimed yet.
        partitions: those that are claimed.
        attempts: writes and claims that wait for an answer, and have for a while or were refused.
        redis: its last answer.
        kafka: its last answer, of the leaders of all claimed partitions.
    """

    number: int
    joined: bool
    rebalancing: bool
    unclaimed: tuple[str, ...]
    partitions: tuple[PartitionProgress, ...]
    attempts: tuple[Attempt, ...]
    redis: Answer
    kafka: Answer

    @property
    def settling(self) -> bool:
        """Whether it is not settled yet which partitions are counted here."""
        return not self.joined or self.rebalancing or bool(self.unclaimed)

    def troubles(self) -> Iterator[str]:
        """Known reasons for which it may be that nothing moves."""
        if self.redis.error is not None:
            yield f"Redis does not answer: {self.redis.error}"
        if self.kafka.error is not None:
            yield f"Kafka does not answer: {self.kafka.error}"
        for attempt in self.attempts:
            if attempt.error is not None:  # without one it may be a call that never returns
                yield f"{attempt.name} waits for {attempt.of}: {attempt.error}"


class StallJudge:
    """Says when the event loop, a partition or a rebalance has come to a stand.

    Args:
        stall_after_s: how long the event loop may stand still.
        slowest_answer_s: the longest time-out of a server; with a shorter ``stall_after_s`` this is
            what counts for partitions and rebalances, which wait for servers.
        tick_s: the least time between two looks.
    """

    def __init__(self, stall_after_s: float, slowest_answer_s: float, tick_s: float) -> None:
        self._tick_s = tick_s
        self._loop_looks = max(2, math.ceil(stall_after_s / tick_s))
        looks = max(self._loop_looks, math.ceil(slowest_answer_s / tick_s))
        self._partition_looks = PARTITION_FACTOR * looks
        self._settling_looks = SETTLING_FACTOR * looks
        self.forget()

    def forget(self) -> None:
        """Begin anew, as if nothing had been seen."""
        self._beat = -1
        self._still = 0
        self._snapshot: Snapshot | None = None
        self._settling = 0
        self._standing: dict[str, int] = {}

    def look(self, beat: int, snapshot: Snapshot | None) -> str | None:
        """Take a look; what has stalled in a sentence, if something has.

        Args:
            beat: how often the event loop has run its beat.
            snapshot: the last one, ``None`` before the first.
        """
        if beat == self._beat:
            self._still += 1
            if self._still >= self._loop_looks:
                return f"the event loop has not run for {self._seconds(self._still)}"
            return None
        self._beat, self._still = beat, 0
        before, self._snapshot = self._snapshot, snapshot
        if snapshot is None or (before is not None and snapshot.number == before.number):
            return None
        if any(snapshot.troubles()):
            self._settling = 0
            self._standing.clear()
            return None
        if snapshot.settling:
            self._standing.clear()
            self._settling += 1
            return self._unsettled(snapshot)
        self._settling = 0
        return self._stalled(before, snapshot)

    def _unsettled(self, snapshot: Snapshot) -> str | None:
        if self._settling < self._settling_looks:
            return None
        what = f"not claimed: {', '.join(snapshot.unclaimed)}" if snapshot.unclaimed else "no end"
        return (
            f"the assignment of partitions has not settled for {self._seconds(self._settling)} "
            f"({what}), although Redis and Kafka answer"
        )

    def _stalled(self, before: Snapshot | None, snapshot: Snapshot) -> str | None:
        earlier = {p.name: p for p in before.partitions} if before is not None else {}
        self._standing = {
            p.name: self._standing.get(p.name, 0) + 1
            for p in snapshot.partitions
            if p.has_work and p.stands_where(earlier.get(p.name))
        }
        stalled = [
            p for p in snapshot.partitions if self._standing.get(p.name, 0) >= self._partition_looks
        ]
        if not stalled:
            return None
        # A stuck agent soon keeps the consumer from fetching for the others: it is named first.
        stalled.sort(key=lambda p: p.counted >= p.fetched)
        looks = max(self._standing[p.name] for p in stalled)
        others = f" (and {len(stalled) - 1} more partitions)" if len(stalled) > 1 else ""
        return (
            f"{stalled[0].told()}{others}; for {self._seconds(looks)} nothing moved, although "
            "Redis, Kafka and the dead-letter topics answer"
        )

    def _seconds(self, looks: int) -> str:
        return f"{looks * self._tick_s:.0f} s"
