"""How long and how large: an index over a million blocked addresses and a million networks."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable
from datetime import date

import psutil

from gateway.model.lists import ListBuilder, ListIndex

TODAY = date(2026, 1, 1)


def measure_lists(size: int = 1_000_000) -> dict[str, float]:
    """Seconds to build, MB it keeps and microseconds a look-up, for addresses and for networks."""
    choose = random.Random(7)
    addresses = [f"customer{number}@mail{number % 5000}.example" for number in range(size)]
    networks = [f"{_dotted(choose.getrandbits(24) << 8)}/24" for _ in range(size // 2)]
    networks += [_dotted(choose.getrandbits(32)) for _ in range(size - size // 2)]
    by_address, seconds, kept = _build("addresses", addresses)
    result = {"addresses_build_s": seconds, "addresses_mb": kept}
    by_network, seconds, kept = _build("networks", networks)
    result |= {"networks_build_s": seconds, "networks_mb": kept}

    hits = choose.sample(addresses, 20_000)
    misses = [f"stranger{number}@elsewhere{number}.example" for number in range(20_000)]
    result["address_hit_us"] = _each(lambda key: by_address.match_address(key, TODAY), hits)
    result["address_miss_us"] = _each(lambda key: by_address.match_address(key, TODAY), misses)
    inside = [network.split("/", maxsplit=1)[0] for network in choose.sample(networks, 20_000)]
    outside = [_dotted(choose.getrandbits(32)) for _ in range(20_000)]
    assert all(by_address.match_address(key, TODAY) for key in hits[:1000])
    assert all(by_network.match_ip(ip, TODAY) for ip in inside[:1000])
    result["ip_hit_us"] = _each(lambda key: by_network.match_ip(key, TODAY), inside)
    result["ip_random_us"] = _each(lambda key: by_network.match_ip(key, TODAY), outside)
    return {name: round(value, 3) for name, value in result.items()}


def _build(name: str, texts: list[str]) -> tuple[ListIndex, float, float]:
    gc.collect()
    before = psutil.Process().memory_info().rss
    text = "\n".join(texts)  # as a list file holds them
    begun = time.perf_counter()
    builder = ListBuilder(name)
    for _, odd in builder.add_text(text):
        builder.add(odd)
    index = builder.build()
    seconds = time.perf_counter() - begun
    gc.collect()
    return index, seconds, (psutil.Process().memory_info().rss - before) / 2**20


def _each(look_up: Callable[[str], object], keys: list[str]) -> float:
    begun = time.perf_counter()
    for key in keys:
        look_up(key)
    return (time.perf_counter() - begun) / len(keys) * 1e6


def _dotted(number: int) -> str:
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
