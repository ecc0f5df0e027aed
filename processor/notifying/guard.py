"""Which addresses a receiver may have: those of the internet, unless others are allowed by name.

Whoever can set an address could otherwise have the processor ask what only it can reach: services
of its own machine and network, and a cloud's metadata. It is the address really connected to that
is checked, so a name that leads elsewhere at a second look changes nothing.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

from aiohttp import AddrInfoType, TCPConnector

_NAT64: Final = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_METADATA: Final = (ip_network("168.63.129.16/32"), ip_network("192.0.0.0/24"))
"""Clouds' own services, on addresses that are public by their number."""


class AddressRefusedError(Exception):
    """A connection to an address that is not of the internet."""

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"its address is {kind}: set allow_private = true, or name its host in "
            "allowed_hosts, if that is meant"
        )


def refusal(address: str) -> str | None:
    """What kind of address must not be connected to, ``None`` for one of the internet.

    Args:
        address: as the socket gets it; what is no address is refused.

    >>> refusal("93.184.216.34")
    >>> refusal("127.0.0.1"), refusal("::ffff:169.254.169.254"), refusal("10.0.0.1")
    ('loopback', 'link-local', 'private')
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return "no address of the internet"
    return _kind(parsed)


def _kind(address: IPv4Address | IPv6Address) -> str | None:
    if isinstance(address, IPv6Address) and (inner := _inner(address)) is not None:
        return _kind(inner)
    for name in ("loopback", "link_local", "multicast", "unspecified"):
        if getattr(address, f"is_{name}"):
            return name.replace("_", "-")
    if any(address in net for net in _METADATA):
        return "of a cloud's metadata"
    return None if address.is_global else "private"


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in net for net in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _guarded_socket(info: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, where = info
    if (refused := refusal(str(where[0]))) is not None:
        raise AddressRefusedError(refused)
    return socket.socket(family=family, type=kind, proto=protocol)


def connector(*, guarded: bool, **options: Any) -> TCPConnector:
    """A connector of aiohttp.

    Args:
        guarded: refuse addresses that are not of the internet, with `AddressRefusedError`.
        **options: of the connector.
    """
    if not guarded:
        return TCPConnector(**options)
    # One address after the other: side by side, a refusal would look like any failure.
    return TCPConnector(socket_factory=_guarded_socket, happy_eyeballs_delay=None, **options)
