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

from collections.abc import Iterable, Sequence
from typing import Final

from processor.core.deadlines import Deadlines
from processor.core.palettes import PALETTE_MAX, Palette, Palettes
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
from processor.core.session_record import (
    ACTION_BYTES,
    Session,
    decode,
    encode,
    first_in,
    pack_action,
    place_of,
    read,
)

__all__ = ["Acted", "Correction", "Outcome", "Sessions"]

Acted = tuple[bytes, int, int, int, Dimensions]
"""An action: keyed hash of the session id, time in ms, `session_history.BITS`, a number that tells
apart actions of one instant, dimensions."""

_SETTLED_AT: Final = 16
"""Actions in a journal from which on those that the watermark has passed are put together."""
_PALETTES_MAX: Final = 50_000


class Sessions:
    """The sessions of one partition.

    Args:
        names: of the dimensions in use, in the order of `Dimensions`.
        timeout_ms: inactivity that closes a session.
        longest_ms: the longest a session lasts.
        lateness_ms: how long a closed session stays correctable after it was last touched.
    """

    def __init__(
        self, names: Sequence[str], *, timeout_ms: int, longest_ms: int, lateness_ms: int
    ) -> None:
        if timeout_ms < 1 or longest_ms < timeout_ms:
            raise ValueError("a session's timeout must be positive, and within its longest length")
        self.lateness_ms = lateness_ms
        self._rules = Rules(timeout_ms, longest_ms)
        self._sessions: dict[bytes, Session] = {}
        self._deadlines: Deadlines[bytes] = Deadlines()
        self._changed: dict[bytes, Session | None] = {}
        self._palettes: dict[Dimensions, Palette] = {}
        self._stored_palettes = Palettes(names)
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
        corrections: list[Correction] = []
        touched: dict[bytes, Session] = {}
        to_review: dict[bytes, Session] = {}
        for key, at_ms, bits, tie_break, dimensions in actions:
            session = sessions.get(key)
            if session is None:
                session = self._begin(key, at_ms, bits, dimensions)
                session.journal = pack_action(at_ms, tie_break, bits, 0)
            elif session.first_ms < at_ms < session.closes_ms and (
                bits != ENDED or at_ms >= session.last_ms
            ):
                place = 0
                if dimensions != session.palette[0]:
                    place = place_of(session, dimensions)
                session.journal += pack_action(at_ms, tie_break, bits, place)
                if bits:
                    session.page_views += bits & VIEWED
                    session.bits |= bits
                if at_ms > session.last_ms:
                    session.last_ms = at_ms
                    session.closes_ms = min(at_ms + timeout_ms, session.first_ms + longest_ms + 1)
                if bits == ENDED:
                    session.closes_ms = 0
                if place == PALETTE_MAX - 1:
                    self._history_of(session)
            else:
                action = Action(at_ms, bits == ENDED, tie_break, bits, dimensions)
                corrections += self._insert(session, action)
            touched[key] = session
            if session.closes_ms <= watermark_ms:
                to_review[key] = session
        keep_until_ms = watermark_ms + self.lateness_ms
        for session in touched.values():
            session.keep_until_ms = keep_until_ms
        self._changed.update(touched)
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

    def take_changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Sessions to store, encoded, and keys to forget, since the last call."""
        changed, self._changed = self._changed, {}
        encode = self._encode
        return (
            {key: encode(found) for key, found in changed.items() if found is not None},
            [key for key, found in changed.items() if found is None],
        )

    def encoded(self) -> dict[bytes, bytes]:
        """Every session as it is stored, by keyed hash."""
        return {key: self._encode(session) for key, session in self._sessions.items()}

    def restore(self, stored: Iterable[tuple[bytes, bytes]], watermark_ms: int) -> None:
        """Take back stored sessions; their deadlines are set again."""
        for key, data in stored:
            session = self._sessions[key] = Session(0, 0, 0, ())
            history, session.keep_until_ms = decode(data, self._stored_palettes)
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

    def _begin(self, key: bytes, at_ms: int, bits: int, dimensions: Dimensions) -> Session:
        closes_ms = at_ms + self._rules.timeout_ms
        palette = self._palettes.get(dimensions) or self._palette(dimensions)
        session = Session(at_ms, 0 if bits == ENDED else closes_ms, bits, palette)
        session.due_s = self._deadlines.add(key, closes_ms, None)
        self._sessions[key] = session
        self._open += 1
        return session

    def _insert(self, session: Session, action: Action) -> Iterable[Correction]:
        """Take in an action that does not just follow, and give what it changes at once."""
        if self._is_within(session, action):
            return self._add_within(session, action)
        self._history_of(session).insert(action, self._rules)
        return ()

    def _is_within(self, session: Session, action: Action) -> bool:
        """Whether an action, not ``end``, is of an id's one session, and not the last of it."""
        return (
            session.history is None
            and not action.is_end
            and session.first_ms - self._rules.timeout_ms < action.at_ms <= session.last_ms
            and session.last_ms - action.at_ms <= self._rules.longest_ms
            and action.dimensions == session.palette[0]
        )

    def _add_within(self, session: Session, action: Action) -> Iterable[Correction]:
        """Add such an action, which changes what was counted if the session is closed."""
        before = session.outcome()
        session.journal += pack_action(action.at_ms, action.tie_break, action.bits, 0)
        session.page_views += action.bits & VIEWED
        session.bits |= action.bits
        if action.at_ms < session.first_ms:
            session.first_ms = action.at_ms
            if session.closes_ms:
                session.closes_ms = self._rules.closes_ms(session.first_ms, session.last_ms)
        after = session.outcome()
        return () if session.is_open or after == before else ((before, -1), (after, 1))

    def _palette(self, dimensions: Dimensions) -> Palette:
        """The dimensions as a palette, one for all sessions that have the same."""
        palette = self._palettes.get(dimensions)
        if palette is None:
            if len(self._palettes) >= _PALETTES_MAX:
                self._palettes.clear()
            palette = self._palettes[dimensions] = (dimensions,)
        return palette

    def _review(
        self, key: bytes, session: Session, watermark_ms: int, corrections: list[Correction]
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

    def _close(self, key: bytes, session: Session) -> None:
        session.is_open = False
        session.closes_ms = 0
        self._open -= 1
        self._changed[key] = session

    def _replay(
        self,
        key: bytes,
        session: Session,
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

    def _due_ms(self, session: Session, tail: Span | Session) -> int:
        """When an id is looked at again though nothing happens: to close it, or to forget it."""
        if session.is_open:
            return self._rules.closes_ms(tail.first_ms, tail.last_ms)
        return max(session.keep_until_ms, tail.last_ms + 1)

    def _schedule(self, key: bytes, session: Session, due_ms: int) -> None:
        # A later deadline than the one that is set is found when that one comes up.
        session.due_s = self._deadlines.add(key, due_ms, before_s=session.due_s)

    # -- between a journal and a history -------------------------------------------------------

    def _history_of(self, session: Session) -> History:
        if session.history is None:
            history = session.history = read(session.journal, session.palette, session.settled)
            history.is_open = session.is_open
            if not session.is_open:
                history.counted = [session.outcome()]
            history.settle(session.keep_until_ms - self.lateness_ms, self._rules)
            session.closes_ms = 0
            session.journal = b""
            session.settled = None
        return session.history

    def _simplify(self, session: Session, history: History, tail: Span) -> None:
        """Go back to a journal, of an id whose one session is counted if it is closed."""
        palette = dict.fromkeys((tail.dimensions, *(a.dimensions for a in history.pending)))
        if len(palette) >= PALETTE_MAX:
            return
        places = {dimensions: place for place, dimensions in enumerate(palette)}
        session.history = None
        session.first_ms, session.last_ms = tail.first_ms, tail.last_ms
        session.page_views, session.bits = tail.page_views, tail.bits
        session.closes_ms = self._due_ms(session, tail) if session.is_open else 0
        session.palette = tuple(palette) if len(palette) > 1 else self._palette(tail.dimensions)
        session.settled = history.spans[0] if history.spans else None
        session.journal = b"".join(
            pack_action(a.at_ms, a.tie_break, a.bits, places[a.dimensions]) for a in history.pending
        )

    def _settle(self, session: Session) -> None:
        """Put together the actions of a journal that the watermark has passed."""
        settled_ms = session.keep_until_ms - self.lateness_ms
        many = len(session.journal) > PENDING_MAX * ACTION_BYTES
        if not many and first_in(session.journal) >= settled_ms:
            return
        history = self._history_of(session)
        self._simplify(session, history, history.resolve(self._rules)[-1])

    # -- as stored ------------------------------------------------------------------------------

    def _encode(self, session: Session) -> bytes:
        if len(session.journal) > _SETTLED_AT * ACTION_BYTES:
            self._settle(session)
        if session.history is not None:
            return session.history.encoded(session.keep_until_ms, self._stored_palettes)
        return encode(session, self._stored_palettes.encode(session.palette))
