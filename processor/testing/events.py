"""Valid events in a line each: what a test does not say has a sound default."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, Final, Literal

from processor.replay.counting import When, instant_ms
from processor.replay.interactive import encoded
from schemas.events import parse_event
from schemas.timestamps import format_rfc3339

Event = dict[str, Any]

START: Final = "2026-03-01T12:00:00Z"
"""When the first event happens, unless it is told."""

_SECOND_MS: Final = 1000


class EventBuilder:
    """Makes valid events of every type, each with an id of its own.

    Every method takes ``at`` (RFC 3339 text or a datetime with a time zone), ``event_id`` and
    ``customer_id``; every further keyword is a dimension: ``nps(9, channel="email")``. Without
    ``at`` an event happens a second after the one before it.

    Args:
        start: when the first event happens.
        prefix: what ids begin with.

    >>> events = EventBuilder()
    >>> events.nps(9, channel="email")["dimensions"]
    {'channel': 'email'}
    >>> events.nps(11)
    Traceback (most recent call last):
      ...
    schemas.errors.InvalidEvent: score: must be an integer from 0 to 10
    """

    def __init__(self, start: When = START, prefix: str = "") -> None:
        self._next_ms = instant_ms(start)
        self._prefix = prefix
        self._numbers = count(1)

    def nps(self, score: int, *, scale: Literal[5] | None = None, **common: Any) -> Event:
        """An answer to "would you recommend us": 0 to 10, or 1 to 5 with ``scale=5``."""
        return self._survey("nps", {"score": score, "scale": scale}, common)

    def csat(self, score: int, *, scale: Literal[5, 7, 10] = 5, **common: Any) -> Event:
        """An answer to "how satisfied are you": 0 to 5, 1 to 7 or 1 to 10, by the scale."""
        return self._survey("csat", {"score": score, "scale": scale}, common)

    def ces(self, score: int, **common: Any) -> Event:
        """An answer to "how easy was it", from 1 to 7."""
        return self._survey("ces", {"score": score}, common)

    def cli(self, recommend: int, repurchase: int, try_other: int, **common: Any) -> Event:
        """The three answers of the customer loyalty index, each from 1 to 6."""
        answers = {"recommend": recommend, "repurchase": repurchase, "try_other": try_other}
        return self._survey("cli", {"answers": answers}, common)

    def emotion(self, emotion: Literal["positive", "neutral", "negative"], **common: Any) -> Event:
        """How an experience felt."""
        return self._survey("emotion", {"emotion": emotion}, common)

    def purchase(
        self,
        amount: float | str | Decimal = "10.00",
        currency: str = "EUR",
        *,
        kind: Literal["order", "refund"] = "order",
        upsell: bool = False,
        order_id: str | None = None,
        **common: Any,
    ) -> Event:
        """An order of a customer of its own, unless told; see also :meth:`refund`."""
        fields = {
            "order_id": order_id or self._new("order"),
            "amount": str(amount) if isinstance(amount, Decimal) else amount,
            "currency": currency,
            "kind": kind,
            "upsell": upsell,
        }
        return self._of_customer("purchase", fields, common)

    def refund(
        self, amount: float | str | Decimal = "10.00", currency: str = "EUR", **common: Any
    ) -> Event:
        """A refund."""
        return self.purchase(amount, currency, kind="refund", **common)

    def session(
        self,
        action: str = "page_view",
        *,
        session_id: str | None = None,
        page: str | None = None,
        **common: Any,
    ) -> Event:
        """One action, in a session of its own unless told."""
        fields = {"session_id": session_id or self._new("session"), "action": action, "page": page}
        return self._event("session", fields, common)

    def visit(
        self,
        *actions: str,
        session_id: str | None = None,
        at: When | None = None,
        seconds_between: float = 10,
        **common: Any,
    ) -> list[Event]:
        """A whole session: its actions one after another; ends if the last one is ``end``."""
        session_id = session_id or self._new("session")
        begin_ms = self._next_ms if at is None else instant_ms(at)
        step_ms = round(seconds_between * _SECOND_MS)
        return [
            self.session(
                action,
                session_id=session_id,
                at=format_rfc3339(begin_ms + number * step_ms),
                **common,
            )
            for number, action in enumerate(actions)
        ]

    def ticket(
        self,
        action: Literal["opened", "first_response", "resolved"] = "opened",
        *,
        ticket_id: str | None = None,
        opened_at: When | None = None,
        after: timedelta = timedelta(hours=1),
        **common: Any,
    ) -> Event:
        """A ticket opened, or ``first_response`` or ``resolved`` some time ``after`` that."""
        event = self._event(
            "support_ticket",
            {
                "ticket_id": ticket_id or self._new("ticket"),
                "action": action,
                "opened_at": None if action == "opened" else START,
            },
            common,
            check=False,
        )
        if action != "opened":
            occurred_ms = instant_ms(event["occurred_at"])
            opened_ms = (
                occurred_ms - after // timedelta(milliseconds=1)
                if opened_at is None
                else instant_ms(opened_at)
            )
            event["opened_at"] = format_rfc3339(opened_ms)
        return _checked(event)

    def joined(self, **common: Any) -> Event:
        """A customer joined."""
        return self._of_customer("customer", {"action": "joined"}, common)

    def left(self, **common: Any) -> Event:
        """A customer left."""
        return self._of_customer("customer", {"action": "left"}, common)

    def customers(self, number: int, **common: Any) -> Event:
        """How many customers there are at this instant."""
        return self._of_customer("customer", {"action": "snapshot", "count": number}, common)

    def social(
        self,
        action: str = "like",
        *,
        account: str | None = None,
        response_seconds: float | None = None,
        number: int | None = None,
        **common: Any,
    ) -> Event:
        """Something on social media; ``number`` is that of ``followers``."""
        if action == "response" and response_seconds is None:
            response_seconds = 60
        fields = {
            "action": action,
            "account": account,
            "response_seconds": response_seconds,
            "count": number,
        }
        return self._event("social", fields, common)

    def loyalty(self, action: str = "activity", **common: Any) -> Event:
        """A step of a loyalty programme's member, one of its own unless told."""
        return self._of_customer("loyalty", {"action": action}, common)

    def spend(
        self,
        amount: float | str | Decimal = "100.00",
        currency: str = "EUR",
        *,
        campaign: str | None = None,
        **common: Any,
    ) -> Event:
        """Money spent on marketing."""
        fields = {
            "amount": str(amount) if isinstance(amount, Decimal) else amount,
            "currency": currency,
            "campaign": campaign,
        }
        return self._event("marketing_spend", fields, common)

    def many(self, number: int, event: Event) -> list[Event]:
        """As many events like this one, at the same time, each with an id of its own."""
        return [event] + [{**event, "event_id": self._new("event")} for _ in range(number - 1)]

    def _survey(self, survey: str, fields: Mapping[str, Any], common: dict[str, Any]) -> Event:
        return self._event("survey_response", {"survey": survey, **fields}, common)

    def _of_customer(self, kind: str, fields: dict[str, Any], common: dict[str, Any]) -> Event:
        if common.get("customer_id") is None:
            common = {**common, "customer_id": self._new("customer")}
        return self._event(kind, fields, common)

    def _event(
        self,
        kind: str,
        fields: Mapping[str, Any],
        common: Mapping[str, Any],
        *,
        check: bool = True,
    ) -> Event:
        dimensions = dict(common)
        at: str | datetime | None = dimensions.pop("at", None)
        time_ms = self._next_ms if at is None else instant_ms(at)
        self._next_ms = time_ms + _SECOND_MS
        event: Event = {
            "type": kind,
            "event_id": dimensions.pop("event_id", None) or self._new("event"),
            "occurred_at": format_rfc3339(time_ms),
            "customer_id": dimensions.pop("customer_id", None),
            **fields,
            "dimensions": dict(dimensions.pop("dimensions", {})) | dimensions or None,
        }
        event = {name: value for name, value in event.items() if value is not None}
        return _checked(event) if check else event

    def _new(self, what: str) -> str:
        return f"{self._prefix}{what}-{next(self._numbers)}"


def _checked(event: Event) -> Event:
    parse_event(encoded(event))
    return event
