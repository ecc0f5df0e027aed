"""Listeners of an embedded Kafka that are secured as in production: TLS, certificates, passwords.

The broker always has its plain listener on loopback; these come beside it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_MODULES: Final = "org.apache.kafka.common.security"
_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_OURS: Final = frozenset({"PLAINTEXT", "CONTROLLER"})
# What needs no quoting in a Java properties file, in JAAS and for Kafka's storage tool.
_WORD: Final = re.compile(r"[A-Za-z0-9._~-]+")


@dataclass(frozen=True, slots=True)
class SecureListener:
    """One more address of the broker.

    Attributes:
        name: capitals, digits and underscores; see `EmbeddedKafka.bootstrap_of`.
        keystore: a PEM file with the broker's key (PKCS #8, not encrypted) and its certificates;
            without it there is no TLS.
        client_ca: a PEM file with the authority whose certificate each client must have.
        users: password by user name, for PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512; without users
            there is no SASL. SCRAM's are stored when the data folder is first used.
        host: the name that clients are told, and that a certificate is for.

    Raises:
        ValueError: a name, user or password that the broker's files could not hold.
    """

    name: str
    keystore: Path | None = None
    client_ca: Path | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    host: str = "localhost"

    def __post_init__(self) -> None:
        """Check what would otherwise be a broken file."""
        if not _NAME.fullmatch(self.name) or self.name in _OURS:
            raise ValueError(f"{self.name!r} is no name for a listener")
        if not all(_WORD.fullmatch(word) for pair in self.users.items() for word in pair):
            raise ValueError("users and passwords are of letters, digits and . _ ~ -")

    @property
    def protocol(self) -> str:
        """Kafka's name for how it is secured."""
        if self.users:
            return "SASL_PLAINTEXT" if self.keystore is None else "SASL_SSL"
        return "PLAINTEXT" if self.keystore is None else "SSL"

    def properties(self) -> Iterator[tuple[str, str]]:
        """The broker's settings of this listener."""
        prefix = f"listener.name.{self.name.lower()}."
        if self.keystore is not None:
            yield f"{prefix}ssl.keystore.type", "PEM"
            yield f"{prefix}ssl.keystore.location", str(self.keystore)
        if self.client_ca is not None:
            yield f"{prefix}ssl.client.auth", "required"
            yield f"{prefix}ssl.truststore.type", "PEM"
            yield f"{prefix}ssl.truststore.location", str(self.client_ca)
        if self.users:
            yield f"{prefix}sasl.enabled.mechanisms", ",".join(_MECHANISMS)
            known = " ".join(f'user_{name}="{word}"' for name, word in self.users.items())
            plain, scram = "plain.PlainLoginModule", "scram.ScramLoginModule"
            yield f"{prefix}plain.sasl.jaas.config", f"{_MODULES}.{plain} required {known};"
            for mechanism in ("scram-sha-256", "scram-sha-512"):
                yield f"{prefix}{mechanism}.sasl.jaas.config", f"{_MODULES}.{scram} required;"


def scram_records(listeners: Iterable[SecureListener]) -> list[str]:
    """Arguments of Kafka's storage tool that store the users for SCRAM."""
    users = {name: word for listener in listeners for name, word in listener.users.items()}
    return [
        f"--add-scram={mechanism}=[name={name},password={word}]"
        for name, word in users.items()
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
    ]
