"""Entries of blacklists and lists: whom a line such as `*.example.com` or `121.84.241.*` means."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from gateway.model.address import ZERO_WIDTH, fold_address, fold_domain
from gateway.model.network import Network, parse_ip, parse_network

_PHONE = re.compile(r"\+?[0-9][0-9()\- ]{7,18}[0-9]")
_DOMAIN = re.compile(r"(?!-)[a-z0-9_-]+(\.[a-z0-9_-]+)+")


class Who(StrEnum):
    """The forms of an entry."""

    ADDRESS = "address"
    DOMAIN = "domain"  # @example.com: exactly this domain
    SUBDOMAINS = "subdomains"  # *.example.com: every domain below it
    NETWORK = "network"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its form and its canonical text, under which it is stored and compared."""

    who: Who
    value: str
    network: Network | None = None

    def __str__(self) -> str:
        return self.value


def parse_entry(text: str) -> Entry | None:
    """The entry that `text` means, or None: address, `@domain`, `*.domain`, IP, CIDR, starred IPv4, phone number.

    Domains below `*.` do not include the domain itself. Phone numbers keep their digits only, +81 written as 0.
    """
    said = text if text.isascii() else unicodedata.normalize("NFKC", text.translate(ZERO_WIDTH))
    said = said.strip()
    if said.startswith("@"):
        domain = fold_domain(said[1:])
        return Entry(Who.DOMAIN, f"@{domain}") if _DOMAIN.fullmatch(domain) else None
    if said.startswith("*."):
        domain = fold_domain(said[2:])
        # one label is a whole top-level domain: allowed here, warned about by `block`
        return Entry(Who.SUBDOMAINS, f"*.{domain}") if re.fullmatch(r"[a-z0-9_.-]+", domain) else None
    if "@" in said:
        address = fold_address(said)
        local, _, domain = address.rpartition("@")
        return Entry(Who.ADDRESS, address) if local and _DOMAIN.fullmatch(domain) else None
    network = parse_network(said)
    if network is not None:
        return Entry(Who.NETWORK, str(network), network)
    if _PHONE.fullmatch(said):
        digits = re.sub(r"\D", "", said)
        if said.startswith("+81"):
            digits = "0" + digits[2:]
        return Entry(Who.PHONE, digits)
    return None


def address_keys(address: str) -> tuple[str, ...]:
    """The canonical entries that would match an address, most exact first: itself, `@domain`, each `*.parent`."""
    folded = fold_address(address)
    _, at, domain = folded.rpartition("@")
    if not at:
        return (folded,) if folded else ()
    labels = domain.split(".")
    parents = tuple("*." + ".".join(labels[i:]) for i in range(1, len(labels)))
    return (folded, f"@{domain}", *parents)


def ip_keys(ip: str) -> tuple[str, ...]:
    """The canonical networks that would match an IP, longest prefix first; () where `ip` is none."""
    found = parse_ip(ip)
    if found is None:
        return ()
    version, number = found
    bits = 32 if version == 4 else 128
    return tuple(
        str(Network(version, number >> (bits - length) << (bits - length), length)) for length in range(bits, -1, -1)
    )
