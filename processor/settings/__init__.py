"""The configuration: ``cxpulse.toml``, and ``CX_…`` variables over it.

``CX_KAFKA__BOOTSTRAP`` sets ``bootstrap`` of ``[kafka]``, and so on. Secrets are
:class:`~pydantic.SecretStr`: they are not shown when settings are printed or logged.
"""

from processor.settings.alerting import AlertingSettings
from processor.settings.kafka import KafkaSettings
from processor.settings.monitor import MonitorSettings, Target
from processor.settings.receivers import (
    AlertmanagerReceiver,
    AnyReceiver,
    AppriseReceiver,
    Receiver,
    WebhookReceiver,
)
from processor.settings.sections import (
    EngineSettings,
    MetricsSettings,
    PrivacySettings,
    PublisherSettings,
    RedisSettings,
    WorkerSettings,
)
from processor.settings.whole import (
    ConfigurationError,
    Settings,
    SourcedSettings,
    configuration_file,
    load_settings,
)

__all__ = [
    "AlertingSettings",
    "AlertmanagerReceiver",
    "AnyReceiver",
    "AppriseReceiver",
    "ConfigurationError",
    "EngineSettings",
    "KafkaSettings",
    "MetricsSettings",
    "MonitorSettings",
    "PrivacySettings",
    "PublisherSettings",
    "Receiver",
    "RedisSettings",
    "Settings",
    "SourcedSettings",
    "Target",
    "WebhookReceiver",
    "WorkerSettings",
    "configuration_file",
    "load_settings",
]
