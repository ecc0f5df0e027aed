"""Sessions from their actions: when one ends, where the next begins, and what to count at close.

A session closes at ``end``, or when the watermark passes its last action by the timeout, or at its
longest length after its first action. An action after any of these begins a new session of the
same id. Its outcome is counted once, at close, at the time and with the dimensions of its first
action.

Actions arrive out of order. Those that the watermark has not passed are kept one by one and
replayed in event-time order on every touch, so the outcome is a function of the *set* of actions.
When a late action changes an outcome that was counted already, the old one is taken back and the
new one counted. ::

    actions      v   v      v        (v = page view, E = end, late: arrives after E)
                 |---|------E            closed at E: 2 views
                       late              the old outcome is taken back, the new one counted
"""

import heapq
import json
from bisect import insort
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from processor.core.segments import Dimensions

_MAX_PENDING: Final = 1_000
"""More actions than this of one session id before the watermark are settled early: memory stays
bounded under a robot, at the price of exactness for actions that then arrive out of order."""

_VIEWED, _CONVERTED, _ORDERED, _CARTED, _ENDED = 1, 2, 4, 8, 16
_ACTION_BITS: Final = {
    "page_view": _VIEWED,
    "conversion": _CONVERTED,
    "order": _ORDERED,
    "cart_add": _CARTED,
    "end": _ENDED,
}


class Action(NamedTuple):
    """One session event, in the order that ties are broken by."""

    at_ms: int
    is_end: bool
    tie_break: int
    bits: int
    dimensions: Dimensions

    @classmethod
    def of(cls, at_ms: int, action: str, tie_break: int, dimensions: Dimensions) -> "Action":
        """An action; at one instant ``end`` comes last, else the lower tie-break first."""
        bits = _ACTION_BITS.get(action, 0)
        return cls(at_ms, bits == _ENDED, tie_break, bits, dimensions)


class Outcome(NamedTuple):
    """A closed session, as it is counted."""

    first_ms: int
    last_ms: int
    page_views: int
    bits: int
    dimensions: Dimensions

    @property
    def converted(self) -> bool:
        """A ``conversion`` or an ``order`` happened."""
        return bool(self.bits & (_CONVERTED | _ORDERED))

    @property
    def ordered(self) -> bool:
        """An ``order`` happened."""
        return bool(self.bits & _ORDERED)

    @property
    def carted(self) -> bool:
        """A ``cart_add`` happened."""
        return bool(self.bits & _CARTED)


@dataclass(slots=True)
class _Span:
    """A session as far as it is settled."""

    first_ms: int
    last_ms: int
    page_views: int
    bits: int
    dimensions: Dimensions

    def add(self, action: Action) -> None:
        self.first_ms = min(self.first_ms, action.at_ms)
        self.last_ms = max(self.last_ms, action.at_ms)
        self.page_views += action.bits & _VIEWED
        self.bits |= action.bits

    def copy(self) -> "_Span":
        return _Span(self.first_ms, self.last_ms, self.page_views, self.bits, self.dimensions)

    def outcome(self) -> Outcome:
        return Outcome(
            self.first_ms, self.last_ms, self.page_views, self.bits & ~_ENDED, self.dimensions
        )


class _Entry:
    """Everything kept of one session id."""

    __slots__ = ("counted", "is_open", "keep_until_ms", "pending", "scheduled_ms", "spans")

    def __init__(self) -> None:
        self.spans: list[_Span] = []  # settled: the watermark has passed their actions
        self.pending: list[Action] = []  # in event-time order
        self.counted: list[Outcome] = []  # what the counters hold of this id
        self.keep_until_ms = 0
        self.is_open = True
        self.scheduled_ms: int | None = None


Correction = tuple[Outcome, int]
"""An outcome and +1 to count it or -1 to take it back."""


