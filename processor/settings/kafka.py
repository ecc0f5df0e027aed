"""``[kafka]``: where the events come from, and what proves who we are."""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from processor.settings.values import PresentFile, Section
from schemas.events import EventType


class KafkaSettings(Section):
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
