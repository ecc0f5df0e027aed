"""Sessions from their actions: when one ends, where the next begins, and what to count at close.

A session closes at ``end``, or when the watermark passes its last action by the timeout, or at its
longest length after its first action. An action after any of these begins a new session of the
same id. Its outcome is counted once, at close, at the time and with the dimensions of its first
action.

Actions arrive out of order, so the outcome must be a function of the *set* of actions. While an id
has one session, an action that lies within it or continues it only adds to it, whatever was in
between; it is put down in a *journal*, 18 bytes an action. Whatever else happens (a late ``end``,
an action before the first, or after a session was counted) needs the journal: it becomes a
`processor.core.session_history.History`, which replays it, and goes back to a journal when all that
there is of the id is one session again. When an action changes an outcome that was counted
already, the old one is taken back and the new one counted. ::

    actions      v   v      v        (v = page view, E = end, late: arrives after E)
                 |---|------E            closed at E: 2 views
                       late              the old outcome is taken back, the new one counted
"""

import struct
from collections.abc import Iterable
from typing import Final

from pydantic_core import from_json, to_json

from processor.core.deadlines import Deadlines
from processor.core.segments import Dimensions
from processor.core.session_history import (
    ENDED,
    PENDING_MAX,
    VIEWED,
    Action,
    Correction,
    History,
    Outcome,
    Rules,
    Span,
)

__all__ = ["Acted", "Correction", "Outcome", "Sessions"]

Acted = tuple[bytes, int, int, int, Dimensions]
"""An action: keyed hash of the session id, time in ms, `session_history.BITS`, a number that tells
apart actions of one instant, dimensions."""

_SETTLED_AT: Final = 16
"""Actions in a journal from which on those that the watermark has passed are put together."""
_PALETTES_MAX: Final = 50_000
_PALETTE_MAX: Final = 256

_ENTRY: Final = struct.Struct("<qQBB")
_SPAN: Final = struct.Struct("<qqIB")
_HEAD: Final = struct.Struct("<cqBH")
_JOURNAL: Final = b"j"
"""How what is stored of a session with a journal begins; that of a history begins with ``[``."""
_IS_CLOSED, _HAS_SETTLED = 1, 2

_pack = _ENTRY.pack
_PALETTE = tuple[Dimensions, ...]


