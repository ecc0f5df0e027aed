"""Records of several partitions as one sequence by time, each partition in its own order.

Partitions are read at their own pace. The earliest record at hand may only go out when every
partition that has more has shown its next one, so a partition that is ahead waits: ::

    partition 0   ── 5 ── 7 ── 9          5 goes out; 6 must wait until partition 1, of which
    partition 1   ── 6                    more is known to come, has shown what follows 6

The order is that of the *clock* of each partition: the latest timestamp up to a record. So a record
that is behind its time stays behind the ones before it, as it was in the partition.
"""

import heapq
from collections import deque
from collections.abc import Collection, Hashable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

_Partition = TypeVar("_Partition", bound=Hashable)


class _Held(NamedTuple):
    clock_ms: int
    received_s: float
    size: int
    record: Any


class Merger(Generic[_Partition]):
    """Holds what is not to go out yet.

    Args:
        partitions: all there are; their order decides between equal times.
        most_bytes: about how much is held; a partition has an equal share of it.
    """

    def __init__(self, partitions: Collection[_Partition], most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._share = most_bytes // max(1, len(partitions))
        self._order = {partition: number for number, partition in enumerate(partitions)}
        self._queues: dict[_Partition, deque[_Held]] = {p: deque() for p in partitions}
        self._bytes = dict.fromkeys(partitions, 0)
        self._clocks_ms = dict.fromkeys(partitions, 0)
        self._heads: list[tuple[int, int, _Partition]] = []
        self.held_bytes = 0

    def has_room(self, partition: _Partition) -> bool:
        """Whether more of a partition may be read."""
        return self._bytes[partition] <= self._share

    def is_empty(self, partition: _Partition) -> bool:
        """Whether nothing of a partition is held."""
        return not self._queues[partition]

    def add(
        self, partition: _Partition, record: Any, *, time_ms: int, size: int, received_s: float
    ) -> None:
        """Take in the next record of a partition."""
        clock_ms = self._clocks_ms[partition] = max(self._clocks_ms[partition], time_ms)
        queue = self._queues[partition]
        if not queue:
            heapq.heappush(self._heads, (clock_ms, self._order[partition], partition))
        queue.append(_Held(clock_ms, received_s, size, record))
        self._bytes[partition] += size
        self.held_bytes += size

    def take(
        self, awaited: Collection[_Partition] = (), received_before_s: float | None = None
    ) -> Iterator[Any]:
        """The records that may go out, in order.

        Args:
            awaited: partitions that have more; while nothing of one of them is held, nothing goes
                out, unless there is no more room.
            received_before_s: what came later than this may still be preceded by others.
        """
        unseen = {partition for partition in awaited if self.is_empty(partition)}
        while self._heads:
            partition = self._heads[0][2]
            queue = self._queues[partition]
            if self.held_bytes <= self._most_bytes:
                if unseen:
                    return
                if received_before_s is not None and queue[0].received_s > received_before_s:
                    return
            held = queue.popleft()
            self._bytes[partition] -= held.size
            self.held_bytes -= held.size
            if queue:
                following = (queue[0].clock_ms, self._order[partition], partition)
                heapq.heapreplace(self._heads, following)
            else:
                heapq.heappop(self._heads)
                if partition in awaited:
                    unseen.add(partition)
            yield held.record
