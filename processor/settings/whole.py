"""All sections together, and how they are read: the file, and ``CX_…`` variables over it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from processor.alerting.rule import Rule
from processor.settings.alerting import AlertingSettings
from processor.settings.kafka import KafkaSettings
from processor.settings.monitor import MonitorSettings
from processor.settings.receivers import Receivers
from processor.settings.sections import (
    EngineSettings,
    MetricsSettings,
    PrivacySettings,
    PublisherSettings,
    RedisSettings,
    WorkerSettings,
)
from processor.state.redis_address import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.metrics.own_definition import OwnMetric
    from processor.metrics.registry import Metric


class ConfigurationError(ValueError):
    """The configuration is not usable; the message says which setting and why, a line each."""


class SourcedSettings(BaseSettings):
    """Read from arguments, the environment, and the file, in this order."""

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


class Settings(SourcedSettings):
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
    monitor: MonitorSettings = MonitorSettings()
    alerting: AlertingSettings = AlertingSettings()
    alerts: tuple[Rule, ...] | None = None
    """The rules; the shipped ones where ``None``, and none at all where empty."""
    notify: Receivers = ()
    """Who is told of alerts."""

    def shown(self) -> dict[str, Any]:
        """Every setting with secrets hidden."""
        shown = self.model_dump(mode="json", by_alias=True)
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

    def rules(self, catalogue: "Mapping[str, Metric]") -> "tuple[Rule, ...]":
        """The alert rules in use.

        Args:
            catalogue: the metrics that are published.

        Raises:
            ConfigurationError: one watches what is not there, or two have one name.
        """
        from processor.alerting.checks import Deployment, problems_of  # noqa: PLC0415
        from processor.alerting.default_rules import default_rules  # noqa: PLC0415

        engine = self.engine
        deployment = Deployment(catalogue, engine.windows, engine.segments)
        if self.alerts is None:
            return default_rules(deployment)
        problems = [f"alerts: {n}: {text}" for n, text in problems_of(self.alerts, deployment)]
        if problems:
            raise ConfigurationError("\n".join(problems))
        return self.alerts


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
