"""For whom mail is accepted: the shop's addresses, and postmaster at its domains (RFC 5321 §4.5.1)."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.model.address import fold_address, fold_domain


class Recipients:
    """The shop's addresses and `@domain`s. Nothing else is accepted: the gateway relays for nobody."""

    def __init__(self, addresses: Iterable[str]) -> None:
        folded = [f"@{fold_domain(a[1:])}" if a.startswith("@") else fold_address(a) for a in addresses]
        self._addresses = frozenset(a for a in folded if not a.startswith("@"))
        self._domains = frozenset(a[1:] for a in folded if a.startswith("@"))
        self._own = frozenset(a.rpartition("@")[2] for a in folded)
        self._first = folded[0].rpartition("@")[2] if folded else ""

    def complete(self, address: str) -> str:
        """The address itself; `postmaster` without a domain gets the shop's first one."""
        return f"{address}@{self._first}" if "@" not in address and self._first else address

    def __contains__(self, address: str) -> bool:
        key = fold_address(address)
        if key in self._addresses:
            return True
        local, _, domain = key.rpartition("@")
        return domain in self._domains or (local == "postmaster" and domain in self._own)
