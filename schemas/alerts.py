"""Alerts: what goes to the topic ``cx.alerts``, to receivers, and over HTTP."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.fields import Dimensions, Timestamp
from schemas.readings import Number

AlertState = Literal["inactive", "pending", "firing", "resolved"]
"""Where an alert is in its life."""


class Alert(BaseModel):
    """One alert of one rule, as it stands at a change of its state.

    Times are event time: those of the readings behind it. The fingerprint is the same for as long
    as the alert is about the same thing, so that a receiver can drop what it got before.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] = Field(
        description="names it: made of rule, metric, window, segment and currency"
    )
    name: Annotated[str, Field(min_length=1, description="of its rule")]
    state: AlertState
    previous_state: AlertState
    severity: Annotated[str, Field(min_length=1)]
    metric: Annotated[str, Field(min_length=1, description="or a signal of the processor")]
    window: str | None = Field(description="null for a signal of the processor")
    segment: Dimensions = Field(description="dimension values it is about; empty is everything")
    currency: str | None = Field(description="ISO 4217, for money metrics")
    condition: str = Field(description="what its rule watches for, in words")
    labels: Mapping[str, str] = Field(description="what identifies it for receivers")
    annotations: Mapping[str, str] = Field(description="texts for people, values filled in")
    value: Number | None = Field(description="of the reading behind it")
    reading: Mapping[str, Any] | None = Field(description="the reading behind it, if it has one")
    since: Timestamp = Field(description="when it came into this state")
    starts_at: Timestamp | None = Field(description="when its condition began to hold")
    ends_at: Timestamp | None = Field(description="when it was resolved or given up")
    recovering_since: Timestamp | None = Field(
        description="firing: since when its value has recovered"
    )