class _Session:
    """An id with one session, or with a history.

    Attributes:
        closes_ms: when it closes if nothing more comes; 0 where an action cannot just be added.
        palette: the dimensions of its actions, those of the first before all others.
        journal: its actions, in the order that they came, without those that are settled.
        settled: what they came to, together.
        keep_until_ms: when it was last touched, by the watermark, and the lateness.
        is_open: whether it is not counted yet.
        history: what there is of the id, where that is more than one session in order.
    """

    __slots__ = (
        "bits",
        "closes_ms",
        "due_s",
        "first_ms",
        "history",
        "is_open",
        "journal",
        "keep_until_ms",
        "last_ms",
        "page_views",
        "palette",
        "settled",
    )

    def __init__(self, first_ms: int, closes_ms: int, bits: int, palette: _PALETTE) -> None:
        self.first_ms = self.last_ms = first_ms
        self.closes_ms = closes_ms
        self.page_views = bits & VIEWED
        self.bits = bits
        self.palette = palette
        self.journal = b""
        self.settled: Span | None = None
        self.history: History | None = None
        self.is_open = True
        self.keep_until_ms = 0
        self.due_s: int | None = None

    def outcome(self) -> Outcome:
        return Outcome(
            self.first_ms, self.last_ms, self.page_views, self.bits & ~ENDED, self.palette[0]
        )


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
        self.lateness_ms = lateness_ms
        self._rules = Rules(timeout_ms, longest_ms)
        self._sessions: dict[bytes, _Session] = {}
        self._deadlines: Deadlines[bytes] = Deadlines()
        self._changed: dict[bytes, _Session | None] = {}
        self._palettes: dict[Dimensions, _PALETTE] = {}
        self._encoded_palettes: dict[_PALETTE, bytes] = {}
        self._open = 0

    @property
    def open_count(self) -> int:
        """Sessions with an action and no close yet."""
        return self._open

    def __len__(self) -> int:
        return len(self._sessions)

    def act(  # noqa: C901 - one loop without calls, since every action comes through it
        self, actions: Iterable[Acted], watermark_ms: int
    ) -> list[Correction]:
        """Take in actions, and give what they change in the counts."""
        sessions = self._sessions
        timeout_ms, longest_ms = self._rules.timeout_ms, self._rules.longest_ms
        touched: dict[bytes, _Session] = {}
        to_review: dict[bytes, _Session] = {}
        for key, at_ms, bits, tie_break, dimensions in actions:
            session = sessions.get(key)
            if session is None:
                session = self._begin(key, at_ms, bits, dimensions)
                session.journal = _pack(at_ms, tie_break, bits, 0)
            elif session.first_ms < at_ms < session.closes_ms and (
                bits != ENDED or at_ms >= session.last_ms
            ):
                place = 0
                if dimensions != session.palette[0]:
                    place = _place(session, dimensions)
                session.journal += _pack(at_ms, tie_break, bits, place)
                if bits:
                    session.page_views += bits & VIEWED
                    session.bits |= bits
                if at_ms > session.last_ms:
                    session.last_ms = at_ms
                    session.closes_ms = min(at_ms + timeout_ms, session.first_ms + longest_ms + 1)
                if bits == ENDED:
                    session.closes_ms = 0
                if place == _PALETTE_MAX - 1:
                    self._history_of(session)
            else:
                history = self._history_of(session)
                history.insert(
                    Action(at_ms, bits == ENDED, tie_break, bits, dimensions), self._rules
                )
            touched[key] = session
            if session.closes_ms <= watermark_ms:
                to_review[key] = session
        keep_until_ms = watermark_ms + self.lateness_ms
        for session in touched.values():
            session.keep_until_ms = keep_until_ms
        self._changed.update(touched)
        corrections: list[Correction] = []
        for key, session in to_review.items():
            self._review(key, session, watermark_ms, corrections)
        return corrections

    def advance(self, watermark_ms: int) -> list[Correction]:
        """Close and forget what the watermark has passed, and give what that changes."""
        corrections: list[Correction] = []
        for second, keys in self._deadlines.passed(watermark_ms):
            for key in keys:
                session = self._sessions.get(key)
                if session is not None and session.due_s == second:
                    session.due_s = None
                    self._review(key, session, watermark_ms, corrections)
        return corrections

    def take_changes(self) -> tuple[dict[str, bytes], list[str]]:
        """Sessions to store, encoded, and keys to forget, since the last call."""
        changed, self._changed = self._changed, {}
        encode = self._encode
        return (
            {key.hex(): encode(found) for key, found in changed.items() if found is not None},
            [key.hex() for key, found in changed.items() if found is None],
        )

    def encoded(self) -> dict[str, bytes]:
        """Every session as it is stored, by keyed hash."""
        return {key.hex(): self._encode(session) for key, session in self._sessions.items()}

    def restore(self, stored: Iterable[tuple[str, bytes]], watermark_ms: int) -> None:
        """Take back stored sessions; their deadlines are set again."""
        for name, data in stored:
            key = bytes.fromhex(name)
            session = self._sessions[key] = _Session(0, 0, 0, ())
            history, session.keep_until_ms = _decode(data)
            session.history = history
            spans = history.resolve(self._rules)
            tail = spans[-1]
            session.is_open = history.is_open = not self._rules.closed(tail, watermark_ms)
            self._open += session.is_open
            closed = spans[:-1] if session.is_open else spans
            # Counted otherwise: the timeout is not the one it was stored with.
            as_counted = [span.outcome() for span in closed] == history.counted
            if as_counted and len(spans) == 1:
                self._simplify(session, history, tail)
            due_ms = self._due_ms(session, tail) if as_counted else watermark_ms
            self._schedule(key, session, due_ms)

    # -- one session --------------------------------------------------------------------------

    def _begin(self, key: bytes, at_ms: int, bits: int, dimensions: Dimensions) -> _Session:
        closes_ms = self._rules.closes_ms(at_ms, at_ms)
        palette = self._palette(dimensions)
        session = _Session(at_ms, 0 if bits == ENDED else closes_ms, bits, palette)
        self._sessions[key] = session
        self._open += 1
        self._schedule(key, session, closes_ms)
        return session

    def _palette(self, dimensions: Dimensions) -> _PALETTE:
        """The dimensions as a palette, one for all sessions that have the same."""
        palette = self._palettes.get(dimensions)
        if palette is None:
            if len(self._palettes) >= _PALETTES_MAX:
                self._palettes.clear()
            palette = self._palettes[dimensions] = (dimensions,)
        return palette

    def _review(
        self, key: bytes, session: _Session, watermark_ms: int, corrections: list[Correction]
    ) -> None:
        """Close, count and forget what is due of one id."""
        history = session.history
        if history is not None:
            tail = self._replay(key, session, history, watermark_ms, corrections)
            due_ms = self._due_ms(session, tail)
        else:
            if session.is_open and session.closes_ms <= watermark_ms:
                corrections.append((session.outcome(), 1))
                self._close(key, session)
            due_ms = self._due_ms(session, session)
        if not session.is_open and due_ms <= watermark_ms:
            del self._sessions[key]
            self._changed[key] = None
        else:
            self._schedule(key, session, due_ms)

    def _close(self, key: bytes, session: _Session) -> None:
        session.is_open = False
        session.closes_ms = 0
        self._open -= 1
        self._changed[key] = session

    def _replay(
        self,
        key: bytes,
        session: _Session,
        history: History,
        watermark_ms: int,
        corrections: list[Correction],
    ) -> Span:
        """Count anew what a history says; gives its last session."""
        rules = self._rules
        history.settle(watermark_ms, rules)
        *earlier, tail = history.resolve(rules)
        is_open = not rules.closed(tail, watermark_ms)
        before = len(corrections)
        corrections += history.recount(earlier if is_open else (*earlier, tail))
        if len(corrections) > before:
            self._changed[key] = session
        history.forget_before(watermark_ms - rules.timeout_ms - self.lateness_ms)
        self._open += is_open - session.is_open
        session.is_open = history.is_open = is_open
        if not earlier:
            self._simplify(session, history, tail)
        return tail

    def _due_ms(self, session: _Session, tail: Span | _Session) -> int:
        """When an id is looked at again though nothing happens: to close it, or to forget it."""
        if session.is_open:
            return self._rules.closes_ms(tail.first_ms, tail.last_ms)
        return max(session.keep_until_ms, tail.last_ms + 1)

    def _schedule(self, key: bytes, session: _Session, due_ms: int) -> None:
        # A later deadline than the one that is set is found when that one comes up.
        session.due_s = self._deadlines.add(key, due_ms, before_s=session.due_s)

    # -- between a journal and a history -------------------------------------------------------

    def _history_of(self, session: _Session) -> History:
        if session.history is None:
            history = session.history = _read(session.journal, session.palette, session.settled)
            history.is_open = session.is_open
            if not session.is_open:
                history.counted = [session.outcome()]
            history.settle(session.keep_until_ms - self.lateness_ms, self._rules)
            session.closes_ms = 0
            session.journal = b""
            session.settled = None
        return session.history

    def _simplify(self, session: _Session, history: History, tail: Span) -> None:
        """Go back to a journal, of an id whose one session is counted if it is closed."""
        palette = dict.fromkeys((tail.dimensions, *(a.dimensions for a in history.pending)))
        if len(palette) >= _PALETTE_MAX:
            return
        places = {dimensions: place for place, dimensions in enumerate(palette)}
        session.history = None
        session.first_ms, session.last_ms = tail.first_ms, tail.last_ms
        session.page_views, session.bits = tail.page_views, tail.bits
        session.closes_ms = self._due_ms(session, tail) if session.is_open else 0
        session.palette = tuple(palette) if len(palette) > 1 else self._palette(tail.dimensions)
        session.settled = history.spans[0] if history.spans else None
        session.journal = b"".join(
            _pack(a.at_ms, a.tie_break, a.bits, places[a.dimensions]) for a in history.pending
        )

    def _settle(self, session: _Session) -> None:
        """Put together the actions of a journal that the watermark has passed."""
        settled_ms = session.keep_until_ms - self.lateness_ms
        many = len(session.journal) > PENDING_MAX * _ENTRY.size
        if not many and _ENTRY.unpack_from(session.journal)[0] >= settled_ms:
            return
        history = self._history_of(session)
        self._simplify(session, history, history.resolve(self._rules)[-1])

    # -- as stored ------------------------------------------------------------------------------

    def _encode(self, session: _Session) -> bytes:
        if len(session.journal) > _SETTLED_AT * _ENTRY.size:
            self._settle(session)
        if session.history is not None:
            return session.history.encoded(session.keep_until_ms)
        palette = self._encoded_palettes.get(session.palette)
        if palette is None:
            if len(self._encoded_palettes) >= _PALETTES_MAX:
                self._encoded_palettes.clear()
            palette = self._encoded_palettes[session.palette] = to_json(session.palette)
        flags = 0 if session.is_open else _IS_CLOSED
        span = b""
        if session.settled is not None:
            s = session.settled
            flags |= _HAS_SETTLED
            span = _SPAN.pack(s.first_ms, s.last_ms, s.page_views, s.bits)
        head = _HEAD.pack(_JOURNAL, session.keep_until_ms, flags, len(palette))
        return head + palette + span + session.journal


