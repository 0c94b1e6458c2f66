"""Sets of keys and networks that take single additions at any time: 8 to 10 bytes a member, microseconds a question."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from socket import inet_aton
from typing import Any

from gateway.model.network import Network, parse_ip, parse_network

_BUCKETS = 4096


class KeySet:
    """A set of texts kept as 64-bit hashes, sorted in small buckets.

    It may say yes for a text that was never added, with a chance of one in 10¹³ for a million keys: whoever asks
    confirms a yes elsewhere. Python's hash of texts is keyed anew in each process, so nobody can aim at that.
    """

    __slots__ = ("_buckets", "_count")

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(_BUCKETS)]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: str) -> bool:
        wanted = hash(key)
        bucket = self._buckets[wanted & (_BUCKETS - 1)]
        at = bisect_left(bucket, wanted)
        return at < len(bucket) and bucket[at] == wanted

    def add(self, key: str) -> None:
        """Add one key; nothing happens where it is in already."""
        wanted = hash(key)
        bucket = self._buckets[wanted & (_BUCKETS - 1)]
        at = bisect_left(bucket, wanted)
        if at == len(bucket) or bucket[at] != wanted:
            bucket.insert(at, wanted)
            self._count += 1


class NetworkSet:
    """A set of networks kept as disjoint, sorted ranges."""

    __slots__ = ("_ranges",)

    def __init__(self) -> None:
        # First and last addresses; an array holds no number above 64 bits, so that IPv6 stands in lists. Both are
        # exchanged as one, so that another thread may add while one asks.
        self._ranges: dict[int, tuple[Any, Any]] = {4: (array("I"), array("I")), 6: ([], [])}

    def __len__(self) -> int:
        """The number of disjoint ranges."""
        return len(self._ranges[4][0]) + len(self._ranges[6][0])

    def __contains__(self, ip: str) -> bool:
        found = parse_ip(ip)
        if found is None:
            return False
        version, number = found
        first, last = self._ranges[version]
        at = bisect_right(first, number) - 1
        return at >= 0 and bool(number <= last[at])

    def update(self, networks: Iterable[Network]) -> None:
        """Add networks; the time goes with their number, and a copy of what is there."""
        ranges: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for network in networks:
            ranges[network.version].append((network.first, network.last))
        for version, new in ranges.items():
            if new:
                self._update(version, sorted(new))

    def _update(self, version: int, new: list[tuple[int, int]]) -> None:
        old_first, old_last = self._ranges[version]
        first, last = old_first[:0], old_last[:0]
        at = 0
        index, count = 0, len(new)
        while index < count:
            low, high = new[index]
            index += 1
            start = max(at, bisect_left(old_last, low - 1 if low else 0, at))
            first.extend(old_first[at:start])
            last.extend(old_last[at:start])
            at = start
            grown = True
            while grown:  # swallow whatever touches the range, new or old
                grown = False
                while index < count and new[index][0] <= high + 1:
                    high = max(high, new[index][1])
                    index += 1
                while at < len(old_first) and old_first[at] <= high + 1:
                    low, high = min(low, old_first[at]), max(high, old_last[at])
                    at += 1
                    grown = True
            first.append(low)
            last.append(high)
        first.extend(old_first[at:])
        last.extend(old_last[at:])
        self._ranges[version] = (first, last)


class Gatherer:
    """Builds both sets out of many members, page by page, in a third of the time that adding each would take.

    Everything stands in small buckets, so that no single step holds other threads up for long.
    """

    def __init__(self) -> None:
        self._hashes = [array("q") for _ in range(_BUCKETS)]
        self._packed = [array("Q") for _ in range(256)]  # first and last address in one number, by the first octet
        self._others: list[Network] = []

    def keys(self, keys: Iterable[str]) -> None:
        """Take in keys."""
        buckets = self._hashes
        for key in keys:
            wanted = hash(key)
            buckets[wanted & (_BUCKETS - 1)].append(wanted)

    def networks(self, texts: Iterable[str]) -> None:
        """Take in networks in canonical text."""
        buckets = self._packed
        for text in texts:
            if ":" not in text:
                address, _, length = text.partition("/")
                low = int.from_bytes(inet_aton(address), "big")
                buckets[low >> 24].append(low << 32 | low | ((1 << (32 - int(length or 32))) - 1))
            elif (network := parse_network(text)) is not None:
                self._others.append(network)

    def sets(self) -> tuple[KeySet, NetworkSet]:
        """The finished sets; to be called once."""
        keys, networks = KeySet(), NetworkSet()
        for number, bucket in enumerate(self._hashes):
            keys._buckets[number] = array("q", sorted(set(bucket)))
            keys._count += len(keys._buckets[number])
        first, last = array("I"), array("I")
        end = -2
        for packed in self._packed:
            for one in sorted(packed):
                low, high = one >> 32, one & 0xFFFFFFFF
                if low > end + 1:
                    first.append(low)
                    last.append(high)
                    end = high
                elif high > end:
                    last[-1] = end = high
        networks._ranges[4] = (first, last)
        networks.update(self._others)
        return keys, networks
