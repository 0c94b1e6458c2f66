"""SPF: pyspf on answers that are asked for one after the other (RFC 7208)."""

from __future__ import annotations

import time

import pytest

from filters.spf_check import SpfResult, check_spf
from gateway.testing.dns import Zone, ZoneDns

ZONE: Zone = {
    "ip.example": {"TXT": ["v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all", "other=text"]},
    "soft.example": {"TXT": "v=spf1 ~all"},
    "neutral.example": {"TXT": "v=spf1 ?all"},
    "all.example": {"TXT": "v=spf1 +all"},
    "wide.example": {"TXT": "v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all"},
    "include.example": {"TXT": "v=spf1 include:ip.example -all"},
    "redirect.example": {"TXT": "v=spf1 redirect=ip.example"},
    "mx.example": {"TXT": "v=spf1 mx -all", "MX": ["10 a.mx.example", "20 b.mx.example"]},
    "a.mx.example": {"A": "198.51.100.1"},
    "b.mx.example": {"A": "192.0.2.9", "AAAA": "2001:db8::9"},
    "ptr.example": {"TXT": "v=spf1 ptr -all"},
    "10.2.0.192.in-addr.arpa": {"PTR": "host.ptr.example"},
    "host.ptr.example": {"A": "192.0.2.10"},
    "macro.example": {"TXT": "v=spf1 exists:%{ir}.%{v}.%{l1r+-}._spf.%{d2} -all"},
    "10.2.0.192.in-addr.hanako._spf.macro.example": {"A": "127.0.0.2"},
    "void.example": {"TXT": "v=spf1 a:a.void.example a:b.void.example a:c.void.example ip4:192.0.2.10 -all"},
    "two.example": {"TXT": ["v=spf1 -all", "v=spf1 +all"]},
    "wrong.example": {"TXT": "v=spf1 ip4:not-an-ip -all"},
    "alias.example": {"CNAME": "ip.example"},
    "loop.example": {"TXT": "v=spf1 include:loop2.example -all"},
    "loop2.example": {"TXT": "v=spf1 include:loop.example -all"},
    "exp.example": {"TXT": "v=spf1 -all exp=why.exp.example"},
    "why.exp.example": {"TXT": "not for you"},
    "broken.example": {"TXT": "v=spf1 include:dead.example -all"},
    **{f"deep{i}.example": {"TXT": f"v=spf1 include:deep{i + 1}.example -all"} for i in range(12)},
    "deep12.example": {"TXT": "v=spf1 +all"},
    "xn--r8jz45g.jp": {"TXT": "v=spf1 ip4:192.0.2.10 -all"},
    "hanako.helo.example": {"TXT": "v=spf1 ip4:192.0.2.10 -all"},
}


async def spf(mail_from: str, ip: str = "192.0.2.10", helo: str = "mail.helo.example") -> SpfResult:
    return await check_spf(ZoneDns(ZONE, failing=["dead.example"]), ip, mail_from, helo)


@pytest.mark.parametrize(
    ("domain", "ip", "result"),
    [
        ("ip.example", "192.0.2.10", "pass"),
        ("ip.example", "2001:db8::1", "pass"),
        ("ip.example", "198.51.100.7", "fail"),
        ("soft.example", "192.0.2.10", "softfail"),
        ("neutral.example", "192.0.2.10", "neutral"),
        ("all.example", "192.0.2.10", "pass"),
        ("include.example", "192.0.2.10", "pass"),
        ("include.example", "198.51.100.7", "fail"),
        ("redirect.example", "192.0.2.10", "pass"),
        ("redirect.example", "198.51.100.7", "fail"),
        ("mx.example", "192.0.2.9", "pass"),
        ("mx.example", "2001:db8::9", "pass"),
        ("mx.example", "192.0.2.10", "fail"),
        ("ptr.example", "192.0.2.10", "pass"),
        ("ptr.example", "192.0.2.11", "fail"),
        ("macro.example", "192.0.2.10", "pass"),
        ("macro.example", "192.0.2.11", "fail"),
        ("void.example", "192.0.2.10", "permerror"),
        ("two.example", "192.0.2.10", "permerror"),
        ("wrong.example", "192.0.2.10", "permerror"),
        ("alias.example", "192.0.2.10", "pass"),
        ("loop.example", "192.0.2.10", "permerror"),
        ("deep0.example", "192.0.2.10", "permerror"),
        ("deep2.example", "192.0.2.10", "pass"),
        ("exp.example", "192.0.2.10", "fail"),
        ("broken.example", "192.0.2.10", "temperror"),
        ("dead.example", "192.0.2.10", "temperror"),
        ("unknown.example", "192.0.2.10", "none"),
        ("例え.jp", "192.0.2.10", "pass"),
    ],
)
async def test_results(domain: str, ip: str, result: str) -> None:
    assert (await spf(f"hanako@{domain}", ip)).result == result


async def test_the_null_sender_is_judged_by_helo() -> None:
    found = await spf("", helo="Hanako.Helo.Example.")
    assert (found.result, found.domain, found.identity) == ("pass", "hanako.helo.example", "helo")


@pytest.mark.parametrize("helo", ["", "localhost", "[192.0.2.1]", "a b.example", "x" * 64 + ".example", "..", "\0.a"])
async def test_a_greeting_that_is_no_domain_is_not_asked_about(helo: str) -> None:
    assert (await spf("", helo=helo)).result == "none"


async def test_a_pass_by_all_proves_nothing() -> None:
    assert not (await spf("a@all.example")).proves
    assert not (await spf("a@wide.example")).proves
    assert (await spf("a@ip.example")).proves
    assert (await spf("a@mx.example", "192.0.2.9")).proves


async def test_records_made_to_be_slow_cost_little() -> None:
    """The library's patterns take quadratic time on long terms."""
    long = "v=spf1 " + "a:" + ".a" + "a" * 200_000 + "! -all"
    many = "v=spf1 " + " ".join("a:." + "a" * 240 + "!" for _ in range(16)) + " -all"
    names = "v=spf1 " + " ".join(f"mx:m{i}.slow.example" for i in range(9)) + " -all"
    zone = {"long.example": {"TXT": long}, "many.example": {"TXT": many}, "slow.example": {"TXT": names}}
    zone |= {f"m{i}.slow.example": {"MX": [f"1 h{i}{j}.slow.example" for j in range(10)]} for i in range(9)}  # type: ignore[dict-item]
    zone |= {f"h{i}{j}.slow.example": {"A": "198.51.100.1"} for i in range(9) for j in range(10)}
    for domain, result in (("long.example", "permerror"), ("many.example", "permerror"), ("slow.example", "fail")):
        started = time.process_time()
        assert (await check_spf(ZoneDns(zone), "192.0.2.1", f"a@{domain}", "helo.example")).result == result
        assert time.process_time() - started < 4


async def test_questions_are_bounded() -> None:
    zone = {"many.example": {"TXT": "v=spf1 " + " ".join(f"mx:m{i}.many.example" for i in range(12)) + " -all"}}
    zone |= {f"m{i}.many.example": {"MX": [f"1 h{i}{j}.many.example" for j in range(30)]} for i in range(12)}  # type: ignore[dict-item]
    dns = ZoneDns(zone)
    assert (await check_spf(dns, "192.0.2.1", "a@many.example", "helo.example")).result == "permerror"
    assert len(dns.questions) < 30
