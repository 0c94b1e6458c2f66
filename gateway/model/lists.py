"""Large sets of addresses, domains and networks, small in memory and quick to ask."""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from socket import inet_aton

from gateway.model.address import ZERO_WIDTH
from gateway.model.entry import Entry, Who, address_keys, parse_entry
from gateway.model.network import BITS, Network, parse_ip, parse_network

# Forms that are their own canonical key, read without the general parser; they are nearly all lines of a large list.
_PLAIN = re.compile(r"(?:\*\.|[a-z0-9_.+=-]*@)(?!-)[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PREFIX = re.compile(rf"({_OCTET}(?:\.{_OCTET}){{3}})(?:/([12]?[0-9]|3[0-2]))?")
_BLOCK = 1 << 20  # characters split into lines at a time, so that a large list never stands in memory as single lines


class KeyIndex:
    """A set of text keys that keeps 8 bytes a key: a sorted array of their 64-bit hashes.

    Python's own string hash (SipHash, keyed anew in each process) cannot be steered from outside; two of a million keys
    meet with a chance of 3e-8.
    """

    __slots__ = ("_hashes",)

    def __init__(self, keys: Iterable[str]) -> None:
        self._hashes = array("q", sorted(map(hash, keys)))

    @classmethod
    def of_hashes(cls, hashes: Iterable[int]) -> KeyIndex:
        """The index over keys of which only `hash(key)`, taken in this process, is known."""
        index = cls(())
        index._hashes = array("q", sorted(hashes))
        return index

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, key: str) -> bool:
        wanted = hash(key)
        at = bisect_left(self._hashes, wanted)
        return at < len(self._hashes) and self._hashes[at] == wanted


class NetworkIndex:
    """A set of networks: merged ranges answer whether an IP is in one, sorted prefixes say in which.

    16 bytes a network for IPv4 at most; one bisection where the IP is in none, one more for each prefix length in use
    where it is.
    """

    __slots__ = ("_first", "_last", "_lengths", "_prefixes")

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        packed: dict[int, list[int]] = {4: [], 6: []}
        for network in networks:
            packed[network.version].append(_pack(network))
        self._set(packed[4], packed[6])

    @classmethod
    def of_texts(cls, texts: Iterable[str]) -> NetworkIndex:
        """The index over networks as text, such as `192.0.2.0/24`; a text that is no network is left out."""
        builder = ListBuilder("")
        for text in texts:
            builder.add(text)
        return builder.build().networks

    @classmethod
    def of_packed(cls, v4: list[int], v6: list[int]) -> NetworkIndex:
        """The index over packed networks, as `ListBuilder` gathers them."""
        index = cls.__new__(cls)
        index._set(v4, v6)
        return index

    def _set(self, v4: list[int], v6: list[int]) -> None:
        first4, last4, lengths4 = _merge(v4)
        first6, last6, lengths6 = _merge(v6)
        self._first: dict[int, Sequence[int]] = {4: array("I", first4), 6: first6}
        self._last: dict[int, Sequence[int]] = {4: array("I", last4), 6: last6}
        self._prefixes: dict[int, Sequence[int]] = {4: array("Q", v4), 6: v6}
        self._lengths = {4: lengths4, 6: lengths6}

    def __len__(self) -> int:
        """How many networks were put in, one that was put in twice counted twice."""
        return len(self._prefixes[4]) + len(self._prefixes[6])

    def __contains__(self, ip: str) -> bool:
        found = parse_ip(ip)
        return found is not None and self._holds(*found)

    def _holds(self, version: int, number: int) -> bool:
        at = bisect_right(self._first[version], number) - 1
        return at >= 0 and number <= self._last[version][at]

    def covering(self, ip: str) -> Iterator[Network]:
        """The networks of the set that hold the IP, longest prefix first."""
        found = parse_ip(ip)
        if found is None or not self._holds(*found):
            return
        version, number = found
        prefixes = self._prefixes[version]
        for host_bits in self._lengths[version]:
            first = number >> host_bits << host_bits
            wanted = first << 8 | host_bits
            at = bisect_left(prefixes, wanted)
            if at < len(prefixes) and prefixes[at] == wanted:
                yield Network(version, first, BITS[version] - host_bits)


def _pack(network: Network) -> int:
    """A network as one number: its first address, and in the lowest 8 bits how many host bits it has."""
    return network.first << 8 | (BITS[network.version] - network.length)


def _merge(packed: list[int]) -> tuple[list[int], list[int], tuple[int, ...]]:
    """Sorts `packed`; gives first and last addresses of disjoint ranges, and the numbers of host bits in use."""
    packed.sort()
    first: list[int] = []
    last: list[int] = []
    end = -2
    for one in packed:
        low = one >> 8
        high = low | ((1 << (one & 255)) - 1)
        if low <= end + 1:
            if high > end:
                last[-1] = end = high
        else:
            first.append(low)
            last.append(high)
            end = high
    return first, last, tuple(sorted({one & 255 for one in packed}))


