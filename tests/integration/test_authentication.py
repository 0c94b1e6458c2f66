"""The authentication filter over real DNS packets: RSA and Ed25519, SPF, and what happens while DNS misbehaves."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from filters.api import Case, Lookups
from filters.authentication import AuthenticationFilter
from filters.offline import InLine, NoRecords
from gateway.clients.dns import Resolver
from gateway.evidence.log_records import records_between
from gateway.mime.message import Message
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.rule import RuleSet
from gateway.model.settings import Dns, Settings
from gateway.model.verdict import Action, Outcome
from gateway.store.engine import Store
from gateway.testing.dns import DnsServer, Mode, Zone
from gateway.testing.mail import DkimKey, letter
from tests.integration.databases import store as store
from tests.integration.stores import accept, acceptance

FROM = "hanako@customer.example"
RSA = DkimKey.make("customer.example", "rsa", bits=4096)
ED25519 = DkimKey.make("customer.example", "ed", "ed25519-sha256")
ZONE: Zone = {
    "customer.example": {
        "TXT": ["v=spf1 include:spf.customer.example mx -all", "x" * 3000],
        "MX": "10 mx.customer.example",
    },
    "spf.customer.example": {"CNAME": "spf.provider.example"},
    "spf.provider.example": {"TXT": "v=spf1 redirect=all.provider.example"},
    "all.provider.example": {"TXT": "v=spf1 exists:%{ir}.hosts.provider.example ip6:2001:db8::/32 ?all"},
    "25.2.0.192.hosts.provider.example": {"A": "127.0.0.2"},
    "mx.customer.example": {"A": "198.51.100.7"},
    "_dmarc.customer.example": {"TXT": "v=DMARC1; p=quarantine; pct=20"},
    **RSA.zone,
    **ED25519.zone,
}


def case(raw: bytes, resolver: Resolver, *, ip: str = "192.0.2.25", budget: float = 5.0) -> Case:
    exchange = Exchange(raw, Envelope(FROM, ("shop@shop.example",), Peer(ip, helo="mail.customer.example")))
    rules = RuleSet("0", (), Action(Outcome.DELIVER), "rules.yaml:1")
    lookups = Lookups(NoRecords(), resolver, InLine())
    wanted = frozenset({"spf", "dkim", "dmarc", "arc", "authenticated"})
    settings = Settings(dns=Dns(budget=budget))
    return Case(exchange, Message(raw), settings, rules, lookups, wanted, datetime.now(UTC))


async def values(given: Case) -> tuple[object, ...]:
    found = await AuthenticationFilter().find(given)
    return tuple(
        found[name].value if found[name].known else "unknown" for name in ("spf", "dkim", "dmarc", "authenticated")
    )


@pytest.mark.parametrize("key", [RSA, ED25519])
@pytest.mark.parametrize("mode", [Mode.ANSWER, Mode.TRUNCATED, Mode.SLOW])
async def test_signed_mail_over_real_packets(key: DkimKey, mode: Mode) -> None:
    async with DnsServer(ZONE, mode=mode) as server:
        server.delay = 0.05
        resolver = Resolver(Dns(servers=(server.address,), timeout=1.0))
        raw = key.sign(letter(FROM, "注文の件", "まだ届きません。\n", charset="iso-2022-jp"))
        given = case(raw, resolver)
        assert await values(given) == ("pass", "pass", "pass", True)
        keys = given.evidence["dkim_keys"]
        assert isinstance(keys, list)
        assert keys[0]["record"] == key.record
        await resolver.close()


@pytest.mark.parametrize(("ip", "result"), [("198.51.100.7", "pass"), ("2001:db8::5", "pass"), ("203.0.113.1", "fail")])
async def test_spf_by_include_redirect_macro_and_mx(ip: str, result: str) -> None:
    async with DnsServer(ZONE) as server:
        resolver = Resolver(Dns(servers=(server.address,)))
        assert (await values(case(letter(FROM), resolver, ip=ip)))[0] == result


@pytest.mark.parametrize("mode", [Mode.SERVFAIL, Mode.SILENT, Mode.GARBAGE])
async def test_dns_that_misbehaves_makes_nothing_fail(mode: Mode) -> None:
    async with DnsServer(ZONE, mode=mode) as server:
        resolver = Resolver(Dns(servers=(server.address,), timeout=0.4))
        started = time.monotonic()
        found = await values(case(RSA.sign(letter(FROM)), resolver))
        assert found == ("temperror", "temperror", "temperror", "unknown")
        assert time.monotonic() - started < 20.0
        server.mode = Mode.ANSWER
        await resolver.close()


async def test_a_hundred_mails_while_dns_is_silent_cost_one_wait() -> None:
    async with DnsServer(ZONE, mode=Mode.SILENT) as server:
        resolver = Resolver(Dns(servers=(server.address,), timeout=0.4), first_pause=30.0)
        raw = RSA.sign(letter(FROM))
        started = time.monotonic()
        for _ in range(100):
            assert (await values(case(raw, resolver)))[3] == "unknown"
        assert time.monotonic() - started < 30.0  # a wait for each would be a hundred
        await resolver.close()


async def test_the_budget_ends_a_chain_of_slow_answers() -> None:
    async with DnsServer(ZONE, mode=Mode.SLOW) as server:
        server.delay = 0.3
        resolver = Resolver(Dns(servers=(server.address,), timeout=2.0))
        started = time.monotonic()
        found = await values(case(RSA.sign(letter(FROM)), resolver, budget=0.5))
        assert found == ("temperror", "pass", "pass", True)
        assert time.monotonic() - started < 10.0
        await resolver.close()


async def test_authentication_takes_little_computing() -> None:
    """A mail of 4 KB with one signature and SPF, everything in the cache."""
    key = DkimKey.make("customer.example", "rsa")
    async with DnsServer({**ZONE, **key.zone}) as server:
        resolver = Resolver(Dns(servers=(server.address,)))
        raw = key.sign(letter(FROM, body="ご確認をお願いいたします。\n" * 100))
        await values(case(raw, resolver))
        cases = [case(raw, resolver) for _ in range(100)]
        for given in cases:
            assert given.message.headers.raw("from")  # the parse is not ours to pay
        started = time.process_time()
        for given in cases:
            await AuthenticationFilter().find(given)
        assert (time.process_time() - started) / len(cases) < 15e-3  # 1.5 on a quiet machine
        await resolver.close()


async def test_the_keys_that_signed_a_mail_are_in_its_record(store: Store) -> None:
    """Keys rotate: the record as seen at receipt is the one proof that somebody other than the shop made."""
    async with DnsServer(ZONE) as server:
        resolver = Resolver(Dns(servers=(server.address,)))
        given = case(RSA.sign(letter(FROM)), resolver)
        assert (await values(given))[1] == "pass"
        await resolver.close()
    unit = accept(acceptance(given.exchange, evidence=given.evidence))
    await store.committer.submit(unit)
    (record,) = [one async for one in records_between(store, 0, 1, ("mail.in",))]
    assert record.said is not None
    (key,) = record.said["evidence"]["dkim_keys"]
    assert key["record"] == RSA.record
