"""``[[notify]]``: who is told of alerts, how, and of which."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from processor.settings.values import Duration, PresentFile, Section

_SCHEMES: Final = frozenset({"http", "https"})


def _http_url(url: SecretStr) -> SecretStr:
    # No message quotes it: user info, path and query may each be a secret.
    try:
        parts = urlsplit(url.get_secret_value())
        valid = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("is not an address such as https://hooks.example.org/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password: set username and password beside it")
    return url


def _some_url(url: SecretStr) -> SecretStr:
    scheme, separator, rest = url.get_secret_value().partition("://")
    if not separator or not scheme or not rest:
        raise ValueError("is not an address of Apprise, such as mailto://… or slack://…")
    return url


HttpUrl = Annotated[SecretStr, AfterValidator(_http_url)]
"""An address that is asked with HTTP; it may hold a secret, and is never shown."""


class Receiver(Section):
    """What all receivers have.

    Firing alerts are told where all filters that are set let them through; what was told as firing
    is also told as resolved.

    Attributes:
        name: names it in logs, metrics and Redis; unique. A receiver that goes on under its name
            goes on where it was.
        rules: only alerts of these rules.
        severity: only alerts of these severities.
        labels: only alerts with all of these labels.
        send_resolved: whether it is told that an alert is over.
        connect_timeout_s: for a connection, with TLS.
        timeout_s: for one try in all, the connection and the answer.
        retry_for: how long one notification is tried again before it is given up.
        retry_after_s: the wait after the first failure; it doubles with each, up to
            ``retry_max_s``, give or take a third.
        retry_max_s: the longest wait; a receiver may ask for up to an hour (``Retry-After``).
        allow_private: whether its address may be one of this machine, of a private network, or
            otherwise not of the internet.
        allowed_hosts: hosts, as written in the address, for which the same holds.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    rules: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()
    labels: Mapping[str, str] = Field(default_factory=dict)
    send_resolved: bool = True
    connect_timeout_s: float = Field(3.0, gt=0, le=60)
    timeout_s: float = Field(10.0, gt=0, le=120)
    retry_for: Duration = "1h"
    retry_after_s: float = Field(1.0, gt=0, le=60)
    retry_max_s: float = Field(60.0, gt=0, le=3600)
    allow_private: bool = False
    allowed_hosts: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _timeouts_fit(self) -> Self:
        if self.connect_timeout_s > self.timeout_s:
            raise ValueError("connect_timeout_s must not be more than timeout_s")
        return self


class _Grouping(Section):
    """How alerts are put together for people.

    Attributes:
        group_by: alerts with the same values of these labels are told together.
        group_wait_s: how long the first of a group waits for others.
        group_interval_s: the shortest time between two notifications of a group.
        repeat_every: what goes on firing is told again after this long.
        max_alerts: at most this many in one notification; further changes go into the next.
    """

    group_by: tuple[str, ...] = ("alertname",)
    group_wait_s: float = Field(0.3, ge=0, le=3600)
    group_interval_s: float = Field(5.0, ge=0, le=86_400)
    repeat_every: Duration = "4h"
    max_alerts: int = Field(100, ge=1, le=1000)


class _Http(Section):
    """How a receiver is asked with HTTP.

    Attributes:
        url: where to.
        username, password: for basic authentication.
        bearer_token: sent as ``Authorization: Bearer …``.
        ca_file: the authorities that its certificate may be of; the machine's unless set.
    """

    url: HttpUrl
    username: str | None = Field(None, min_length=1)
    password: SecretStr | None = Field(None, min_length=1)
    bearer_token: SecretStr | None = Field(None, min_length=1)
    ca_file: PresentFile | None = None

    @model_validator(mode="after")
    def _credentials_fit(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if self.username is not None and self.bearer_token is not None:
            raise ValueError("username and bearer_token would both be sent: set one of them")
        if self.ca_file is not None and self.parts.scheme != "https":
            raise ValueError("ca_file would not be used with http: set an https address")
        return self

    @property
    def parts(self) -> SplitResult:
        """The address in parts; secret, too."""
        return urlsplit(self.url.get_secret_value())


class AlertmanagerReceiver(_Http, Receiver):
    """Prometheus's Alertmanager, which groups, silences and repeats by its own rules.

    ``url`` is its root, with its route prefix, if it has one. What fires is sent again after each
    ``resend_every``: Alertmanager takes as resolved what it has not heard of for four times that.
    """

    type: Literal["alertmanager"]
    resend_every: Duration = "1m"


class WebhookReceiver(_Http, _Grouping, Receiver):
    """Anything that takes Alertmanager's webhook JSON.

    With a ``secret`` each request is signed with it: see docs/receivers.md.
    """

    type: Literal["webhook"]
    secret: SecretStr | None = Field(None, min_length=8)


class AppriseReceiver(_Grouping, Receiver):
    """A chat, mail or pager, by an address of Apprise."""

    type: Literal["apprise"]
    url: Annotated[SecretStr, AfterValidator(_some_url)]


AnyReceiver = Annotated[
    AlertmanagerReceiver | WebhookReceiver | AppriseReceiver, Field(discriminator="type")
]
"""One table ``[[notify]]``, of the type that it names."""


def _named_once(receivers: tuple[AnyReceiver, ...]) -> tuple[AnyReceiver, ...]:
    names = [one.name for one in receivers]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two receivers have one name: {', '.join(twice)}")
    return receivers


Receivers = Annotated[tuple[AnyReceiver, ...], AfterValidator(_named_once)]
"""All tables ``[[notify]]``."""
