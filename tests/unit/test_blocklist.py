"""The sets that the blacklist stands in, and the warnings before an entry is made."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.data import domains
from gateway.model.block_warning import SHARED_FROM, warn
from gateway.model.entry import parse_entry
from gateway.model.growing import Gatherer, KeySet, NetworkSet
from gateway.model.network import Network, ip_text


def key_set(keys: Iterable[str]) -> KeySet:
    gatherer = Gatherer()
    gatherer.keys(keys)
    return gatherer.sets()[0]


def network_set(texts: Iterable[str]) -> NetworkSet:
    gatherer = Gatherer()
    gatherer.networks(texts)
    return gatherer.sets()[1]


V4 = st.builds(
    lambda number, length: Network(4, number >> (32 - length) << (32 - length), length),
    st.integers(0, 255).map(lambda n: n << 24 | n),
    st.integers(0, 32),
)
V6 = st.builds(
    lambda number, length: Network(6, number >> (128 - length) << (128 - length), length),
    st.integers(0, 63).map(lambda n: (0x20010DB8 << 96) | n << 60 | n),
    st.integers(1, 128),
)


@given(st.lists(st.text(max_size=5)), st.lists(st.text(max_size=5)))
def test_a_key_set_holds_what_was_added(first: list[str], then: list[str]) -> None:
    made = key_set(first)
    for key in then:
        made.add(key)
    assert all(key in made for key in (*first, *then))
    assert len(made) == len({*first, *then})
    assert "nobody at all" not in made


@given(st.lists(V4 | V6, max_size=30), st.lists(st.lists(V4 | V6, max_size=10), max_size=4))
def test_a_network_set_says_what_its_networks_say(first: list[Network], later: list[list[Network]]) -> None:
    made = network_set([str(network) for network in first])
    networks = list(first)
    for some in later:
        made.update(some)
        networks += some
    asked = {
        ip_text(n.version, number)
        for n in networks
        for number in (n.first, n.last, n.first - 1, n.last + 1, (n.first + n.last) // 2)
        if 0 <= number < (1 << (32 if n.version == 4 else 128))
    }
    for ip in asked | {"198.51.100.1", "2001:db9::1"}:
        assert (ip in made) == any(ip in network for network in networks)


def test_ranges_that_touch_are_one() -> None:
    made = network_set(["192.0.2.0/25", "192.0.2.128/25", "198.51.100.1"])
    assert len(made) == 2
    made.update([Network(4, (192 << 24) + (3 << 8), 24)])
    assert len(made) == 2
    assert "192.0.3.255" in made
    made.update([Network(4, 0, 0)])
    assert len(made) == 1
    assert "nonsense" not in made


def test_a_key_takes_about_eight_bytes() -> None:
    tracemalloc.start()
    made = key_set(f"customer-{number}@example.com" for number in range(200_000))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(made) == 200_000
    assert size / 200_000 < 20


def test_a_network_takes_about_eight_bytes() -> None:
    chance = random.Random(1)
    texts = [str(Network(4, chance.getrandbits(24) << 8, 24)) for _ in range(100_000)]
    tracemalloc.start()
    made = network_set(texts)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(made) > 90_000
    assert size / 100_000 < 20


SHARED = domains("free_mail") | domains("carriers")


@pytest.mark.parametrize(
    "text",
    [
        "@gmail.com",
        "@docomo.ne.jp",
        "@yahoo.co.jp",
        "*.yahoo.co.jp",
        "*.vodafone.ne.jp",
        "*.jp",
        "*.co.jp",
        "*.ne.jp",
        "*.com",
        "121.0.0.0/8",
        "121.84.0.0/15",
        "121.*.*.*",
        "2001:db8::/31",
        "0.0.0.0/0",
        "127.0.0.1",
        "192.168.0.0/16",
        "::1",
    ],
)
def test_entries_that_hit_too_many_are_warned_about(text: str) -> None:
    entry = parse_entry(text)
    assert entry is not None
    warning = warn(entry, SHARED)
    assert warning is not None
    for language in ("ja", "en"):
        said = warning.in_(language)
        assert entry.value in said
        assert "{" not in said


@pytest.mark.parametrize(
    "text",
    [
        "bad@gmail.com",
        "@bad-shop.example",
        "*.bad-shop.example",
        "*.bad-shop.co.jp",
        "121.84.241.***",
        "121.84.0.0/16",
        "121.84.241.7",
        "2001:db8::/32",
        "090-1234-5678",
    ],
)
def test_ordinary_entries_need_no_warning(text: str) -> None:
    entry = parse_entry(text)
    assert entry is not None
    assert warn(entry, SHARED) is None


def test_an_ip_of_many_senders_is_warned_about() -> None:
    entry = parse_entry("121.84.241.7")
    assert entry is not None
    assert warn(entry, SHARED, SHARED_FROM - 1) is None
    warning = warn(entry, SHARED, SHARED_FROM)
    assert warning is not None
    assert str(SHARED_FROM) in warning.in_("ja")