_INVISIBLE = re.compile(f"[{''.join(map(chr, ZERO_WIDTH))}]")


def fold_text(text: str) -> str:
    """Text as rules compare it: NFKC, case folded, zero-width characters removed."""
    if text.isascii():
        return text.lower()
    return _nfkc(_nfkc(without_invisible(text)).casefold())


def without_invisible(text: str) -> str:
    """Text without the characters that are drawn with no width."""
    # looking is far quicker than changing, and most mail needs no change
    return text.translate(ZERO_WIDTH) if _INVISIBLE.search(text) else text


def _nfkc(text: str) -> str:
    return text if unicodedata.is_normalized("NFKC", text) else unicodedata.normalize("NFKC", text)


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
    until: Mapping[str, date] = field(default_factory=dict)  # entries that end, by canonical key

    @classmethod
    def build(cls, name: str, lines: Iterable[ListLine]) -> ListIndex:
        """The index over `lines`; a line that is no address, domain or network is kept as plain text."""
        builder = ListBuilder(name)
        for line in lines:
            builder.add(line.text, until=line.until)
        return builder.build()

    def __len__(self) -> int:
        return len(self.keys) + len(self.networks)

    def match_address(self, address: str, today: date) -> str | None:
        """The entry that covers an address: itself, its `@domain`, or a `*.parent`."""
        return self._first(address_keys(address), today)

    def match_ip(self, ip: str, today: date) -> str | None:
        """The longest network of the list that holds the IP."""
        for network in self.networks.covering(ip):
            key = str(network)
            if not self._ended(key, today):
                return key
        return None

    def match_text(self, text: str, today: date) -> str | None:
        """The entry that equals the text after folding."""
        return self._first((fold_text(text.strip()),), today)

    def _first(self, keys: Iterable[str], today: date) -> str | None:
        for key in keys:
            if key in self.keys and not self._ended(key, today):
                return key
        return None

    def _ended(self, key: str, today: date) -> bool:
        return bool(self.until) and key in self.until and self.until[key] < today


class ListBuilder:
    """Gathers the lines of a list; a million lines in a common form take about two seconds."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._hashes = array("q")
        self._packed: dict[int, list[int]] = {4: [], 6: []}
        self._timed: dict[str, list[date]] = {}

    def add(self, text: str, *, until: date | None = None) -> Entry | None:
        """Adds one entry; gives what it was taken for, None for plain text. `until` is the last day it counts."""
        entry = parse_entry(text)
        if entry is not None and entry.network is not None:
            key = entry.value
            self._packed[entry.network.version].append(_pack(entry.network))
        else:
            named = entry is not None and entry.who is not Who.PHONE
            key = entry.value if entry is not None and named else fold_text(text.strip())
            self._hashes.append(hash(key))
        if until is not None:
            self._timed.setdefault(key, []).append(until)
        return entry

    def add_text(self, text: str) -> Iterator[tuple[int, str]]:
        """Adds the lines of a file that are in a common form, and gives every other one with its number for `add`."""
        hashes, networks = self._hashes, self._packed[4]
        for number, line in _lines(text):
            if ("@" in line or line[:1] == "*") and _PLAIN.fullmatch(line):
                hashes.append(hash(line))
                continue
            prefix = _PREFIX.fullmatch(line)
            if prefix:
                host_bits = 32 - int(prefix[2] or 32)
                first = int.from_bytes(inet_aton(prefix[1]), "big") >> host_bits << host_bits
                networks.append(first << 8 | host_bits)
            elif line:
                yield number, line

    def build(self) -> ListIndex:
        """The finished index. An entry that stands twice ends with its last line, or never where one has no end."""
        until: dict[str, date] = {}
        if self._timed:
            seen = Counter(self._hashes)
            networks = Counter(self._packed[4]) + Counter(self._packed[6])
            for key, dates in self._timed.items():
                network = parse_network(key)
                if (networks[_pack(network)] if network else seen[hash(key)]) == len(dates):
                    until[key] = max(dates)
        keys = KeyIndex.of_hashes(self._hashes)
        return ListIndex(self._name, keys, NetworkIndex.of_packed(self._packed[4], self._packed[6]), until)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line of a text with its number, without the blanks around it."""
    number, at = 0, 0
    while at < len(text):
        end = text.find("\n", at + _BLOCK)
        end = len(text) if end < 0 else end
        for number, line in enumerate(text[at:end].split("\n"), number + 1):  # noqa: B020 - the count goes on
            yield number, line.strip()
        at = end + 1
