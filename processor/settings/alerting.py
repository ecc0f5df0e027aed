"""``[alerting]``: how rules are evaluated, and where their alerts go."""

from typing import Annotated

from pydantic import AfterValidator, Field

from processor.settings.values import Duration, Section


def _page(url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise ValueError("is not an address such as https://cx.example.org")
    return url.rstrip("/")


class AlertingSettings(Section):
    """How alerts are decided and published; the rules themselves are ``[[alerts]]``.

    Readings whose watermark is further behind the clock than ``stale_after`` decide nothing: what
    they tell of is over. ``external_url`` is where people find the monitor: links in notifications
    lead there; without it there are none.
    """

    topic: str = Field("cx.alerts", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    stale_after: Duration = "10m"
    external_url: Annotated[str, AfterValidator(_page)] = ""
