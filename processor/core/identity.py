"""Identifiers as the store may hold them: keyed hashes, never what producers sent."""

import hashlib
from collections.abc import Iterable


def keyed_digest(identity: str, key: bytes, size: int) -> bytes:
    """The hash that stands for the id of a customer, a session or an account.

    Args:
        identity: as producers send it.
        key: of the deployment; without it nobody can try identifiers out.
        size: bytes of the hash.
    """
    return hashlib.blake2b(identity.encode(), digest_size=size, key=key).digest()


def keyed_digests(identities: Iterable[str], key: bytes, size: int) -> list[bytes]:
    """`keyed_digest` of many, in half the time: the key is taken in once."""
    keyed = hashlib.blake2b(digest_size=size, key=key)
    digests: list[bytes] = []
    for identity in identities:
        digest = keyed.copy()
        digest.update(identity.encode())
        digests.append(digest.digest())
    return digests
