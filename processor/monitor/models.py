"""The API's answers, as OpenAPI tells them; what is sent is encoded beforehand."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from processor.alerting.silence import Silence
from processor.settings import Target
from schemas.alerts import Alert
from schemas.readings import Reading, Unit


class StatusModel(BaseModel):
    """What the publisher said at its last tick, and how far the partitions are."""

    revision: int = Field(ge=0, description="number of the tick; 0 before the first")
    as_of: datetime | None = Field(description="the event-time watermark behind the readings")
    published_at: datetime | None = Field(description="wall-clock time of the tick")
    stale: bool = Field(
        description="the last tick is older than it should be; true before the first, too"
    )
    age_s: float | None = Field(description="seconds since the last tick")
    open_sessions: int = Field(ge=0, description="sessions that are not closed, in no rate yet")
    lag: int = Field(ge=0, description="records that are not counted yet")
    events: dict[str, int] = Field(
        description="events by outcome since the state began", examples=[{"counted": 1200}]
    )
    dead_letters: int = Field(ge=0, description="events that went to a dead-letter topic")
    rebuilding: int = Field(ge=0, description="partitions whose lost counts are being made again")
    unclaimed: int = Field(ge=0, description="partitions that nothing is stored of yet")
    leader: str | None = Field(description="names the publisher")


class ComparedModel(BaseModel):
    """How a value compares with its target."""

    level: Literal["good", "fair", "poor"]
    label: str = Field(examples=["above 70 excellent"])


class RowModel(Reading):
    """A reading with its key, its state and its target."""

    series_key: str = Field(
        alias="key", description="of the series: metric|window|segment", examples=["nps|24h|all"]
    )
    state: Literal["ok", "no_data", "low_sample", "provisional", "incomplete"] = Field(
        description="the worst that is to be said of it"
    )
    target: ComparedModel | None = Field(description="null without a target or a value")


class ReadingsModel(BaseModel):
    """Readings, in the order of their keys."""

    status: StatusModel
    readings: list[RowModel]
    next: str | None = Field(description="the cursor of the next page; null on the last")


class MetricModel(BaseModel):
    """One metric of the catalogue."""

    name: str = Field(examples=["nps"])
    title: str = Field(examples=["Net Promoter Score"])
    summary: str
    unit: Unit
    event_types: list[str]
    interval: str | None = Field(description="how its interval is computed; null without one")
    per_currency: bool = Field(description="one value for each currency")
    better: Literal["higher", "lower"] | None
    target: Target | None
    own: bool = Field(description="a metric of one's own")


class PageModel(BaseModel):
    """What the page shows first."""

    metrics: list[str]


class CatalogueModel(BaseModel):
    """The catalogue, and what a page needs to ask for readings."""

    metrics: list[MetricModel]
    windows: list[str] = Field(examples=[["1m", "24h"]])
    segment_sets: list[list[str]] = Field(examples=[[["channel"], ["product"]]])
    tick_s: float = Field(description="seconds between two ticks of the publisher")
    version: str
    page: PageModel


class AlertModel(Alert):
    """An alert, with what it is about and who is not told of it."""

    title: str = Field(description="of its metric or signal", examples=["Net Promoter Score"])
    unit: Unit | None = Field(description="of its value; null where its metric is not known")
    silence: Silence | None = Field(description="mutes it now; null where it is told of")


class AlertTotalsModel(BaseModel):
    """How many there are, also of those that are not listed."""

    firing: int = Field(ge=0)
    pending: int = Field(ge=0)
    recent: int = Field(ge=0)
    silenced: int = Field(ge=0, description="of those that fire")


class AlertsModel(BaseModel):
    """The alerts by state, the latest first, and at most 200 of each."""

    firing: list[AlertModel] = Field(description="those that are silenced behind the others")
    pending: list[AlertModel] = Field(description="their condition holds, but not long enough yet")
    recent: list[AlertModel] = Field(description="resolved within the last day")
    silences: list[Silence] = Field(description="in force now, the one that ends first in front")
    totals: AlertTotalsModel


class CheckModel(BaseModel):
    """One thing that was looked at."""

    ok: bool
    reason: str


class ReportModel(BaseModel):
    """Checks, by name."""

    status: Literal["ok", "failing"]
    checks: dict[str, CheckModel]
