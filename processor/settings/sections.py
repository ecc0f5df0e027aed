"""The smaller tables of the configuration file."""

from typing import Literal

from pydantic import Field, SecretStr

from processor.core.config import (
    DEFAULT_SEGMENT_SETS,
    DEFAULT_WINDOWS,
    EngineConfig,
    SurveyResponses,
)
from processor.core.panes import parse_duration_ms, plan_windows
from processor.settings.values import Duration, RedisUrl, Section, WindowNames


class RedisSettings(Section):
    """Where the counters are kept."""

    url: RedisUrl = SecretStr("redis://127.0.0.1:6379/0")
    prefix: str = Field("cx", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    timeout_s: float = Field(5.0, gt=0)
    flush_interval_s: float = Field(0.2, gt=0, le=60)


class EngineSettings(Section):
    """What is counted, over which windows, and what is refused."""

    windows: WindowNames = DEFAULT_WINDOWS
    segments: tuple[tuple[str, ...], ...] = DEFAULT_SEGMENT_SETS
    segment_cap: int = Field(1000, ge=1)
    lateness: Duration = "2m"
    future_skew: Duration = "5m"
    dedup_horizon: Duration = "10m"
    dedup_max_ids: int = Field(2_000_000, ge=1000)
    max_record_bytes: int = Field(65_536, ge=1024, le=10 * 1024 * 1024)
    session_timeout: Duration = "30m"
    session_longest: Duration = "24h"
    customer_ttl: Duration = "400d"
    customers_max: int = Field(5_000_000, ge=1000)
    customer_lifespan_years: float | None = Field(None, gt=0, le=100)
    base_detail: Duration = "2h"
    bounce_mode: Literal["contract", "ga4"] = "contract"
    survey_responses: SurveyResponses = "all_responses"
    low_sample_under: int = Field(30, ge=0)
    idle_after: Duration = "5s"

    def config(self, identity_key: bytes) -> EngineConfig:
        """The engine's own configuration."""
        return EngineConfig(
            windows=plan_windows(self.windows),
            segment_sets=self.segments,
            segment_cap=self.segment_cap,
            lateness_ms=parse_duration_ms(self.lateness),
            dedup_horizon_ms=parse_duration_ms(self.dedup_horizon),
            dedup_max_ids=self.dedup_max_ids,
            future_skew_ms=parse_duration_ms(self.future_skew),
            max_record_bytes=self.max_record_bytes,
            session_timeout_ms=parse_duration_ms(self.session_timeout),
            session_longest_ms=parse_duration_ms(self.session_longest),
            customer_ttl_ms=parse_duration_ms(self.customer_ttl),
            customers_max=self.customers_max,
            base_detail_ms=max(map(parse_duration_ms, (self.base_detail, self.lateness))),
            survey_responses=self.survey_responses,
            identity_key=identity_key,
        )


class PublisherSettings(Section):
    """How readings are published, and which: ``metrics`` names them, all unless set.

    Everything is counted whatever is published, so a metric that is named later knows the past.
    One that is no longer named keeps its last readings in Redis and in the topic.
    """

    metrics: tuple[str, ...] | None = Field(None, min_length=1)
    interval_s: float = Field(1.0, ge=0.05, le=60)
    lease_ttl_s: float = Field(3.0, ge=0.5, le=30)


class MetricsSettings(Section):
    """Metrics of one's own: the modules that define them, for worker and replay alike.

    A module is a ``.py`` file, its path relative to the configuration file, or the dotted name of
    an installed one. They are code: who can write them, or this setting, runs it in the worker.
    """

    modules: tuple[str, ...] = ()


class WorkerSettings(Section):
    """How a worker process tells of itself, and when it ends itself.

    ``stall_after_s`` is how long the event loop may stand still before the process ends, to be
    started again; a partition may stand still for twice as long. 0 for never.
    ``ready_lag_max`` is in records, of one partition.
    With ``replay`` it counts a replay through Kafka, under a topic and a Redis prefix of its own:
    time is what the replay's marks say, not the clock, and nothing is published.
    """

    health_port: int | None = Field(None, ge=1, le=65535)
    health_host: str = Field("127.0.0.1", min_length=1)
    ready_lag_max: int = Field(100_000, ge=0)
    stall_after_s: float = Field(60.0, ge=0, le=3600)
    replay: bool = False


class PrivacySettings(Section):
    """How identifiers are kept."""

    hash_key: SecretStr | None = Field(None, min_length=1)
