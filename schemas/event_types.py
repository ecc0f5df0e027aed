"""The eight event types: their names, topics, Kafka keys and models."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from schemas import models

if TYPE_CHECKING:
    from collections.abc import Mapping


class EventType(StrEnum):
    """The field `type` of an event."""

    SURVEY_RESPONSE = "survey_response"
    PURCHASE = "purchase"
    SESSION = "session"
    SUPPORT_TICKET = "support_ticket"
    CUSTOMER = "customer"
    SOCIAL = "social"
    LOYALTY = "loyalty"
    MARKETING_SPEND = "marketing_spend"

    @property
    def topic(self) -> str:
        """The topic's name after the prefix: `survey-response`."""
        return self.value.replace("_", "-")

    @classmethod
    def from_topic(cls, topic: str) -> EventType:
        """The type whose events a topic carries.

        Args:
            topic: the topic's name without its prefix, e.g. `survey-response`.

        Raises:
            ValueError: no event type has that topic.
        """
        try:
            return _BY_TOPIC[topic]
        except KeyError:
            raise ValueError(
                f"{topic!r} is not an event topic; they are {', '.join(sorted(_BY_TOPIC))}"
            ) from None


_BY_TOPIC = {event_type.topic: event_type for event_type in EventType}

KEY_FIELD: Mapping[EventType, str] = {
    EventType.SURVEY_RESPONSE: "customer_id",
    EventType.PURCHASE: "customer_id",
    EventType.SESSION: "session_id",
    EventType.SUPPORT_TICKET: "ticket_id",
    EventType.CUSTOMER: "customer_id",
    EventType.SOCIAL: "account",
    EventType.LOYALTY: "customer_id",
    EventType.MARKETING_SPEND: "campaign",
}
"""What keeps the events of one customer, session, ticket or account in order, on one partition."""

MODELS: Mapping[EventType, tuple[type[models.EventBase], ...]] = {
    EventType.SURVEY_RESPONSE: models.SURVEY_MODELS,
    EventType.PURCHASE: (models.Purchase,),
    EventType.SESSION: (models.Session,),
    EventType.SUPPORT_TICKET: models.TICKET_MODELS,
    EventType.CUSTOMER: models.CUSTOMER_MODELS,
    EventType.SOCIAL: models.SOCIAL_MODELS,
    EventType.LOYALTY: (models.Loyalty,),
    EventType.MARKETING_SPEND: (models.MarketingSpend,),
}
"""The models of each type; several where a field chooses between them."""


def kafka_key(event: Mapping[str, Any]) -> str:
    """The Kafka key of a valid event, as the contract's table has it.

    Args:
        event: a validated event as a mapping.

    Returns:
        The identifier whose events must stay in order; `event_id` where that one is optional and
        left out.

    Raises:
        ValueError: `type` is none of the eight.
        KeyError: the event has no `type` or no `event_id`.
    """
    key = event.get(KEY_FIELD[EventType(event["type"])])
    return str(event["event_id"] if key is None else key)
