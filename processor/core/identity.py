"""Identifiers as the store may hold them: keyed hashes, never what producers sent."""

import hashlib


def keyed_digest(identity: str, key: bytes, size: int) -> bytes:
    """The hash that stands for the id of a customer, a session or an account.

    Args:
        identity: as producers send it.
        key: of the deployment; without it nobody can try identifiers out.
        size: bytes of the hash.
    """
    return hashlib.blake2b(identity.encode(), digest_size=size, key=key).digest()
