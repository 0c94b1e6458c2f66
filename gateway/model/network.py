"""IP addresses and networks as numbers; IPv4 in its own space, notations of shop owners included."""

from __future__ import annotations

import socket
from dataclasses import dataclass

BITS = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True, order=True)
class Network:
    """A CIDR prefix: IP version, first address as a number, prefix length in bits."""

    version: int
    first: int
    length: int

    @property
    def last(self) -> int:
        """The highest address of the network as a number."""
        return self.first | ((1 << (BITS[self.version] - self.length)) - 1)

    def __contains__(self, ip: str) -> bool:
        found = parse_ip(ip)
        return found is not None and found[0] == self.version and self.first <= found[1] <= self.last

    def __str__(self) -> str:
        text = ip_text(self.version, self.first)
        return text if self.length == BITS[self.version] else f"{text}/{self.length}"


def parse_ip(text: str) -> tuple[int, int] | None:
    """`(version, number)` of an IP in text form, IPv4-mapped IPv6 as IPv4; None where it is none."""
    try:
        if ":" not in text:
            return 4, int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
        packed = socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):  # ValueError: a NUL or a surrogate in the text
        return None
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        return 4, int.from_bytes(packed[12:], "big")
    return 6, int.from_bytes(packed, "big")


def ip_text(version: int, number: int) -> str:
    """The canonical text form of an IP (RFC 5952 for IPv6)."""
    if version == 4:
        return socket.inet_ntop(socket.AF_INET, number.to_bytes(4, "big"))
    return socket.inet_ntop(socket.AF_INET6, number.to_bytes(16, "big"))


def canonical_ip(text: str) -> str:
    """The canonical text of an IP; the text itself where it is none."""
    found = parse_ip(text)
    return ip_text(*found) if found else text


def parse_network(text: str) -> Network | None:
    """A network out of an IP, CIDR, `121.84.241.*`, `121.84.241.***` or `121.84.*.*`; None where it is none.

    Host bits below the prefix are cleared. A star stands for a whole octet at the end: the /24, /16 or /8.
    """
    address, slash, suffix = text.partition("/")
    if slash:
        found = parse_ip(address)
        if found is None or not (suffix.isascii() and suffix.isdigit() and len(suffix) <= 3):
            return None
        version, number = found
        bits, length = BITS[version], int(suffix)
        if ":" in address and version == 4:
            length -= 96  # ::ffff:0:0/96 holds the IPv4 addresses
        if not 0 <= length <= bits:
            return None
        shift = bits - length
        return Network(version, number >> shift << shift, length)
    if "*" in text:
        return _starred(text)
    found = parse_ip(text)
    return Network(found[0], found[1], BITS[found[0]]) if found else None


def _starred(text: str) -> Network | None:
    octets = text.split(".")
    kept = [o for o in octets if not (o and set(o) == {"*"})]
    if len(octets) != 4 or not 1 <= len(kept) <= 3 or octets[: len(kept)] != kept:
        return None
    found = parse_ip(".".join([*kept, *["0"] * (4 - len(kept))]))
    return Network(4, found[1], 8 * len(kept)) if found else None
