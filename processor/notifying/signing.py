"""Signatures of webhooks: what a receiver checks to know who sent a body, and that it is new.

`verify` needs the standard library alone: a receiver in Python may copy this file.
"""

import hashlib
import hmac
from typing import Final

HEADER: Final = "X-Cx-Signature"
TOLERANCE_S: Final = 300


def sign(secret: bytes, body: bytes, now_s: int) -> str:
    """The header's value for a body: ``t=<unix>,v1=<hex>``.

    The signature is HMAC-SHA256 of ``<unix>.<body>``, so that it cannot be used again later.

    Args:
        secret: shared with the receiver.
        body: exactly as it is sent.
        now_s: the clock, in seconds since the epoch.

    >>> sign(b"secret", b"{}", 1700000000)[:15]
    't=1700000000,v1'
    """
    return f"t={now_s},v1={_digest(secret, body, now_s)}"


def verify(
    secret: bytes, header: str, body: bytes, now_s: float, tolerance_s: float = TOLERANCE_S
) -> bool:
    """Whether a body is of who has the secret, and was signed just now.

    Args:
        secret: shared with the sender.
        header: the value of ``X-Cx-Signature``; empty where there is none.
        body: exactly as it was received, before anything is parsed.
        now_s: the receiver's clock, in seconds since the epoch.
        tolerance_s: how far that may be from the sender's.

    >>> header = sign(b"secret", b"{}", 1700000000)
    >>> verify(b"secret", header, b"{}", 1700000010)
    True
    >>> verify(b"secret", header, b"[]", 1700000010), verify(b"secret", header, b"{}", 1700009999)
    (False, False)
    """
    fields = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in fields if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit()):
        return False
    if abs(now_s - int(times[0])) > tolerance_s:
        return False
    expected = _digest(secret, body, int(times[0])).encode()
    given = [value.encode() for name, _, value in fields if name == "v1"]
    return any(hmac.compare_digest(expected, one) for one in given)


def _digest(secret: bytes, body: bytes, at_s: int) -> str:
    return hmac.new(secret, b"%d." % at_s + body, hashlib.sha256).hexdigest()
