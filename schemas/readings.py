"""Readings: the values of metrics, as published to Kafka, Redis and HTTP."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Self
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from schemas.fields import Currency, Dimensions, Omittable, Timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

WHOLE = "all"
"""The key of the segment that is everything."""


class Unit(StrEnum):
    """The unit of a reading's value."""

    POINTS = "points"
    """-100 to 100."""
    PERCENT = "percent"
    """0 to 100, unless the catalogue says otherwise."""
    SCORE = "score"
    SECONDS = "seconds"
    MONEY = "money"
    """Whole units of the reading's currency, not minor ones."""
    COUNT = "count"
    RATIO = "ratio"


Number = Annotated[int | float, WithJsonSchema({"type": "number"})]
"""A finite number; a count stays an integer, so that it is written without a fraction."""


class Reading(BaseModel):
    """The value of one metric over one window for one segment.

    `window_start` and `window_end` bound a half-open interval of event time; `as_of` is the
    event-time watermark behind the reading. No field tells wall-clock time, so the same events
    give the same bytes.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    metric: Annotated[str, Field(min_length=1)]
    window: Annotated[str, Field(min_length=1)]
    segment: Dimensions = Field(description="dimension values it is for; empty is everything")
    currency: Annotated[Currency | None, Omittable()] = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="ISO 4217, for money metrics; else absent",
    )
    value: Number | None = Field(description="null where nothing was observed")
    unit: Annotated[Unit, Field(strict=False)]
    n: Annotated[int, Field(ge=0, description="the observations behind the value")]
    low: Number | None = Field(description="lower end of the interval; null without one")
    high: Number | None = Field(description="upper end of the interval; null without one")
    confidence: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        description="confidence level of the interval; may be null without one"
    )
    low_sample: bool = Field(description="n is under the configured minimum")
    window_start: Timestamp
    window_end: Timestamp
    previous: Number | None = Field(description="the value of the window just before")
    change: Number | None = Field(description="value - previous")
    significant: bool | None = Field(
        description="whether value and previous differ beyond chance; null without an interval"
    )
    provisional: bool = Field(description="late events may still change it")
    incomplete: bool = Field(
        description="events of the window may not be counted: a log was cut, or counts are being "
        "rebuilt; where that holds for the window before, previous and change are null"
    )
    revision: Annotated[int, Field(ge=0, description="grows within one series; keep the highest")]
    as_of: Timestamp

    @property
    def key(self) -> str:
        """The Kafka key of the reading's series."""
        return reading_key(self.metric, self.window, self.segment, self.currency)

    def to_json(self) -> bytes:
        """The reading as it goes on the wire."""
        return self.model_dump_json().encode()

    @model_validator(mode="after")
    def _window_is_an_interval(self) -> Self:
        if self.window_start >= self.window_end:
            raise ValueError("window_start must be before window_end")
        return self


def reading_key(metric: str, window: str, segment: Mapping[str, str], currency: str | None) -> str:
    """The key of one series: readings of the same key replace each other.

    Returns:
        `metric|window|dim=value,dim=value`, with `|USD` behind it for money, so that currencies do
        not overwrite each other.

    Examples:
        >>> reading_key("nps", "24h", {"channel": "e mail"}, None)
        'nps|24h|channel=e%20mail'
        >>> reading_key("clv", "30d", {}, "USD")
        'clv|30d|all|USD'
    """
    key = f"{metric}|{window}|{segment_key(segment)}"
    return key if currency is None else f"{key}|{currency}"


def segment_key(segment: Mapping[str, str]) -> str:
    """The text of a segment: sorted by dimension, values percent-encoded, `all` for the whole.

    Everything but letters, digits and `-._~` is encoded (the unreserved characters of RFC 3986),
    so that no value can hold a separator.

    Examples:
        >>> segment_key({"plan": "pro", "country": "DE"})
        'country=DE,plan=pro'
    """
    if not segment:
        return WHOLE
    return ",".join(f"{name}={quote(segment[name], safe='')}" for name in sorted(segment))


def parse_segment_key(text: str) -> dict[str, str]:
    """Read a segment back from its key.

    Raises:
        ValueError: the text is not what `segment_key` writes.

    Examples:
        >>> parse_segment_key("country=DE,plan=pro")
        {'country': 'DE', 'plan': 'pro'}
    """
    if text == WHOLE:
        return {}
    segment: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        segment[name] = unquote(value, errors="strict")
    if segment_key(segment) != text:
        raise ValueError(f"not the key of a segment: {text!r}")
    return segment