class Sessions:
    """The sessions of one partition.

    Args:
        timeout_ms: inactivity that closes a session.
        longest_ms: the longest a session lasts.
        lateness_ms: how long a closed session stays correctable after it was last touched.
    """

    def __init__(self, *, timeout_ms: int, longest_ms: int, lateness_ms: int) -> None:
        if timeout_ms < 1 or longest_ms < timeout_ms:
            raise ValueError("a session's timeout must be positive, and within its longest length")
        self.timeout_ms = timeout_ms
        self.longest_ms = longest_ms
        self.lateness_ms = lateness_ms
        self._entries: dict[str, _Entry] = {}
        self._deadlines: list[tuple[int, str]] = []
        self._touched: set[str] = set()
        self._open = 0

    @property
    def open_count(self) -> int:
        """Sessions with an action and no close yet."""
        return self._open

    def __len__(self) -> int:
        return len(self._entries)

    def act(self, actions: Iterable[tuple[str, Action]], watermark_ms: int) -> Iterator[Correction]:
        """Take in actions by session key, and yield what they change in the counts."""
        touched: dict[str, _Entry] = {}
        for key, action in actions:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry()
                self._open += 1
            touched[key] = entry
            if entry.spans and action.at_ms < entry.spans[-1].last_ms:
                self._absorb(entry, action)
            else:
                insort(entry.pending, action)
        for key, entry in touched.items():
            yield from self._review(key, entry, watermark_ms, touched=True)

    def advance(self, watermark_ms: int) -> Iterator[Correction]:
        """Close and forget what the watermark has passed, and yield what that changes."""
        while self._deadlines and self._deadlines[0][0] <= watermark_ms:
            scheduled_ms, key = heapq.heappop(self._deadlines)
            entry = self._entries.get(key)
            if entry is not None and entry.scheduled_ms == scheduled_ms:
                entry.scheduled_ms = None
                yield from self._review(key, entry, watermark_ms, touched=False)

    def take_changes(self) -> tuple[dict[str, bytes], list[str]]:
        """Entries to store, encoded, and keys to forget, since the last call."""
        changed: dict[str, bytes] = {}
        gone: list[str] = []
        for key in self._touched:
            entry = self._entries.get(key)
            if entry is None:
                gone.append(key)
            else:
                changed[key] = _encode(entry)
        self._touched.clear()
        return changed, gone

    def encoded(self) -> dict[str, bytes]:
        """Every entry as it is stored, by keyed hash."""
        return {key: _encode(entry) for key, entry in self._entries.items()}

    def restore(self, stored: Iterable[tuple[str, bytes]], watermark_ms: int) -> None:
        """Take back stored entries; their deadlines are set again."""
        for key, data in stored:
            entry = self._entries[key] = _decode(data)
            spans = self._resolve(entry)
            entry.is_open = not self._closed(spans[-1], watermark_ms)
            self._open += entry.is_open
            closed = spans[:-1] if entry.is_open else spans
            # Counted otherwise: the timeout is not the one it was stored with.
            as_counted = [span.outcome() for span in closed] == entry.counted
            due_ms = self._due_ms(entry, spans[-1]) if as_counted else watermark_ms
            self._schedule(key, entry, due_ms)

    def _review(
        self, key: str, entry: _Entry, watermark_ms: int, *, touched: bool
    ) -> Iterator[Correction]:
        self._settle(entry, watermark_ms)
        *earlier, tail = self._resolve(entry)
        is_open = not self._closed(tail, watermark_ms)
        outcomes = [span.outcome() for span in (earlier if is_open else (*earlier, tail))]
        if touched:
            entry.keep_until_ms = watermark_ms + self.lateness_ms
        if touched or outcomes != entry.counted:
            self._touched.add(key)
        if outcomes != entry.counted:
            yield from _difference(entry.counted, outcomes)
            entry.counted = outcomes
        self._forget_unreachable(entry, watermark_ms)
        self._open += is_open - entry.is_open
        entry.is_open = is_open
        due_ms = self._due_ms(entry, tail)
        if not is_open and due_ms <= watermark_ms:
            del self._entries[key]
            self._touched.add(key)
            return
        self._schedule(key, entry, due_ms)

    def _due_ms(self, entry: _Entry, tail: _Span) -> int:
        """When an entry is looked at again though nothing happens: to close it, or to forget it."""
        if entry.is_open:
            return min(tail.last_ms + self.timeout_ms, tail.first_ms + self.longest_ms + 1)
        return max(entry.keep_until_ms, tail.last_ms + 1)

    def _schedule(self, key: str, entry: _Entry, due_ms: int) -> None:
        # A later deadline than the one in the heap is found when that one comes up.
        if entry.scheduled_ms is None or due_ms < entry.scheduled_ms:
            entry.scheduled_ms = due_ms
            heapq.heappush(self._deadlines, (due_ms, key))

    def _closed(self, span: _Span, watermark_ms: int) -> bool:
        return (
            bool(span.bits & _ENDED)
            or watermark_ms >= span.last_ms + self.timeout_ms
            or watermark_ms > span.first_ms + self.longest_ms
        )

    def _continues(self, span: _Span, at_ms: int) -> bool:
        return (
            not span.bits & _ENDED
            and at_ms - span.last_ms < self.timeout_ms
            and at_ms - span.first_ms <= self.longest_ms
        )

    def _append(self, spans: list[_Span], action: Action) -> None:
        if spans and self._continues(spans[-1], action.at_ms):
            spans[-1].add(action)
        else:
            spans.append(
                _Span(
                    action.at_ms,
                    action.at_ms,
                    action.bits & _VIEWED,
                    action.bits,
                    action.dimensions,
                )
            )

    def _settle(self, entry: _Entry, watermark_ms: int) -> None:
        pending = entry.pending
        settled = 0
        excess = len(pending) - _MAX_PENDING
        while settled < len(pending) and (
            pending[settled].at_ms < watermark_ms or settled < excess
        ):
            self._append(entry.spans, pending[settled])
            settled += 1
        if settled:
            del pending[:settled]

    def _forget_unreachable(self, entry: _Entry, watermark_ms: int) -> None:
        """Drop counted sessions that no action can reach: an id that never rests stays small."""
        out_of_reach = watermark_ms - self.timeout_ms - self.lateness_ms
        while len(entry.spans) > 1 and entry.spans[0].last_ms < out_of_reach:
            entry.counted.remove(entry.spans.pop(0).outcome())

    def _resolve(self, entry: _Entry) -> list[_Span]:
        if not entry.pending:
            return entry.spans
        spans = [*entry.spans[:-1], *(s.copy() for s in entry.spans[-1:])]
        tail = spans[-1] if spans else None
        timeout_ms, longest_ms = self.timeout_ms, self.longest_ms
        # As `_append` for each, without its calls: every touch comes through here for all that is
        # pending, which was a quarter of the time that session events take.
        for at_ms, _, _, bits, dimensions in entry.pending:
            if (
                tail is not None
                and not tail.bits & _ENDED
                and at_ms - tail.last_ms < timeout_ms
                and at_ms - tail.first_ms <= longest_ms
            ):
                if at_ms > tail.last_ms:
                    tail.last_ms = at_ms
                elif at_ms < tail.first_ms:
                    tail.first_ms = at_ms
                tail.page_views += bits & _VIEWED
                tail.bits |= bits
            else:
                tail = _Span(at_ms, at_ms, bits & _VIEWED, bits, dimensions)
                spans.append(tail)
        return spans

    def _absorb(self, entry: _Entry, action: Action) -> None:
        """Put an action that is later than the lateness into the session it fell in, or its own."""
        for span in entry.spans:
            near = span.first_ms - self.timeout_ms < action.at_ms < span.last_ms + self.timeout_ms
            length = max(span.last_ms, action.at_ms) - min(span.first_ms, action.at_ms)
            after_end = bool(span.bits & _ENDED) and action.at_ms > span.last_ms
            if near and length <= self.longest_ms and not after_end:
                if action.at_ms < span.first_ms:
                    span.dimensions = action.dimensions
                span.add(action)
                return
        own = _Span(
            action.at_ms, action.at_ms, action.bits & _VIEWED, action.bits, action.dimensions
        )
        insort(entry.spans, own, key=lambda span: span.first_ms)


def _difference(old: Sequence[Outcome], new: Sequence[Outcome]) -> Iterator[Correction]:
    change = Counter(new)
    change.subtract(old)
    for outcome, n in change.items():
        if n:
            yield outcome, n


def _encode(entry: _Entry) -> bytes:
    return json.dumps(
        [
            [[s.first_ms, s.last_ms, s.page_views, s.bits, s.dimensions] for s in entry.spans],
            entry.pending,
            entry.counted,
            entry.keep_until_ms,
        ],
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()


def _decode(data: bytes) -> _Entry:
    spans, pending, counted, keep_until_ms = json.loads(data)
    entry = _Entry()
    entry.spans = [
        _Span(first, last, views, bits, tuple(dims)) for first, last, views, bits, dims in spans
    ]
    entry.pending = [
        Action(at, is_end, tie, bits, tuple(dimensions))
        for at, is_end, tie, bits, dimensions in pending
    ]
    entry.counted = [
        Outcome(first, last, views, bits, tuple(dims)) for first, last, views, bits, dims in counted
    ]
    entry.keep_until_ms = keep_until_ms
    return entry
