"""What became of one session id, whatever order its actions came in: the general case.

A *history* keeps the actions that the watermark has not passed one by one, in event-time order,
and replays them on every touch, so what it says is a function of the *set* of actions. The rest is
settled into spans. `processor.core.sessions` keeps a history only where it must: while an id has
one session, and its actions come about in order, the session itself is enough.
"""

from bisect import insort
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pydantic_core import from_json, to_json

from processor.core.palettes import Palettes
from processor.core.segments import Dimensions

PENDING_MAX: Final = 1_000
"""More actions than this of one session id before the watermark are settled early: memory stays
bounded under a robot, at the price of exactness for actions that then arrive out of order."""

VIEWED, CONVERTED, ORDERED, CARTED, ENDED = 1, 2, 4, 8, 16
BITS: Final = {
    "page_view": VIEWED,
    "impression": 0,
    "click": 0,
    "interaction": 0,
    "cart_add": CARTED,
    "order": ORDERED,
    "conversion": CONVERTED,
    "end": ENDED,
}
"""What an action says of its session."""


class Action(NamedTuple):
    """One action, in the order that ties are broken by.

    At one instant ``end`` comes last, else the lower tie-break first.
    """

    at_ms: int
    is_end: bool
    tie_break: int
    bits: int
    dimensions: Dimensions


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
        return bool(self.bits & (CONVERTED | ORDERED))

    @property
    def ordered(self) -> bool:
        """An ``order`` happened."""
        return bool(self.bits & ORDERED)

    @property
    def carted(self) -> bool:
        """A ``cart_add`` happened."""
        return bool(self.bits & CARTED)


Correction = tuple[Outcome, int]
"""An outcome and +1 to count it or -1 to take it back."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When a session ends.

    Attributes:
        timeout_ms: inactivity that closes it.
        longest_ms: the longest it lasts.
    """

    timeout_ms: int
    longest_ms: int

    def closes_ms(self, first_ms: int, last_ms: int) -> int:
        """When a session without an ``end`` closes, if nothing more comes."""
        return min(last_ms + self.timeout_ms, first_ms + self.longest_ms + 1)

    def closed(self, span: "Span", watermark_ms: int) -> bool:
        """Whether nothing on time can continue it any more."""
        ended = bool(span.bits & ENDED)
        return ended or watermark_ms >= self.closes_ms(span.first_ms, span.last_ms)

    def continues(self, span: "Span", at_ms: int) -> bool:
        """Whether an action, not before the last, belongs to it still."""
        return not span.bits & ENDED and at_ms < self.closes_ms(span.first_ms, span.last_ms)


@dataclass(slots=True)
class Span:
    """A session as far as it is known."""

    first_ms: int
    last_ms: int
    page_views: int
    bits: int
    dimensions: Dimensions

    @classmethod
    def begun(cls, action: Action) -> "Span":
        """The session that an action begins."""
        at_ms, bits = action.at_ms, action.bits
        return cls(at_ms, at_ms, bits & VIEWED, bits, action.dimensions)

    def add(self, action: Action) -> None:
        """Take in an action that belongs to it."""
        self.first_ms = min(self.first_ms, action.at_ms)
        self.last_ms = max(self.last_ms, action.at_ms)
        self.page_views += action.bits & VIEWED
        self.bits |= action.bits

    def copy(self) -> "Span":
        """Another of its own."""
        return Span(self.first_ms, self.last_ms, self.page_views, self.bits, self.dimensions)

    def outcome(self) -> Outcome:
        """As it is counted."""
        return Outcome(
            self.first_ms, self.last_ms, self.page_views, self.bits & ~ENDED, self.dimensions
        )


