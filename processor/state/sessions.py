"""Sessions in a flush: one packed argument, since the client takes its time for each argument."""

import struct
from collections.abc import Iterable, Mapping
from typing import Final

_KEY: Final = struct.Struct("<H")
_ENTRY: Final = struct.Struct("<I")
_FORGOTTEN: Final = _ENTRY.pack(0)


def encode_sessions(changed: Mapping[bytes, bytes], forgotten: Iterable[bytes]) -> bytes:
    """Sessions to store, and sessions to forget, which have no bytes: each with its length before.

    Args:
        changed: by keyed hash of the id, as they are stored.
        forgotten: keyed hashes.
    """
    key_length, entry_length = _KEY.pack, _ENTRY.pack
    parts: list[bytes] = []
    for key, entry in changed.items():
        parts += (key_length(len(key)), key, entry_length(len(entry)), entry)
    for key in forgotten:
        parts += (key_length(len(key)), key, _FORGOTTEN)
    return b"".join(parts)