def _place(session: _Session, dimensions: Dimensions) -> int:
    """Where dimensions are in a session's palette; they are put there if they are new."""
    if dimensions not in session.palette:
        session.palette = (*session.palette, dimensions)
    return session.palette.index(dimensions)


def _read(journal: bytes, palette: _PALETTE, settled: Span | None) -> History:
    pending = sorted(
        Action(at_ms, bits == ENDED, tie_break, bits, palette[place])
        for at_ms, tie_break, bits, place in _ENTRY.iter_unpack(journal)
    )
    return History([] if settled is None else [settled], pending)


def _decode(data: bytes) -> tuple[History, int]:
    """What is stored of an id, as a history, and until when it is kept."""
    if not data.startswith(_JOURNAL):
        return History.decoded(data)
    _, keep_until_ms, flags, length = _HEAD.unpack_from(data)
    begin = _HEAD.size + length
    palette = tuple(map(tuple, from_json(data[_HEAD.size : begin])))
    settled = None
    if flags & _HAS_SETTLED:
        first_ms, last_ms, page_views, bits = _SPAN.unpack_from(data, begin)
        settled = Span(first_ms, last_ms, page_views, bits, palette[0])
        begin += _SPAN.size
    history = _read(data[begin:], palette, settled)
    if flags & _IS_CLOSED:
        history.counted = [_together(history).outcome()]
    return history, keep_until_ms


def _together(history: History) -> Span:
    """All there is as one session, which it was when it was counted."""
    whole = history.spans[0].copy() if history.spans else Span.begun(history.pending[0])
    for action in history.pending[0 if history.spans else 1 :]:
        whole.add(action)
    return whole
