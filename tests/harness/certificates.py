"""Certificate authorities and certificates for tests, as the files that people have."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate with its key.

    Attributes:
        certificate: the chain, PEM.
        key: the key, PKCS #8 PEM.
        both: key and chain in one file, as Kafka takes it.
    """

    certificate: Path
    key: Path
    both: Path


class Authority:
    """A certificate authority that keeps its files in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._authority = trustme.CA()
        self.file = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(self.file)

    def issue(
        self, name: str, *, key_password: str | None = None, expired: bool = False
    ) -> KeyPair:
        """A certificate for a host name.

        Args:
            name: the host, such as ``localhost``; also the common name.
            key_password: encrypts the key.
            expired: it was good until yesterday.
        """
        ended = datetime.now(UTC) - timedelta(days=1) if expired else None
        issued = self._authority.issue_cert(name, common_name=name, not_after=ended)
        encryption: KeySerializationEncryption = NoEncryption()
        if key_password is not None:
            encryption = BestAvailableEncryption(key_password.encode())
        key = load_pem_private_key(issued.private_key_pem.bytes(), None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, encryption
        )
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        stem = f"{name}{'-expired' if expired else ''}{'-locked' if key_password else ''}"
        pair = KeyPair(
            self._folder / f"{stem}.pem",
            self._folder / f"{stem}.key",
            self._folder / f"{stem}.both.pem",
        )
        pair.certificate.write_bytes(chain)
        pair.key.write_bytes(key)
        pair.both.write_bytes(key + chain)
        return pair
