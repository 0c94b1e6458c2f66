"""The resolver against a real DNS server on loopback that answers, truncates, errs, lies or keeps silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.clients.dns import Resolver
from gateway.errors import SekishoError
from gateway.model.lookup import DnsAnswer
from gateway.model.settings import Dns
from gateway.testing.dns import DnsServer, Mode, Zone

ZONE: Zone = {
    "shop.example": {
        "TXT": ["v=spf1 -all", "日本語の文字列"],
        "MX": ["10 mx1.shop.example", "20 mx2.shop.example"],
        "A": ["192.0.2.1", "192.0.2.2"],
        "AAAA": "2001:db8::1",
    },
    "1.2.0.192.in-addr.arpa": {"PTR": "shop.example"},
    "alias.example": {"CNAME": "second.example"},
    "second.example": {"CNAME": "shop.example"},
    "circle.example": {"CNAME": "circle.example"},
    "nowhere.example": {"CNAME": "gone.example"},
    "_dmarc.xn--r8jz45g.jp": {"TXT": "v=DMARC1; p=none"},
    "huge.example": {"TXT": ["x" * 20_000, "y" * 20_000]},
    "sub.parent.example": {"A": "192.0.2.3"},
}


@asynccontextmanager
async def asked(
    server: DnsServer, timeout: float = 0.5, pause: float = 0.5, servers: tuple[tuple[str, int], ...] = ()
) -> AsyncIterator[Resolver]:
    resolver = Resolver(Dns(servers=(server.address, *servers), timeout=timeout), first_pause=pause)
    try:
        yield resolver
    finally:
        await resolver.close()


async def timed(work: Callable[[], Awaitable[DnsAnswer]]) -> tuple[str, float]:
    started = time.monotonic()
    answer = await work()
    return answer.status, time.monotonic() - started


async def test_every_type_is_told_as_text() -> None:
    async with DnsServer(ZONE) as server, asked(server) as resolver:
        assert sorted((await resolver.query("Shop.Example.", "A")).records) == ["192.0.2.1", "192.0.2.2"]
        assert (await resolver.query("shop.example", "AAAA")).records == ("2001:db8::1",)
        assert sorted((await resolver.query("shop.example", "MX")).records) == [
            "10 mx1.shop.example",
            "20 mx2.shop.example",
        ]
        assert (await resolver.query("1.2.0.192.in-addr.arpa", "PTR")).records == ("shop.example",)
        txt = sorted((await resolver.query("shop.example", "TXT")).records)
        assert txt[0] == "v=spf1 -all"
        assert txt[1].encode("latin-1").decode() == "日本語の文字列"


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("alias.example", "ok"),
        ("circle.example", "failed"),
        ("nowhere.example", "none"),
        ("unknown.example", "none"),
        ("parent.example", "none"),
    ],
)
async def test_aliases_and_names_that_are_not(name: str, status: str) -> None:
    async with DnsServer(ZONE) as server, asked(server) as resolver:
        assert (await resolver.query(name, "A")).status == status


async def test_unicode_names_are_asked_as_a_labels_label_by_label() -> None:
    async with DnsServer(ZONE) as server, asked(server) as resolver:
        assert (await resolver.query("_dmarc.例え.JP", "TXT")).records == ("v=DMARC1; p=none",)
        assert (await resolver.query("_dmarc.例え。jp", "TXT")).status == "ok"


@pytest.mark.parametrize(
    "name", ["", ".", "a..example", "x" * 64 + ".example", "a." * 130 + "example", "\u200b.\u2603"]
)
async def test_names_that_cannot_be_are_not_asked(name: str) -> None:
    async with DnsServer(ZONE) as server, asked(server) as resolver:
        assert (await resolver.query(name, "A")).status == "none"
        assert server.questions == []


async def test_names_that_strangers_write_are_taken_literally() -> None:
    async with DnsServer(ZONE) as server, asked(server) as resolver:
        for name in ("\\000.example", "@", "a\\.b.example", 'q"uote.example', "sp ace.example", "nul\0.example"):
            assert (await resolver.query(name, "TXT")).status == "none"


async def test_answers_are_cached_also_those_that_there_are_none() -> None:
    async with DnsServer(ZONE) as server, asked(server) as resolver:
        for _ in range(5):
            await resolver.query("shop.example", "TXT")
            await resolver.query("unknown.example", "TXT")
            await resolver.query("shop.example", "CNAME")
        assert len(server.questions) == 3


async def test_the_same_question_is_asked_once_however_many_ask() -> None:
    async with DnsServer(ZONE, mode=Mode.SLOW) as server, asked(server, timeout=2.0) as resolver:
        answers = await asyncio.gather(*(resolver.query("shop.example", "A") for _ in range(50)))
        assert {answer.status for answer in answers} == {"ok"}
        assert len(server.questions) == 1


async def test_one_who_gives_up_does_not_take_the_answer_from_the_others() -> None:
    async with DnsServer(ZONE, mode=Mode.SLOW) as server, asked(server, timeout=2.0) as resolver:
        first = asyncio.create_task(resolver.query("shop.example", "A"))
        second = asyncio.create_task(resolver.query("shop.example", "A"))
        await asyncio.sleep(0.05)
        first.cancel()
        assert (await second).status == "ok"
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_truncated_answers_are_fetched_over_tcp() -> None:
    async with DnsServer(ZONE, mode=Mode.TRUNCATED) as server, asked(server) as resolver:
        assert (await resolver.query("shop.example", "A")).status == "ok"
        assert [transport for _, _, transport in server.questions] == ["udp", "tcp"]


async def test_huge_records_arrive_whole() -> None:
    async with DnsServer(ZONE) as server, asked(server, timeout=3.0) as resolver:
        records = (await resolver.query("huge.example", "TXT")).records
        assert sorted(map(len, records)) == [20_000, 20_000]
        assert [transport for _, _, transport in server.questions] == ["udp", "tcp"]


async def test_an_error_of_the_server_is_told_at_once_and_is_not_silence() -> None:
    async with DnsServer(ZONE, mode=Mode.SERVFAIL) as server, asked(server) as resolver:
        status, took = await timed(lambda: resolver.query("shop.example", "A"))
        assert (status, resolver.silent) == ("failed", False)
        assert took < 0.4  # what one try may take: it was not waited for
        asked_before = len(server.questions)
        await resolver.query("shop.example", "A")
        assert len(server.questions) == asked_before  # known for some seconds


async def test_the_second_server_answers_where_the_first_errs() -> None:
    async with (
        DnsServer(ZONE, mode=Mode.SERVFAIL) as bad,
        DnsServer(ZONE) as good,
        asked(bad, servers=(good.address,)) as resolver,
    ):
        assert (await resolver.query("shop.example", "A")).status == "ok"


@pytest.mark.parametrize("mode", [Mode.GARBAGE, Mode.FORGED])
async def test_what_is_no_answer_is_taken_for_none(mode: Mode) -> None:
    async with DnsServer(ZONE, mode=mode) as server, asked(server) as resolver:
        status, took = await timed(lambda: resolver.query("shop.example", "A"))
        assert status == "failed"
        assert took < 10.0


async def test_silence_costs_a_bounded_time_once_and_then_nothing() -> None:
    async with DnsServer(ZONE, mode=Mode.SILENT) as server, asked(server, pause=30.0) as resolver:
        first = await asyncio.gather(*(timed(lambda i=i: resolver.query(f"n{i}.example", "A")) for i in range(50)))  # type: ignore[misc]
        assert {status for status, _ in first} == {"failed"}
        assert max(took for _, took in first) < 10.0  # one after the other it would be 25
        await asyncio.sleep(0.7)  # the root is asked meanwhile
        assert resolver.silent
        started = time.monotonic()
        asked_before = len(server.questions)
        for i in range(200):
            assert (await resolver.query(f"m{i}.example", "A")).status == "failed"
        assert time.monotonic() - started < 10.0  # a wait for each would be a hundred
        assert not any(name.startswith("m") for name, _, _ in server.questions[asked_before:])


async def test_after_silence_the_resolver_comes_back_by_itself() -> None:
    async with DnsServer(ZONE, mode=Mode.SILENT) as server, asked(server, pause=0.3) as resolver:
        await resolver.query("a.example", "A")
        await asyncio.sleep(0.7)
        assert resolver.silent
        server.mode = Mode.ANSWER
        await asyncio.sleep(0.35)
        assert (await resolver.query("shop.example", "A")).status == "ok"
        assert not resolver.silent


async def test_a_dead_domain_is_not_taken_for_silence() -> None:
    async with DnsServer(ZONE) as server, asked(server) as resolver:
        server.modes = {f"dead{i}.example": Mode.SILENT for i in range(10)}
        await asyncio.gather(*(resolver.query(f"dead{i}.example", "A") for i in range(10)))
        await asyncio.sleep(0.2)
        assert not resolver.silent
        assert (await resolver.query("shop.example", "A")).status == "ok"


async def test_no_servers_at_all_fail_at_once_until_there_are_some(tmp_path: Path) -> None:
    system = tmp_path / "resolv.conf"
    resolver = Resolver(Dns(timeout=0.5), system=system, first_pause=0.1)
    status, took = await timed(lambda: resolver.query("shop.example", "A"))
    assert status == "failed"
    assert took < 0.45  # less than one try
    system.write_text("search shop.example\nnameserver 127.0.0.1\n")
    await asyncio.sleep(0.2)
    await resolver.query("other.example", "A")
    assert [str(server) for server in resolver._client.nameservers] == ["127.0.0.1"]
    await resolver.close()


def test_a_server_that_is_no_address_is_told() -> None:
    with pytest.raises(SekishoError, match=r"ns\.shop\.example"):
        Resolver(Dns(servers=(("ns.shop.example", 53),)))


async def test_the_cache_is_bounded_by_number_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.clients.dns.CACHED_ANSWERS", 3)
    async with DnsServer(ZONE) as server, asked(server) as resolver:
        for i in range(10):
            await resolver.query(f"n{i}.example", "A")
        assert len(resolver._cache._held) == 3
        await resolver.query("n9.example", "A")
        assert len(server.questions) == 10
    monkeypatch.setattr("gateway.clients.dns.CACHED_CHARACTERS", 10_000)
    async with DnsServer(ZONE) as server, asked(server, timeout=3.0) as resolver:
        assert (await resolver.query("huge.example", "TXT")).status == "ok"
        assert len(resolver._cache._held) == 0
        assert resolver._cache._size == 0


async def test_what_is_old_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.clients.dns.SHORTEST_TTL", 0.1)
    async with DnsServer(ZONE, ttl=0) as server, asked(server) as resolver:
        await resolver.query("shop.example", "A")
        await asyncio.sleep(0.15)
        await resolver.query("shop.example", "A")
        assert len(server.questions) == 2


async def test_closing_ends_open_questions() -> None:
    async with DnsServer(ZONE, mode=Mode.SILENT) as server:
        resolver = Resolver(Dns(servers=(server.address,), timeout=30.0))
        waiting = asyncio.create_task(resolver.query("shop.example", "A"))
        await asyncio.sleep(0.05)
        await resolver.close()
        assert (await asyncio.wait_for(waiting, 1.0)).status == "failed"


async def test_cached_answers_cost_next_to_nothing() -> None:
    async with DnsServer(ZONE) as server, asked(server) as resolver:
        await resolver.query("shop.example", "TXT")
        started = time.thread_time()
        for _ in range(2000):
            await resolver.query("shop.example", "TXT")
        assert (time.thread_time() - started) / 2000 < 500e-6
        assert len(server.questions) == 1
