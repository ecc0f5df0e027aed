"""The configuration: ``cxpulse.toml``, and ``CX_…`` variables over it.

``CX_KAFKA__BOOTSTRAP`` sets ``bootstrap`` of ``[kafka]``, and so on. Secrets are
:class:`~pydantic.SecretStr`: they are not shown when settings are printed or logged.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from processor.core.config import (
    DEFAULT_SEGMENT_SETS,
    DEFAULT_WINDOWS,
    EngineConfig,
    SurveyResponses,
)
from processor.core.panes import parse_duration_ms, plan_windows
from processor.state.redis_address import parse_redis_url, redact
from schemas.events import EventType

if TYPE_CHECKING:
    from processor.metrics.own_definition import OwnMetric
    from processor.metrics.registry import Metric


class ConfigurationError(ValueError):
    """The configuration is not usable; the message says which setting and why, a line each."""


def _duration(text: str) -> str:
    parse_duration_ms(text)
    return text


def _windows(names: tuple[str, ...]) -> tuple[str, ...]:
    plan_windows(names)
    return names


def _redis_url(url: SecretStr) -> SecretStr:
    parse_redis_url(url.get_secret_value())
    return url


def _present(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"{path} is not a file")
    return path


Duration = Annotated[str, AfterValidator(_duration)]
"""A whole number and s, m, h or d."""

PresentFile = Annotated[Path, AfterValidator(_present)]
"""The path of a file that is there."""


class _Section(BaseModel):
    # An error that quoted its input would quote the secrets beside what is wrong.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class KafkaSettings(_Section):
    """Where the events come from and the readings go, and what proves that to whom.

    ``security`` decides alone how clients connect: what would not be used with it, or would be
    missing, is refused, so that nobody's password goes over a connection they took for another.
    """

    bootstrap: str = Field("127.0.0.1:9092", pattern=r"^[^\s,]+:\d{1,5}(,[^\s,]+:\d{1,5})*$")
    topic_prefix: str = Field("cx.events.", pattern=r"^[A-Za-z0-9._-]{0,100}$")
    readings_topic: str = Field("cx.metrics", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    group: str = Field("cxpulse", min_length=1, max_length=200)
    instance_id: str | None = None
    types: tuple[EventType, ...] = Field(tuple(EventType), min_length=1)
    partitions: int = Field(4, ge=1, le=1000)
    replication: int = Field(1, ge=1, le=10)
    max_poll_records: int = Field(5_000, ge=1)
    max_fetch_bytes: int = Field(4 * 1024 * 1024, ge=65_536)
    request_timeout_s: float = Field(30.0, gt=0)
    session_timeout_s: float = Field(20.0, gt=0)
    heartbeat_interval_s: float = Field(3.0, gt=0)

    security: Literal["plaintext", "tls", "sasl_tls", "sasl_plaintext"] = "plaintext"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str | None = Field(None, min_length=1)
    password: SecretStr | None = Field(None, min_length=1)
    allow_plaintext_credentials: bool = False
    ca_file: PresentFile | None = None
    cert_file: PresentFile | None = None
    key_file: PresentFile | None = None
    key_password: SecretStr | None = None
    check_hostname: bool = True

    @property
    def uses_tls(self) -> bool:
        """Whether connections are encrypted and the broker's certificate is checked."""
        return self.security in {"tls", "sasl_tls"}

    @property
    def uses_sasl(self) -> bool:
        """Whether clients give a user name and a password."""
        return self.security in {"sasl_tls", "sasl_plaintext"}

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        problems = [*self._credential_problems(), *self._tls_problems(), *self._timeout_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _credential_problems(self) -> Iterator[str]:
        given = {"username": self.username, "password": self.password}
        if self.uses_sasl:
            missing = " and ".join(name for name, value in given.items() if value is None)
            if missing:
                yield f'security = "{self.security}" needs {missing}'
        elif any(value is not None for value in given.values()):
            names = " and ".join(name for name, value in given.items() if value is not None)
            yield (
                f'{names} would not be used with security = "{self.security}": '
                'set security = "sasl_tls"'
            )
        if self.security == "sasl_plaintext" and not self.allow_plaintext_credentials:
            yield (
                'security = "sasl_plaintext" proves who we are over a connection that anyone on '
                'the way can read: set security = "sasl_tls", or allow_plaintext_credentials = true'
            )

    def _tls_problems(self) -> Iterator[str]:
        given = {
            "ca_file": self.ca_file is not None,
            "cert_file": self.cert_file is not None,
            "key_file": self.key_file is not None,
            "key_password": self.key_password is not None,
            "check_hostname = false": not self.check_hostname,
        }
        unused = " and ".join(name for name, is_given in given.items() if is_given)
        if unused and not self.uses_tls:
            yield (
                f'{unused} would not be used with security = "{self.security}": '
                f'set security = "{"sasl_tls" if self.uses_sasl else "tls"}"'
            )
        if self.cert_file is None and (given["key_file"] or given["key_password"]):
            yield "key_file and key_password belong to a certificate: set cert_file"

    def _timeout_problems(self) -> Iterator[str]:
        if not self.heartbeat_interval_s < self.session_timeout_s <= self.request_timeout_s:
            yield (
                "heartbeat_interval_s must be below session_timeout_s, and that not above "
                "request_timeout_s"
            )


class RedisSettings(_Section):
    """Where the counters are kept."""

    url: Annotated[SecretStr, AfterValidator(_redis_url)] = SecretStr("redis://127.0.0.1:6379/0")
    prefix: str = Field("cx", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    timeout_s: float = Field(5.0, gt=0)
    flush_interval_s: float = Field(0.2, gt=0, le=60)


class EngineSettings(_Section):
    """What is counted, over which windows, and what is refused."""

    windows: Annotated[tuple[str, ...], AfterValidator(_windows)] = DEFAULT_WINDOWS
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


class PublisherSettings(_Section):
    """How readings are published, and which: ``metrics`` names them, all unless set.

    Everything is counted whatever is published, so a metric that is named later knows the past.
    One that is no longer named keeps its last readings in Redis and in the topic.
    """

    metrics: tuple[str, ...] | None = Field(None, min_length=1)
    interval_s: float = Field(1.0, ge=0.05, le=60)
    lease_ttl_s: float = Field(3.0, ge=0.5, le=30)


class MetricsSettings(_Section):
    """Metrics of one's own: the modules that define them, for worker and replay alike.

    A module is a ``.py`` file, its path relative to the configuration file, or the dotted name of
    an installed one. They are code: who can write them, or this setting, runs it in the worker.
    """

    modules: tuple[str, ...] = ()


class WorkerSettings(_Section):
    """How a worker process tells of itself, and when it ends itself.

    ``stall_after_s`` is how long the event loop may stand still before the process ends, to be
    started again; a partition may stand still for twice as long. 0 for never.
    ``ready_lag_max`` is in records, of one partition.
    """

    health_port: int | None = Field(None, ge=1, le=65535)
    health_host: str = Field("127.0.0.1", min_length=1)
    ready_lag_max: int = Field(100_000, ge=0)
    stall_after_s: float = Field(60.0, ge=0, le=3600)


class PrivacySettings(_Section):
    """How identifiers are kept."""

    hash_key: SecretStr | None = None


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        env_prefix="CX_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    engine: EngineSettings = EngineSettings()
    publisher: PublisherSettings = PublisherSettings()
    privacy: PrivacySettings = PrivacySettings()
    worker: WorkerSettings = WorkerSettings()
    metrics: MetricsSettings = MetricsSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and that over the file."""
        del dotenv_settings, file_secret_settings
        file = TomlConfigSettingsSource(settings_cls, configuration_file())
        return init_settings, env_settings, file

    def shown(self) -> dict[str, Any]:
        """Every setting with secrets hidden."""
        shown = self.model_dump(mode="json")
        shown["redis"]["url"] = redact(self.redis.url.get_secret_value())
        return shown

    def own_metrics(self) -> "tuple[OwnMetric, ...]":
        """The metrics of one's own, from the modules that are named; runs them.

        Raises:
            ConfigurationError: one cannot be; with file and line.
        """
        if not self.metrics.modules:
            return ()
        from processor.metrics.own_modules import OwnMetricError, load_own  # noqa: PLC0415

        try:
            return load_own(self.metrics.modules, configuration_file().parent)
        except OwnMetricError as error:
            raise ConfigurationError(f"metrics.modules: {error}") from error

    def catalogue(
        self, own: "Sequence[OwnMetric]", *, published: bool = True
    ) -> "Mapping[str, Metric]":
        """The metrics in use, by name.

        Args:
            own: as of :meth:`own_metrics`.
            published: those that are published only.

        Raises:
            ConfigurationError: one that is to be published is not there, or two have a name.
        """
        # Imported when asked for: the catalogue takes as long to import as all else here.
        from processor.metrics.catalogue import UnknownMetric, configured  # noqa: PLC0415
        from processor.metrics.own_definition import OwnMetricError  # noqa: PLC0415

        try:
            return configured(
                bounce_mode=self.engine.bounce_mode,
                customer_lifespan_years=self.engine.customer_lifespan_years,
                survey_responses=self.engine.survey_responses,
                names=self.publisher.metrics if published else None,
                own=own,
            )
        except UnknownMetric as error:
            raise ConfigurationError(f"publisher.metrics: {error}") from None
        except OwnMetricError as error:
            raise ConfigurationError(f"metrics.modules: {error}") from None


def configuration_file() -> Path:
    """The file read: ``$CX_CONFIG``, else ``cxpulse.toml`` in the working directory."""
    return Path(os.environ.get("CX_CONFIG") or "cxpulse.toml")


def load_settings(**overrides: Any) -> Settings:
    """Read the configuration.

    Raises:
        ConfigurationError: naming each setting that is wrong, and the file if it is named and
            missing or is not TOML.
    """
    named = os.environ.get("CX_CONFIG")
    if named and not Path(named).is_file():
        raise ConfigurationError(f"CX_CONFIG names {named}, which is not a file")
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigurationError("\n".join(lines)) from None
    except SettingsError as error:  # its cause quotes the value, which may be a secret
        raise ConfigurationError(
            f"{error}: in a CX_ variable a list is written as JSON, such as "
            """CX_ENGINE__WINDOWS='["1h", "24h"]'"""
        ) from None
    except ValueError as error:
        raise ConfigurationError(f"{configuration_file()}: {error}") from None
    if settings.publisher.metrics is not None and not settings.metrics.modules:
        settings.catalogue(())  # with modules it is known when they have run
    return settings
