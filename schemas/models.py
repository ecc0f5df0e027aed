"""The events of the contract as pydantic models: frozen, strict, unknown fields ignored.

This is the one definition. `schemas.validators` derives the hot path's validators from it, and
`schemas.jsonschema` the JSON Schemas. Where a field depends on another (`count` belongs to
`snapshot` only) there is one model per case, and the union of them carries the event's name.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.fields import (
    Absent,
    Amount,
    Count,
    Currency,
    Dimensions,
    ExactInteger,
    Identity,
    OptionalIdentity,
    OptionalText,
    Seconds,
    Timestamp,
    integer,
)
from schemas.money import to_minor
from schemas.timestamps import to_ms
from schemas.variants import OneOf

CONFIG = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class EventBase(BaseModel):
    """What every event has."""

    model_config = CONFIG

    type: str
    event_id: Identity
    occurred_at: Timestamp
    customer_id: OptionalIdentity = None
    dimensions: Dimensions = Field(default_factory=dict)

    def to_json(self) -> bytes:
        """The event as it goes on the wire: optional fields that have no value are left out."""
        return self.model_dump_json(exclude_none=True).encode()


# Surveys


class SurveyBase(EventBase):
    """An answer to a survey; `survey` chooses the rest."""

    type: Literal["survey_response"]
    survey: str


class NpsResponse(SurveyBase):
    """Likelihood to recommend, from 0 to 10."""

    survey: Literal["nps"]
    scale: Absent = None
    score: Annotated[int, integer(0, 10)]


class NpsFivePointResponse(SurveyBase):
    """Likelihood to recommend, from 1 to 5."""

    survey: Literal["nps"]
    scale: Annotated[Literal[5], ExactInteger()]
    score: Annotated[int, integer(1, 5)]


class CsatResponse(SurveyBase):
    """Satisfaction, from 0 to 5."""

    survey: Literal["csat"]
    scale: Annotated[Literal[5], ExactInteger()] = 5
    score: Annotated[int, integer(0, 5)]


class CsatSevenPointResponse(SurveyBase):
    """Satisfaction, from 1 to 7."""

    survey: Literal["csat"]
    scale: Annotated[Literal[7], ExactInteger()]
    score: Annotated[int, integer(1, 7)]


class CsatTenPointResponse(SurveyBase):
    """Satisfaction, from 1 to 10."""

    survey: Literal["csat"]
    scale: Annotated[Literal[10], ExactInteger()]
    score: Annotated[int, integer(1, 10)]


class CesResponse(SurveyBase):
    """Customer effort, from 1 to 7."""

    survey: Literal["ces"]
    score: Annotated[int, integer(1, 7)]


class CliAnswers(BaseModel):
    """The three questions of the customer loyalty index."""

    model_config = CONFIG

    recommend: Annotated[int, integer(1, 6)]
    repurchase: Annotated[int, integer(1, 6)]
    try_other: Annotated[int, integer(1, 6)]


class CliResponse(SurveyBase):
    """The customer loyalty index: three answers from 1 to 6."""

    survey: Literal["cli"]
    answers: Annotated[
        CliAnswers, Field(description="an object of recommend, repurchase and try_other")
    ]


class EmotionResponse(SurveyBase):
    """How an experience felt."""

    survey: Literal["emotion"]
    emotion: Annotated[
        Literal["positive", "neutral", "negative"],
        Field(description="positive, neutral or negative"),
    ]


# Commerce


class MoneyBase(EventBase):
    """An event with an amount of money."""

    amount: Amount
    currency: Currency

    @property
    def amount_minor(self) -> int:
        """The amount in the currency's minor units."""
        return to_minor(self.amount, self.currency)

    @model_validator(mode="after")
    def _amount_fits_currency(self) -> Self:
        check_amount(self.amount, self.currency)
        return self


def check_amount(amount: object, currency: object) -> int:
    """The rule across the two fields of an amount.

    Returns:
        The amount in minor units.

    Raises:
        PydanticCustomError: more decimals than the currency has, or too large; names its field.
    """
    try:
        return to_minor(amount, currency)  # type: ignore[arg-type]  # validated just before
    except ValueError as error:
        raise PydanticCustomError(
            "amount_currency", "{rule}", {"field": "amount", "rule": str(error)}
        ) from error


