"""Where a call comes from, as far as it can be believed."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

Network = IPv4Network | IPv6Network


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The nearest address that is none of our proxies.

    `forwarded` holds the values of X-Forwarded-For, in the order they came. Each proxy adds the address it was called
    from at the right, so that only what stands right of the first stranger was written by proxies of ours.
    """
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    at = peer
    while _is_one_of(at, trusted) and hops:
        before = _address(hops.pop())
        if before is None:
            break
        at = before
    return at


def _is_one_of(address: str, networks: Sequence[Network]) -> bool:
    known: Any = _parsed(address)
    return known is not None and any(known in network for network in networks)


def _address(hop: str) -> str | None:
    known = _parsed(hop.strip("[]"))
    return None if known is None else str(known)


def _parsed(text: str) -> Any:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
