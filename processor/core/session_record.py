"""What is kept of an id with one session, in memory and as it is stored."""

import struct
from typing import Final

from processor.core.palettes import Palette, Palettes
from processor.core.segments import Dimensions
from processor.core.session_history import ENDED, VIEWED, Action, History, Outcome, Span

_ACTION: Final = struct.Struct("<qQBB")
_SPAN: Final = struct.Struct("<qqIB")
_HEAD: Final = struct.Struct("<cqBI")
_JOURNAL: Final = b"j"
"""How what is stored of a session with a journal begins; that of a history begins with ``[``."""
_IS_CLOSED, _HAS_SETTLED = 1, 2

ACTION_BYTES: Final = _ACTION.size
pack_action = _ACTION.pack
"""An action as it is in a journal: time in ms, tie-break, `session_history.BITS`, and which of the
palette its dimensions are."""


class Session:
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

    def __init__(self, first_ms: int, closes_ms: int, bits: int, palette: Palette) -> None:
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
        """As it is counted."""
        return Outcome(
            self.first_ms, self.last_ms, self.page_views, self.bits & ~ENDED, self.palette[0]
        )


def first_in(journal: bytes) -> int:
    """The time of the first action in a journal, in ms."""
    at_ms: int = _ACTION.unpack_from(journal)[0]
    return at_ms


def place_of(session: Session, dimensions: Dimensions) -> int:
    """Where dimensions are in a session's palette; they are put there if they are new."""
    if dimensions not in session.palette:
        session.palette = (*session.palette, dimensions)
    return session.palette.index(dimensions)


def read(journal: bytes, palette: Palette, settled: Span | None) -> History:
    """The history that a journal holds, and what was settled before."""
    pending = sorted(
        Action(at_ms, bits == ENDED, tie_break, bits, palette[place])
        for at_ms, tie_break, bits, place in _ACTION.iter_unpack(journal)
    )
    return History([] if settled is None else [settled], pending)


def encode(session: Session, palette: bytes) -> bytes:
    """A session with a journal as it is stored.

    Args:
        session: the session.
        palette: its palette as it is stored.
    """
    flags = 0 if session.is_open else _IS_CLOSED
    span = b""
    if session.settled is not None:
        settled = session.settled
        flags |= _HAS_SETTLED
        span = _SPAN.pack(settled.first_ms, settled.last_ms, settled.page_views, settled.bits)
    head = _HEAD.pack(_JOURNAL, session.keep_until_ms, flags, len(palette))
    return head + palette + span + session.journal


def decode(data: bytes, palettes: Palettes) -> tuple[History, int]:
    """What is stored of an id, as a history, and until when it is kept."""
    if not data.startswith(_JOURNAL):
        return History.decoded(data, palettes)
    _, keep_until_ms, flags, length = _HEAD.unpack_from(data)
    begin = _HEAD.size + length
    palette = palettes.decode(data[_HEAD.size : begin])
    settled = None
    if flags & _HAS_SETTLED:
        first_ms, last_ms, page_views, bits = _SPAN.unpack_from(data, begin)
        settled = Span(first_ms, last_ms, page_views, bits, palette[0])
        begin += _SPAN.size
    history = read(data[begin:], palette, settled)
    if flags & _IS_CLOSED:
        history.counted = [_together(history).outcome()]
    return history, keep_until_ms


def _together(history: History) -> Span:
    """All there is as one session, which it was when it was counted."""
    whole = history.spans[0].copy() if history.spans else Span.begun(history.pending[0])
    for action in history.pending[0 if history.spans else 1 :]:
        whole.add(action)
    return whole
