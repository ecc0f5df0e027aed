"""A log of events that is hard to count: three types, repeats, disorder, refusals, odd sessions.

Made of plain text, as producers write it, and the same for the same arguments.
"""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NamedTuple

MINUTE_MS: Final = 60_000
DISORDER_MS: Final = MINUTE_MS
"""Events stand at most this far behind their time: half of the default lateness."""

TOPICS: Final = ("survey-response", "purchase", "session")
_CHANNELS: Final = ("email", "web", "in app", "ключ", None)
_PRODUCTS: Final = ("alpha", "beta", "a=b|c,d", None)
_CURRENCIES: Final = ("USD", "EUR", "JPY")
_ACTIONS: Final = (
    "page_view", "page_view", "impression", "impression", "click", "interaction", "cart_add",
    "order", "conversion",
)  # fmt: skip
_VISITORS: Final = 150
_REPEATS: Final = 0.01
_CONFLICTS: Final = 0.1
_REFUSALS: Final = 0.002
_REPEATED_WITHIN: Final = 500
_FAR_AHEAD: Final = (
    b'{"type":"survey_response","event_id":"x","occurred_at":"2999-01-01T00:00:00Z",'
    b'"survey":"nps","score":9}'
)
_CEST: Final = timezone(timedelta(hours=2))


class LoggedEvent(NamedTuple):
    """One record of the log: topic by the contract's name, key and value."""

    topic: str
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Times:
    """When the events happen, and which sessions are still open in the end.

    Attributes:
        start_ms: of the first event.
        end_ms: of the last.
        closed_until_ms: a session without an end has its last action before this …
        open_from_ms: … or after this: in between it would be open or closed by the minute at
            which the test looks.
    """

    start_ms: int
    end_ms: int
    closed_until_ms: int
    open_from_ms: int

    @property
    def compared_until_ms(self) -> int:
        """After this moment sessions that are counted as open may have timed out."""
        return self.open_from_ms + 30 * MINUTE_MS

    @classmethod
    def until(cls, end_ms: int, looked_at_ms: int, over_ms: int = 0) -> "Times":
        """Forty minutes, or ``over_ms``, up to a time, to be looked at ten minutes after another.

        At most, that is: some sessions may have timed out then.

        A session times out 30 minutes after its last action, when the watermark says so, which
        follows the latest event of a partition by 2 minutes; that event may be one of 2 more
        minutes before the end.
        """
        return cls(
            start_ms=end_ms - max(40 * MINUTE_MS, over_ms),
            end_ms=end_ms,
            closed_until_ms=looked_at_ms - 36 * MINUTE_MS,
            open_from_ms=looked_at_ms - 20 * MINUTE_MS,
        )


@dataclass(slots=True)
class _Visitor:
    session_id: str
    left: int
    used_ms: set[int] = field(default_factory=set)


def event_log(count: int, seed: int, times: Times) -> list[LoggedEvent]:
    """``count`` records in the order to send them."""
    return list(_Writer(seed, times).write(count))


