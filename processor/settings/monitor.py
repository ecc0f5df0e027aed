"""``[monitor]``: where the monitor listens, whom it lets in, and what it calls good."""

from ipaddress import ip_address
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from processor.settings.values import Section

_LOOPBACK_NAMES: Final = frozenset({"localhost", "ip6-localhost"})


class Target(Section):
    """From where on a metric's value is fair, good and excellent.

    Where higher is better a value is good from ``good`` on; where lower is better, under it.
    ``fair`` is the bound of what is neither good nor poor, itself fair unless ``fair_inclusive``
    is false; without it everything that is not good is poor. ``good_to`` is only told: the end
    of the band that people call good. Beyond ``excellent`` a value is more than good.
    """

    better: Literal["higher", "lower"] = "higher"
    good: float
    fair: float | None = None
    fair_inclusive: bool = True
    good_to: float | None = None
    excellent: float | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        bounds = [b for b in (self.fair, self.good, self.excellent) if b is not None]
        if bounds != sorted(bounds, reverse=self.better == "lower"):
            raise ValueError(
                f"where {self.better} is better, the bounds fair, good and excellent are "
                f"{'rising' if self.better == 'higher' else 'falling'} numbers"
            )
        return self


TARGETS: Final = {
    "nps": Target(fair=0, fair_inclusive=False, good=50, good_to=80, excellent=70),
    "csat": Target(fair=70, good=75, good_to=85),
    "bounce_rate": Target(better="lower", good=40),
}
"""The targets of those who configure none: the bands that the field tells."""


def _over_defaults(given: dict[str, Target]) -> dict[str, Target]:
    return {**TARGETS, **given}


def _empty_is_none(token: object) -> object:
    """An environment that has the variable without a value has no token."""
    secret = token.get_secret_value() if isinstance(token, SecretStr) else token
    return None if secret == "" else token


def _origin(origin: str) -> str:
    scheme, separator, host = origin.partition("://")
    if scheme not in {"http", "https"} or not separator or not host or "/" in host:
        raise ValueError(f"{origin!r} is not an origin such as https://dash.example.org")
    return origin


class MonitorSettings(Section):
    """The monitor's address, its limits, and the targets that its readings are measured by.

    ``stale_after_s`` is the age of the last tick from which readings are called stale; three ticks
    and 3 s unless set. ``allowed_hosts`` are names that browsers may ask for, beside the address
    itself. On a loopback address those of this machine are allowed and no others.
    ``prometheus_series_max`` limits what ``/metrics`` has of one metric. Sizes are in bytes.
    """

    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(8080, ge=0, le=65535)
    token: Annotated[SecretStr | None, BeforeValidator(_empty_is_none)] = None
    session_life_s: int = Field(12 * 3600, ge=60, le=30 * 86_400)
    stream_clients_max: int = Field(1000, ge=1)
    prometheus_series_max: int = Field(100, ge=1, le=100_000)
    requests_max: int = Field(64, ge=1)
    query_max_bytes: int = Field(8192, ge=256, le=32_768)
    body_max_bytes: int = Field(16_384, ge=1024)
    cors_origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    page_metrics: tuple[str, ...] = ("nps", "csat", "ctr", "bounce_rate")
    targets: Annotated[dict[str, Target], AfterValidator(_over_defaults)] = TARGETS
    stale_after_s: float | None = Field(None, gt=0)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        if self.host in _LOOPBACK_NAMES:
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def refusal(self) -> str | None:
        """Why the monitor must not listen there, in a sentence; ``None`` where it may."""
        if self.on_loopback or self.token is not None:
            return None
        return (
            f"monitor.host {self.host} can be reached from other machines, so the monitor needs "
            "a token: set monitor.token (CX_MONITOR__TOKEN) to a long random text, or "
            "monitor.host to 127.0.0.1"
        )
