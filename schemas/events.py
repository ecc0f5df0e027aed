"""The events of the contract: their types, models and parser."""

from __future__ import annotations

from typing import cast

from schemas.errors import ErrorCode, InvalidEvent
from schemas.event_types import EventType, kafka_key
from schemas.explanation import DEFAULT_MAX_BYTES, require_event
from schemas.models import (
    CesResponse,
    CliAnswers,
    CliResponse,
    CsatResponse,
    CsatSevenPointResponse,
    CsatTenPointResponse,
    Customer,
    CustomerMoved,
    CustomerSnapshot,
    EmotionResponse,
    Loyalty,
    MarketingSpend,
    NpsFivePointResponse,
    NpsResponse,
    Purchase,
    Session,
    Social,
    SocialAction,
    SocialFollowers,
    SocialResponse,
    SupportTicket,
    SupportTicketHandled,
    SupportTicketOpened,
    SurveyResponse,
)

__all__ = [
    "CesResponse",
    "CliAnswers",
    "CliResponse",
    "CsatResponse",
    "CsatSevenPointResponse",
    "CsatTenPointResponse",
    "Customer",
    "CustomerMoved",
    "CustomerSnapshot",
    "EmotionResponse",
    "Event",
    "EventType",
    "Loyalty",
    "MarketingSpend",
    "NpsFivePointResponse",
    "NpsResponse",
    "Purchase",
    "Session",
    "Social",
    "SocialAction",
    "SocialFollowers",
    "SocialResponse",
    "SupportTicket",
    "SupportTicketHandled",
    "SupportTicketOpened",
    "SurveyResponse",
    "kafka_key",
    "parse_event",
]

Event = (
    SurveyResponse
    | Purchase
    | Session
    | SupportTicket
    | Customer
    | Social
    | Loyalty
    | MarketingSpend
)
"""Any event."""


def parse_event(raw: bytes | str, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Event:
    """Parse one event of any type into its public model.

    Args:
        raw: the JSON of one record, or one line of an event log.
        max_bytes: larger records are refused unread.

    Raises:
        InvalidEvent: the first rule of the contract that it breaks.
    """
    if isinstance(raw, str):
        try:
            raw = raw.encode()
        except UnicodeEncodeError as error:
            raise InvalidEvent(
                ErrorCode.INVALID_JSON, "the text holds half of a surrogate pair"
            ) from error
    return cast("Event", require_event(None, raw, max_bytes=max_bytes))