class Purchase(MoneyBase):
    """An order or a refund."""

    type: Literal["purchase"]
    customer_id: Identity
    order_id: Identity
    kind: Annotated[Literal["order", "refund"], Field(description="order or refund")] = "order"
    upsell: Annotated[bool, Field(description="true or false")] = False


class MarketingSpend(MoneyBase):
    """Money spent to win customers."""

    type: Literal["marketing_spend"]
    campaign: OptionalIdentity = None


# Engagement


SessionAction = Literal[
    "page_view",
    "impression",
    "click",
    "interaction",
    "cart_add",
    "order",
    "conversion",
    "end",
]


class Session(EventBase):
    """One action within a session."""

    type: Literal["session"]
    session_id: Identity
    action: SessionAction
    page: OptionalText = None


# Support


class SupportTicketBase(EventBase):
    """Something that happened to a support ticket."""

    type: Literal["support_ticket"]
    ticket_id: Identity
    action: str


class SupportTicketOpened(SupportTicketBase):
    """A ticket was opened, at `occurred_at`."""

    action: Literal["opened"]


class SupportTicketHandled(SupportTicketBase):
    """A ticket opened at `opened_at` got its first response or was resolved, at `occurred_at`."""

    action: Literal["first_response", "resolved"]
    opened_at: Timestamp

    @model_validator(mode="after")
    def _opened_first(self) -> Self:
        check_opened(to_ms(self.opened_at), to_ms(self.occurred_at))
        return self


def check_opened(opened_ms: int, occurred_ms: int) -> None:
    """The rule across the two times of a ticket.

    Raises:
        PydanticCustomError: it was opened after what happened to it; names its field.
    """
    if opened_ms > occurred_ms:
        raise PydanticCustomError(
            "opened_after", "must not be after occurred_at", {"field": "opened_at"}
        )


# Customers


class CustomerBase(EventBase):
    """A change of the customer base."""

    type: Literal["customer"]
    customer_id: Identity
    action: str


class CustomerMoved(CustomerBase):
    """A customer joined or left."""

    action: Literal["joined", "left"]


class CustomerSnapshot(CustomerBase):
    """The size of the customer base at `occurred_at`."""

    action: Literal["snapshot"]
    count: Count


class Loyalty(EventBase):
    """A step of a loyalty programme's member."""

    type: Literal["loyalty"]
    customer_id: Identity
    action: Literal["enrolled", "left", "activity", "reward_issued", "reward_redeemed"]


# Social media


class SocialBase(EventBase):
    """Something that happened to a social media account."""

    type: Literal["social"]
    action: str
    account: OptionalIdentity = None


class SocialAction(SocialBase):
    """A reaction of the public."""

    action: Literal[
        "follow",
        "unfollow",
        "like",
        "comment",
        "share",
        "mention",
        "save",
        "post_click",
        "story_view",
        "story_completed",
        "conversion",
    ]


class SocialResponse(SocialBase):
    """The account answered somebody, after `response_seconds`."""

    action: Literal["response"]
    response_seconds: Seconds


class SocialFollowers(SocialBase):
    """The number of followers at `occurred_at`."""

    action: Literal["followers"]
    count: Count


SURVEY_MODELS = (
    NpsResponse,
    NpsFivePointResponse,
    CsatResponse,
    CsatSevenPointResponse,
    CsatTenPointResponse,
    CesResponse,
    CliResponse,
    EmotionResponse,
)
TICKET_MODELS = (SupportTicketOpened, SupportTicketHandled)
CUSTOMER_MODELS = (CustomerMoved, CustomerSnapshot)
SOCIAL_MODELS = (SocialAction, SocialResponse, SocialFollowers)

SurveyResponse = Annotated[
    NpsResponse
    | NpsFivePointResponse
    | CsatResponse
    | CsatSevenPointResponse
    | CsatTenPointResponse
    | CesResponse
    | CliResponse
    | EmotionResponse,
    OneOf(SURVEY_MODELS),
]
SupportTicket = Annotated[SupportTicketOpened | SupportTicketHandled, OneOf(TICKET_MODELS)]
Customer = Annotated[CustomerMoved | CustomerSnapshot, OneOf(CUSTOMER_MODELS)]
Social = Annotated[SocialAction | SocialResponse | SocialFollowers, OneOf(SOCIAL_MODELS)]
