"""``[alerting]``: how rules are evaluated, and where their alerts go."""

from pydantic import Field

from processor.settings.values import Duration, Section


class AlertingSettings(Section):
    """How alerts are decided and published; the rules themselves are ``[[alerts]]``.

    Readings whose watermark is further behind the clock than ``stale_after`` decide nothing: what
    they tell of is over.
    """

    topic: str = Field("cx.alerts", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    stale_after: Duration = "10m"