class _Writer:
    def __init__(self, seed: int, times: Times) -> None:
        self._random = random.Random(seed)
        self._times = times
        self._number = self._sessions = 0
        self._visitors_most = _VISITORS
        self._visitors: list[_Visitor] = []
        self._gone: list[_Visitor] = []

    def write(self, count: int) -> Iterator[LoggedEvent]:
        # So few that each acts often: who did nothing for long would be a doubtful session.
        self._visitors_most = max(1, min(_VISITORS, count // 100))
        repeats: list[tuple[int, int, LoggedEvent]] = []
        span = self._times.end_ms - self._times.start_ms - DISORDER_MS
        for position in range(count):
            if repeats and repeats[0][0] <= position:
                yield heapq.heappop(repeats)[2]
                continue
            now_ms = self._times.start_ms + DISORDER_MS + span * position // count
            event = self._event(now_ms)
            yield event
            if self._random.random() < _REPEATS:
                due = position + self._random.randint(1, _REPEATED_WITHIN)
                heapq.heappush(repeats, (due, position, self._repeat(event)))

    def _event(self, now_ms: int) -> LoggedEvent:
        self._number += 1
        at_ms = now_ms - self._random.randrange(DISORDER_MS)
        chance = self._random.random()
        if chance < _REFUSALS:
            return self._refused()
        if chance < 0.5:
            return self._survey(at_ms)
        if chance < 0.65:
            return self._purchase(at_ms)
        return self._session(at_ms)

    def _head(self, type_: str, at_ms: int) -> str:
        parts = [
            f'"type":"{type_}","event_id":"e{self._number}","occurred_at":"{self._when(at_ms)}"'
        ]
        channel, product = self._random.choice(_CHANNELS), self._random.choice(_PRODUCTS)
        named = [f'"{n}":"{v}"' for n, v in (("channel", channel), ("product", product)) if v]
        if named:
            parts.append('"dimensions":{' + ",".join(named) + "}")
        return ",".join(parts)

    def _when(self, at_ms: int) -> str:
        zone = _CEST if self._random.random() < 0.002 else UTC
        moment = datetime.fromtimestamp(at_ms // 1000, zone)
        text = f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}"
        return text + ("Z" if zone is UTC else "+02:00")

    def _survey(self, at_ms: int) -> LoggedEvent:
        r = self._random
        answer = r.choice(
            (
                f'"survey":"nps","score":{r.randint(0, 10)}',
                f'"survey":"nps","score":{r.randint(0, 10)}',
                f'"survey":"nps","scale":5,"score":{r.randint(1, 5)}',
                f'"survey":"csat","score":{r.randint(0, 5)}',
                f'"survey":"csat","scale":10,"score":{r.randint(1, 10)}',
                f'"survey":"ces","score":{r.randint(1, 7)}',
                self._loyalty_answers(),
                f'"survey":"emotion","emotion":"{r.choice(("positive", "neutral", "negative"))}"',
            )
        )
        customer = f"c{r.randrange(5_000)}"
        text = f'{{{self._head("survey_response", at_ms)},"customer_id":"{customer}",{answer}}}'
        return LoggedEvent("survey-response", customer.encode(), text.encode())

    def _loyalty_answers(self) -> str:
        items = ("recommend", "repurchase", "try_other")
        answers = ",".join(f'"{item}":{self._random.randint(1, 6)}' for item in items)
        return f'"survey":"cli","answers":{{{answers}}}'

    def _purchase(self, at_ms: int) -> LoggedEvent:
        r = self._random
        currency = r.choice(_CURRENCIES)
        amount = (
            str(r.randrange(100_000)) if currency == "JPY" else f"{r.randrange(10**6) / 100:.2f}"
        )
        quoted = f'"{amount}"' if r.random() < 0.5 else amount
        kind = ',"kind":"refund"' if r.random() < 0.1 else ""
        upsell = ',"upsell":true' if r.random() < 0.2 else ""
        customer = f"c{r.randrange(5_000)}"
        text = (
            f'{{{self._head("purchase", at_ms)},"customer_id":"{customer}",'
            f'"order_id":"o{self._number}","amount":{quoted},"currency":"{currency}"{kind}{upsell}}}'
        )
        return LoggedEvent("purchase", customer.encode(), text.encode())

    def _session(self, at_ms: int) -> LoggedEvent:
        r = self._random
        while len(self._visitors) < self._visitors_most:
            self._visitors.append(self._visitor())
        visitor = r.choice(self._visitors)
        while at_ms in visitor.used_ms:  # which of two at once comes first is not what is tested
            at_ms -= 1
        visitor.used_ms.add(at_ms)
        visitor.left -= 1
        action = r.choice(_ACTIONS)
        if visitor.left <= 0:
            self._visitors.remove(visitor)
            if self._is_doubtful(at_ms):
                action, at_ms = "end", max(visitor.used_ms) + 1
            elif r.random() < 0.7:
                action = "end"  # in disorder as all are: what comes after it is another session
            elif at_ms < self._times.closed_until_ms:
                self._gone.append(visitor)
        text = (
            f'{{{self._head("session", at_ms)},"session_id":"{visitor.session_id}",'
            f'"action":"{action}"}}'
        )
        return LoggedEvent("session", visitor.session_id.encode(), text.encode())

    def _visitor(self) -> _Visitor:
        actions = self._random.randint(1, 14)
        # An id comes back now and then, within its timeout or after it.
        if self._gone and self._random.random() < 0.05:
            visitor = self._gone.pop(0)
            visitor.left = actions
            return visitor
        self._sessions += 1
        return _Visitor(f"s{self._sessions}", actions)

    def _is_doubtful(self, at_ms: int) -> bool:
        # The session's last action may have been a minute after this one.
        return self._times.closed_until_ms - DISORDER_MS < at_ms < self._times.open_from_ms

    def _repeat(self, event: LoggedEvent) -> LoggedEvent:
        if self._random.random() < _CONFLICTS:
            return event._replace(
                value=event.value.replace(b'"channel":"email"', b'"channel":"web"')
            )
        return event

    def _refused(self) -> LoggedEvent:
        broken = (
            b"{",
            b"",
            b'{"type":"purchase"}',
            _FAR_AHEAD,
        )
        return LoggedEvent("survey-response", b"k%d" % self._number, self._random.choice(broken))
