"""Large sets of addresses, domains and networks, small in memory and quick to ask."""

from __future__ import annotations

import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from gateway.model.address import ZERO_WIDTH
from gateway.model.entry import Who, address_keys, ip_keys, parse_entry
from gateway.model.network import Network, parse_ip


class KeyIndex:
    """A set of text keys that keeps 12 bytes a key: a sorted array of 64-bit hashes, and where each key came from.

    Python's own string hash (SipHash, keyed anew in each process) cannot be steered from outside; two of a million keys
    meet with a chance of 3e-8.
    """

    __slots__ = ("_hashes", "_origins")

    def __init__(self, keys: Sequence[str], origins: Sequence[int] | None = None) -> None:
        hashes = [hash(key) for key in keys]
        order = sorted(range(len(hashes)), key=hashes.__getitem__)
        self._hashes = array("q", (hashes[i] for i in order))
        self._origins = array("I", (origins[i] if origins else i for i in order))

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, key: str) -> bool:
        return self.origin(key) is not None

    def origin(self, key: str) -> int | None:
        """The number that was given with the key (a line number, say), or None where the key is not in the set."""
        wanted = hash(key)
        at = bisect_left(self._hashes, wanted)
        if at < len(self._hashes) and self._hashes[at] == wanted:
            return self._origins[at]
        return None


class NetworkIndex:
    """A set of networks, merged into disjoint ranges: 8 bytes a range for IPv4, one bisection a look-up."""

    __slots__ = ("_first4", "_first6", "_last4", "_last6")

    def __init__(self, networks: Iterable[Network]) -> None:
        ranges: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for network in networks:
            ranges[network.version].append((network.first, network.last))
        first, last = _merge(ranges[4])
        self._first4, self._last4 = array("I", first), array("I", last)
        self._first6, self._last6 = _merge(ranges[6])

    def __len__(self) -> int:
        return len(self._first4) + len(self._first6)

    def __contains__(self, ip: str) -> bool:
        found = parse_ip(ip)
        if found is None:
            return False
        version, number = found
        firsts: Sequence[int] = self._first4 if version == 4 else self._first6
        lasts: Sequence[int] = self._last4 if version == 4 else self._last6
        at = bisect_right(firsts, number) - 1
        return at >= 0 and number <= lasts[at]


def _merge(ranges: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    first: list[int] = []
    last: list[int] = []
    for low, high in sorted(ranges):
        if last and low <= last[-1] + 1:
            last[-1] = max(last[-1], high)
        else:
            first.append(low)
            last.append(high)
    return first, last


def fold_text(text: str) -> str:
    """Text as rules compare it: NFKC, case folded, zero-width characters removed."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text.translate(ZERO_WIDTH)).casefold()
    return folded if folded.isascii() else unicodedata.normalize("NFKC", folded)


@dataclass(frozen=True, slots=True)
class ListLine:
    """One line of a list file: entry as written, line number, last day it counts (None: for good)."""

    text: str
    line: int
    until: date | None = None


@dataclass(frozen=True)
class ListIndex:
    """A list as rules use it: `match_address`, `match_ip` and `match_text` give the entry that matched, or None."""

    name: str
    keys: KeyIndex
    networks: NetworkIndex
    until: dict[str, date] = field(default_factory=dict)  # entries that end, by canonical key
    network_keys: KeyIndex = field(default_factory=lambda: KeyIndex(()))

    @classmethod
    def build(cls, name: str, lines: Iterable[ListLine]) -> ListIndex:
        """The index over `lines`; a line that is no address, domain or network is kept as plain text."""
        keys: list[str] = []
        origins: list[int] = []
        network_keys: list[str] = []
        network_origins: list[int] = []
        networks: list[Network] = []
        until: dict[str, date] = {}
        for line in lines:
            entry = parse_entry(line.text)
            if entry is not None and entry.network is not None:
                key = entry.value
                networks.append(entry.network)
                network_keys.append(key)
                network_origins.append(line.line)
            else:
                named = entry is not None and entry.who is not Who.PHONE
                key = entry.value if entry is not None and named else fold_text(line.text.strip())
                keys.append(key)
                origins.append(line.line)
            if line.until is not None:
                until[key] = line.until
        return cls(
            name, KeyIndex(keys, origins), NetworkIndex(networks), until, KeyIndex(network_keys, network_origins)
        )

    def match_address(self, address: str, today: date) -> str | None:
        """The entry that covers an address: itself, its `@domain`, or a `*.parent`."""
        return self._first(self.keys, address_keys(address), today)

    def match_ip(self, ip: str, today: date) -> str | None:
        """The longest network of the list that holds the IP."""
        return self._first(self.network_keys, ip_keys(ip), today) if ip in self.networks else None

    def match_text(self, text: str, today: date) -> str | None:
        """The entry that equals the text after folding."""
        return self._first(self.keys, (fold_text(text.strip()),), today)

    def _first(self, index: KeyIndex, keys: Iterable[str], today: date) -> str | None:
        for key in keys:
            if key in index and not (key in self.until and self.until[key] < today):
                return key
        return None
