"""Which addresses an image may be fetched from. Pure: names are resolved elsewhere, and each answer is judged here.

A server that fetches what strangers name can be made to knock at its own neighbours' doors. So only the web's own
schemes and ports are spoken, and only addresses that the whole internet could reach are connected to: not by Python's
`is_global` alone, which calls several addresses global that lead to private ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from yarl import URL

from fanzgpt_workers.errors import InputRefused

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

PORT_OF: Final = {"https": 443, "http": 80}
FORBIDDEN: Final = "imageUrl: this address is not one that images are fetched from"
"""The same for whatever is wrong with an address: what it resolves to is nobody's business."""

# Global by the registry, and yet a way to some other IPv4 address (NAT64, 6to4, Teredo, IPv4-compatible), or private
# by a standard that the registry has forgotten (site-local).
_NEVER: Final[Sequence[Network]] = tuple(
    map(
        ip_network,
        (
            "::/96",
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2001::/32",
            "2002::/16",
            "fec0::/10",
            "192.0.0.0/24",
            "192.88.99.0/24",
        ),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """What may be fetched: schemes, host names (every one, where none is named), and networks allowed on purpose.

    A network of `inside` may be reached although it is not public, on any port: one's own store of images, say.
    """

    schemes: frozenset[str] = frozenset({"https"})
    hosts: frozenset[str] = frozenset()
    inside: tuple[Network, ...] = ()

    def allows(self, address: str) -> bool:
        """Whether this IP address may be connected to."""
        try:
            ip = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return self.is_inside(ip) or is_public(ip)

    def is_inside(self, ip: Address) -> bool:
        """Whether the address is in a network that was allowed on purpose."""
        return any(ip in network for network in self.inside)

    def checked(self, text: str, *, base: URL | None = None) -> URL:
        """The URL, read once for the check and the connection alike; `base` is what a redirect is relative to.

        Raises InputRefused without saying what the name stands for.
        """
        # A backslash ends the host for some readers and not for others, and nobody needs one.
        if "\\" in text or any(character <= " " or character == "\x7f" for character in text):
            raise InputRefused(FORBIDDEN)
        try:
            url = URL(text) if base is None else base.join(URL(text))
            scheme, host, port, user = url.scheme, url.host, url.port, url.user or url.password
        except ValueError:
            raise InputRefused("imageUrl: this is no URL") from None
        if scheme not in self.schemes:
            raise InputRefused(f"imageUrl: images are fetched by {' or '.join(sorted(self.schemes))} only")
        if not host or user is not None:
            raise InputRefused(FORBIDDEN)
        if self.hosts and host.rstrip(".").lower() not in self.hosts:
            raise InputRefused("imageUrl: images are not fetched from this host here")
        if not self.inside and port != PORT_OF[scheme]:
            raise InputRefused(FORBIDDEN)
        return url

    def checked_answers(self, answers: Sequence[str], *, port: int) -> None:
        """Judge what a name resolved to: one address that may not be reached, and none of them is.

        Raises InputRefused in the words of `FORBIDDEN`.
        """
        if not answers or not all(self.allows(answer) for answer in answers):
            raise InputRefused(FORBIDDEN)
        on_purpose = all(self.is_inside(ip_address(answer.partition("%")[0])) for answer in answers)
        if port not in PORT_OF.values() and not on_purpose:
            raise InputRefused(FORBIDDEN)


def is_public(ip: Address) -> bool:
    """Whether the whole internet reaches the same machine at this address, and no other address hides in it."""
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast and not any(ip.version == n.version and ip in n for n in _NEVER)
