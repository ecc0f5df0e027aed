"""Signatures of webhooks: what a receiver accepts, and what it must not."""

import pytest

from processor.notifying.signing import sign, verify

SECRET = b"secret"
BODY = b'{"version":"4"}'
NOW = 1_772_000_000
HEADER = sign(SECRET, BODY, NOW)


def test_what_was_signed_is_accepted() -> None:
    assert verify(SECRET, HEADER, BODY, NOW + 1.5)
    assert verify(SECRET, HEADER.replace(",", f",v1={'0' * 64},"), BODY, NOW), "one of two secrets"


def test_a_signature_made_by_others() -> None:
    """``printf '1700000000.{}' | openssl dgst -sha256 -hmac secret``."""
    digest = "b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163"
    assert verify(SECRET, f"t=1700000000,v1={digest}", b"{}", 1_700_000_000)


@pytest.mark.parametrize(
    ("secret", "header", "body", "now"),
    [
        (b"another", HEADER, BODY, NOW),
        (SECRET, HEADER, BODY + b" ", NOW),
        (SECRET, HEADER, BODY, NOW + 301),
        (SECRET, HEADER, BODY, NOW - 301),
        (SECRET, HEADER.replace(f"t={NOW}", f"t={NOW + 1}"), BODY, NOW),
        (SECRET, f"t={NOW},{HEADER}", BODY, NOW),
        (SECRET, f"t={NOW}", BODY, NOW),
        (SECRET, f"t={NOW},v1=", BODY, NOW),
        (SECRET, HEADER.replace("v1", "v0"), BODY, NOW),
        (SECRET, f"t=x,v1={HEADER[-64:]}", BODY, NOW),
        (SECRET, "t=²,v1=é", BODY, NOW),
        (SECRET, "", BODY, NOW),
    ],
)
def test_anything_else_is_not(secret: bytes, header: str, body: bytes, now: float) -> None:
    assert not verify(secret, header, body, now)
