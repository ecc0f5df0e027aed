"""A Kafka with the listeners that people have in production, and the settings that fit each."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.listeners import SecureListener
from tests.harness.certificates import Authority, KeyPair

USER: Final = "cx-worker"
PASSWORD: Final = "Hush.hush-7"
KEY_PASSWORD: Final = "under the mat"

Settings = Mapping[str, str]
"""``CX_`` variables without the prefix."""


@dataclass(frozen=True, slots=True)
class SecuredKafka:
    """The broker, and what is needed to get in or to be refused.

    Every certificate of the broker is for ``localhost``.

    Attributes:
        broker: with its plain listener, for tests that look from beside.
        authority: signed the broker's certificates and those of clients.
        stranger: an authority that nobody trusts.
        client: a client's certificate.
        locked: another, its key encrypted with `KEY_PASSWORD`.
    """

    broker: EmbeddedKafka
    authority: Authority
    stranger: Authority
    client: KeyPair
    locked: KeyPair

    def settings(self, listener: str, **over: str | None) -> dict[str, str]:
        """What opens a listener, or what is given instead; ``None`` leaves a setting out."""
        tls = {"CA_FILE": str(self.authority.file)}
        user = {"USERNAME": USER, "PASSWORD": PASSWORD}
        fitting: dict[str, dict[str, str]] = {
            "SASL_TLS": {"SECURITY": "sasl_tls", **tls, **user},
            "SASL_PLAIN": {
                "SECURITY": "sasl_plaintext",
                "ALLOW_PLAINTEXT_CREDENTIALS": "true",
                **user,
            },
            "MUTUAL_TLS": {
                "SECURITY": "tls",
                **tls,
                "CERT_FILE": str(self.locked.certificate),
                "KEY_FILE": str(self.locked.key),
                "KEY_PASSWORD": KEY_PASSWORD,
            },
            "MISNAMED": {"SECURITY": "tls", **tls},
            "EXPIRED": {"SECURITY": "tls", **tls},
        }
        bootstrap = self.broker.bootstrap_of(listener)
        given = {"BOOTSTRAP": bootstrap, **fitting[listener], **over}
        return {f"KAFKA__{name}": value for name, value in given.items() if value is not None}


@contextmanager
def secured_kafka(folder: Path) -> Iterator[SecuredKafka]:
    """Start it, with its certificates in a folder."""
    authority, stranger = Authority(folder / "ours"), Authority(folder / "theirs")
    ours, expired = authority.issue("localhost"), authority.issue("localhost", expired=True)
    users = {USER: PASSWORD}
    listeners = [
        SecureListener("SASL_TLS", ours.both, users=users),
        SecureListener("SASL_PLAIN", users=users),
        SecureListener("MUTUAL_TLS", ours.both, client_ca=authority.file),
        SecureListener("MISNAMED", ours.both, host="127.0.0.1"),
        SecureListener("EXPIRED", expired.both),
    ]
    with EmbeddedKafka(listeners=listeners) as broker:
        yield SecuredKafka(
            broker,
            authority,
            stranger,
            client=authority.issue("client"),
            locked=authority.issue("client", key_password=KEY_PASSWORD),
        )
