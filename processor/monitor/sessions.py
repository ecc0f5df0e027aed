"""Who was let in: the token, sessions of browsers, and those who guess too often."""

import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

COOKIE: Final = "cxpulse_session"

_SESSIONS_MAX: Final = 10_000
_GUESSES_MAX: Final = 10
_GUESSES_OF_ALL_MAX: Final = 1_000
_GUESSES_WITHIN_S: Final = 60.0
_GUESSERS_MAX: Final = 10_000


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


class Doorkeeper:
    """Knows the token and the sessions, which are forgotten when the process ends.

    Args:
        token: lets in whoever has it; ``None`` lets in everybody.
        session_life_s: a session's longest life.
        clock_s: seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        token: str | None,
        session_life_s: float,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token = None if token is None else _digest(token)
        self.session_life_s = session_life_s
        self._clock_s = clock_s
        self._sessions: dict[bytes, float] = {}
        self._guesses: dict[str, deque[float]] = {}
        self._guesses_of_all: deque[float] = deque()

    @property
    def is_open(self) -> bool:
        """Whether there is no token."""
        return self._token is None

    def knows_token(self, text: str) -> bool:
        """Whether it is the token; takes as long for any text of a length."""
        return self._token is None or hmac.compare_digest(_digest(text), self._token)

    def begin_session(self) -> str:
        """A new session's id, which only its holder knows: what is kept is its digest."""
        now_s = self._clock_s()
        self._sessions = {one: ends for one, ends in self._sessions.items() if ends > now_s}
        while len(self._sessions) >= _SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        session = secrets.token_urlsafe(32)
        self._sessions[_digest(session)] = now_s + self.session_life_s
        return session

    def knows_session(self, session: str) -> bool:
        """Whether a session is open."""
        return self._sessions.get(_digest(session), 0.0) > self._clock_s()

    def end_session(self, session: str) -> None:
        """Close a session, if it is one."""
        self._sessions.pop(_digest(session), None)

    def wait_s(self, address: str) -> float:
        """How long an address has to wait before it may try a token again; 0 if it need not."""
        now_s = self._clock_s()
        own = self._guesses.get(_who(address), deque())
        waits = [0.0]
        for guesses, most in ((own, _GUESSES_MAX), (self._guesses_of_all, _GUESSES_OF_ALL_MAX)):
            while guesses and guesses[0] <= now_s - _GUESSES_WITHIN_S:
                guesses.popleft()
            if len(guesses) >= most:
                waits.append(guesses[0] + _GUESSES_WITHIN_S - now_s)
        return max(waits)

    def guessed_wrong(self, address: str) -> None:
        """Remember that an address tried a wrong token."""
        who, now_s = _who(address), self._clock_s()
        guesses = self._guesses.pop(who, None) or deque(maxlen=_GUESSES_MAX)
        guesses.append(now_s)
        self._guesses[who] = guesses  # the latest are last
        self._guesses_of_all.append(now_s)
        while len(self._guesses) > _GUESSERS_MAX:
            del self._guesses[next(iter(self._guesses))]


def _who(address: str) -> str:
    """An address, of IPv6 its network: one household has as many addresses as it likes."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)
