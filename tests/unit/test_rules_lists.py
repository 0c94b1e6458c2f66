"""Large lists: quick to read and to ask, the same answers by the quick and the general way."""

from __future__ import annotations

import random
import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.lists import read_list
from gateway.model.lists import ListBuilder, ListIndex, ListLine, NetworkIndex
from gateway.model.network import ip_text, parse_network

TODAY = date(2026, 6, 1)


def quick(text: str) -> ListIndex:
    builder = ListBuilder("x")
    for _, line in builder.add_text(text):
        builder.add(line)
    return builder.build()


def general(text: str) -> ListIndex:
    return ListIndex.build("x", (ListLine(line, number) for number, line in enumerate(text.split("\n"), 1) if line))


@pytest.mark.parametrize(
    ("line", "address", "found"),
    [
        ("taro@example.com", "taro@example.com", "taro@example.com"),
        ("taro@example.com", "TARO@Example.COM", "taro@example.com"),
        ("Taro@Example.com", "taro@example.com", "taro@example.com"),
        ("ｔａｒｏ＠ｅｘａｍｐｌｅ．ｃｏｍ", "taro@example.com", "taro@example.com"),
        ('"a..b"@docomo.ne.jp', "a..b@docomo.ne.jp", "a..b@docomo.ne.jp"),
        ("a..b@docomo.ne.jp", '"a..b"@docomo.ne.jp', "a..b@docomo.ne.jp"),
        ("@example.com", "taro@example.com", "@example.com"),
        ("@example.com", "taro@x.example.com", None),
        ("*.example.com", "taro@x.example.com", "*.example.com"),
        ("*.example.com", "taro@example.com", None),
        ("@日本語.example", "taro@xn--wgv71a119e.example", "@xn--wgv71a119e.example"),
    ],
)
def test_an_address_is_found(line: str, address: str, found: str | None) -> None:
    for index in (quick(line), general(line)):
        assert index.match_address(address, TODAY) == found


@pytest.mark.parametrize(
    ("lines", "ip", "found"),
    [
        ("121.84.241.0/24", "121.84.241.7", "121.84.241.0/24"),
        ("121.84.241.***", "121.84.241.7", "121.84.241.0/24"),
        ("121.84.241.*\n121.84.241.7", "121.84.241.7", "121.84.241.7"),
        ("121.84.0.0/16\n121.84.241.0/24", "121.84.1.1", "121.84.0.0/16"),
        ("121.84.241.9/24", "121.84.241.7", "121.84.241.0/24"),
        ("2001:db8::/32", "2001:db8::1", "2001:db8::/32"),
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"),
        ("0.0.0.0/0", "8.8.8.8", "0.0.0.0/0"),
        ("10.0.0.0/8\n11.0.0.0/8", "12.0.0.0", None),
        ("010.0.0.1", "10.0.0.1", None),
        ("999.0.0.1/8", "10.0.0.1", None),
    ],
)
def test_an_ip_is_found_under_its_longest_network(lines: str, ip: str, found: str | None) -> None:
    for index in (quick(lines), general(lines)):
        assert index.match_ip(ip, TODAY) == found


PREFIXES = st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)), max_size=30)


@given(prefixes=PREFIXES, ips=st.lists(st.integers(0, 2**32 - 1), max_size=10))
def test_networks_answer_as_a_plain_search_does(prefixes: list[tuple[int, int]], ips: list[int]) -> None:
    texts = [f"{ip_text(4, first)}/{length}" for first, length in prefixes]
    index = NetworkIndex.of_texts(texts)
    networks = {network for text in texts if (network := parse_network(text))}
    for number in [*ips, *(first for first, _ in prefixes)]:
        ip = ip_text(4, number)
        wanted = sorted((network for network in networks if ip in network), key=lambda n: -n.length)
        assert list(index.covering(ip)) == wanted
        assert (ip in index) is bool(wanted)


@given(text=st.text(alphabet="ab.@*-_1/:# A\n２", max_size=60))
def test_quick_and_general_way_agree(text: str) -> None:
    text = "\n".join(line.strip() for line in text.split("\n"))
    one, other = quick(text), general(text)
    assert len(one) == len(other)
    for line in filter(None, text.split("\n")):
        assert one.match_address(line, TODAY) == other.match_address(line, TODAY)
        assert one.match_text(line, TODAY) == other.match_text(line, TODAY)
        assert one.match_ip(line, TODAY) == other.match_ip(line, TODAY)


def listed(folder: Path, text: str) -> ListIndex:
    (folder / "list.txt").write_text(text, "utf-8")
    index, _ = read_list("x", folder / "list.txt", "list.txt", faults := [])
    assert faults == []
    return index


def test_notes_and_ends(tmp_path: Path) -> None:
    index = listed(
        tmp_path,
        "# 見出し\n\n  a@example.com   # 覚え書き\nb@example.com until=2026-05-31\n"
        "c@example.com until=2026-06-01 # 本日まで\n"
        "192.0.2.0/24 until=2026-05-31\n192.0.2.0/16\n山田 太郎\ntag#1@example.com\n",
    )
    assert index.match_address("a@example.com", TODAY)
    assert not index.match_address("b@example.com", TODAY)
    assert index.match_address("c@example.com", TODAY)
    assert index.match_ip("192.0.2.1", TODAY) == "192.0.0.0/16"
    assert index.match_text("山田\u3000太郎", TODAY) == "山田 太郎"
    assert index.match_address("tag#1@example.com", TODAY)


def test_an_entry_that_stands_twice_ends_with_the_later_or_never(tmp_path: Path) -> None:
    index = listed(
        tmp_path,
        "a@example.com until=2020-01-01\na@example.com until=2030-01-01\n"
        "b@example.com until=2020-01-01\nb@example.com\n"
        "192.0.2.1 until=2020-01-01\n192.0.2.1\n198.51.100.1 until=2020-01-01\n",
    )
    assert index.match_address("a@example.com", TODAY)
    assert index.match_address("b@example.com", TODAY)
    assert index.match_ip("192.0.2.1", TODAY)
    assert not index.match_ip("198.51.100.1", TODAY)


@pytest.mark.parametrize("what", ["addresses", "prefixes"])
def test_a_large_list_is_read_and_asked_quickly(what: str) -> None:
    """A tenth of the million that the bench measures, with the machine's noise allowed for."""
    dice = random.Random(7)
    if what == "addresses":
        lines = [f"user{i}.{dice.randrange(10**6)}@mail{dice.randrange(5000)}.example.co.jp" for i in range(100_000)]
    else:
        lines = [f"{ip_text(4, dice.randrange(2**32))}/{dice.randrange(16, 33)}" for _ in range(100_000)]
    start = time.thread_time()
    index = quick("\n".join(lines))
    assert time.thread_time() - start < 10
    assert len(index) == 100_000
    asked = dice.sample(lines, 5000)
    start = time.thread_time()
    for line in asked:
        found = index.match_address(line, TODAY) if what == "addresses" else index.match_ip(line.split("/")[0], TODAY)
        assert found
    assert (time.thread_time() - start) / len(asked) < 200e-6
