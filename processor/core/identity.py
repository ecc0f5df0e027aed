"""Identifiers as the store may hold them: keyed hashes, never what producers sent."""

import hashlib
from collections.abc import Callable, Iterable


def keyed_digest(identity: str, key: bytes, size: int) -> bytes:
    """The hash that stands for the id of a customer, a session or an account.

    Args:
        identity: as producers send it.
        key: of the deployment; without it nobody can try identifiers out.
        size: bytes of the hash.
    """
    return hashlib.blake2b(identity.encode(), digest_size=size, key=key).digest()


def keyed_hash(key: bytes, size: int) -> Callable[[str], bytes]:
    """`keyed_digest` for one key and size, in two thirds of the time: the key is taken in once."""
    keyed = hashlib.blake2b(digest_size=size, key=key)

    def digest_of(identity: str) -> bytes:
        digest = keyed.copy()
        digest.update(identity.encode())
        return digest.digest()

    return digest_of


def keyed_digests(identities: Iterable[str], key: bytes, size: int) -> list[bytes]:
    """`keyed_digest` of many."""
    return list(map(keyed_hash(key, size), identities))