@dataclass(slots=True)
class History:
    """Everything kept of one session id.

    Attributes:
        spans: settled: the watermark has passed their actions.
        pending: in event-time order.
        counted: what the counters hold of this id.
        is_open: whether the last session may go on.
    """

    spans: list[Span] = field(default_factory=list)
    pending: list[Action] = field(default_factory=list)
    counted: list[Outcome] = field(default_factory=list)
    is_open: bool = True

    def insert(self, action: Action, rules: Rules) -> None:
        """Take in an action."""
        if self.spans and action.at_ms < self.spans[-1].last_ms:
            self._absorb(action, rules)
        else:
            insort(self.pending, action)

    def settle(self, watermark_ms: int, rules: Rules) -> None:
        """Put what the watermark has passed into spans."""
        pending, spans = self.pending, self.spans
        settled = 0
        excess = len(pending) - PENDING_MAX
        while settled < len(pending) and (
            pending[settled].at_ms < watermark_ms or settled < excess
        ):
            _append(spans, pending[settled], rules)
            settled += 1
        if settled:
            del pending[:settled]

    def resolve(self, rules: Rules) -> list[Span]:
        """The sessions, as all actions say; the last of them may go on."""
        if not self.pending:
            return self.spans
        spans = [*self.spans[:-1], *(span.copy() for span in self.spans[-1:])]
        for action in self.pending:
            _append(spans, action, rules)
        return spans

    def recount(self, closed: Sequence[Span]) -> Iterator[Correction]:
        """Count these sessions of the id and no others: what that changes."""
        outcomes = [span.outcome() for span in closed]
        if outcomes != self.counted:
            change = Counter(outcomes)
            change.subtract(self.counted)
            self.counted = outcomes
            for outcome, n in change.items():
                if n:
                    yield outcome, n

    def forget_before(self, out_of_reach_ms: int) -> None:
        """Drop counted sessions that no action can reach: an id that never rests stays small."""
        while len(self.spans) > 1 and self.spans[0].last_ms < out_of_reach_ms:
            self.counted.remove(self.spans.pop(0).outcome())

    def _absorb(self, action: Action, rules: Rules) -> None:
        """Put an action that is later than the lateness into the session it fell in, or its own."""
        for span in self.spans:
            near = span.first_ms - rules.timeout_ms < action.at_ms < span.last_ms + rules.timeout_ms
            length = max(span.last_ms, action.at_ms) - min(span.first_ms, action.at_ms)
            after_end = bool(span.bits & ENDED) and action.at_ms > span.last_ms
            if near and length <= rules.longest_ms and not after_end:
                if action.at_ms < span.first_ms:
                    span.dimensions = action.dimensions
                span.add(action)
                return
        insort(self.spans, Span.begun(action), key=lambda span: span.first_ms)

    def encoded(self, keep_until_ms: int, palettes: Palettes) -> bytes:
        """As it is stored, with the time until which it is kept."""
        named = palettes.named
        spans = [
            [s.first_ms, s.last_ms, s.page_views, s.bits, named(s.dimensions)] for s in self.spans
        ]
        pending = [[*action[:-1], named(action.dimensions)] for action in self.pending]
        counted = [[*outcome[:-1], named(outcome.dimensions)] for outcome in self.counted]
        return to_json([spans, pending, counted, keep_until_ms])

    @classmethod
    def decoded(cls, data: bytes, palettes: Palettes) -> tuple["History", int]:
        """The other way round."""
        placed = palettes.placed
        spans, pending, counted, keep_until_ms = from_json(data)
        history = cls(
            [
                Span(first, last, views, bits, placed(dims))
                for first, last, views, bits, dims in spans
            ],
            [Action(at, end, tie, bits, placed(dims)) for at, end, tie, bits, dims in pending],
            [
                Outcome(first, last, views, bits, placed(dims))
                for first, last, views, bits, dims in counted
            ],
        )
        return history, keep_until_ms


def _append(spans: list[Span], action: Action, rules: Rules) -> None:
    if spans and rules.continues(spans[-1], action.at_ms):
        spans[-1].add(action)
    else:
        spans.append(Span.begun(action))
