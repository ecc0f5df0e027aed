"""Redis replies as what they are: text, whatever way the client was told to decode it."""


def text(reply: bytes | str) -> str:
    """A reply as text."""
    return reply.decode() if isinstance(reply, bytes) else reply


def raw(reply: bytes | str | None) -> bytes:
    """A reply as bytes, empty where there is none."""
    if reply is None:
        return b""
    return reply.encode() if isinstance(reply, str) else reply
