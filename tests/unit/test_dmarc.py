"""DMARC: organizational domains, alignment, records, and what passes and failures mean together (RFC 7489)."""

from __future__ import annotations

import pytest

from filters.dmarc import Policy, aligned, find_policy, judge, organizational_domain
from gateway.testing.dns import ZoneDns

RELAXED = Policy("shop.example", "reject")
STRICT = Policy("shop.example", "reject", strict_dkim=True, strict_spf=True)


@pytest.mark.parametrize(
    ("domain", "parent"),
    [
        ("my-shop.jp", "my-shop.jp"),
        ("mail.my-shop.jp", "my-shop.jp"),
        ("a.b.shop.co.jp", "shop.co.jp"),
        ("docomo.ne.jp", "docomo.ne.jp"),
        ("x.city.kawasaki.jp", "city.kawasaki.jp"),
        ("a.b.toyota.aichi.jp", "b.toyota.aichi.jp"),
        ("co.jp", "co.jp"),
        ("one.myshopify.com", "one.myshopify.com"),
        ("a.b.example", "b.example"),
        ("xn--r8jz45g.jp", "xn--r8jz45g.jp"),
        ("mail.xn--r8jz45g.xn--wgv71a", "xn--r8jz45g.xn--wgv71a"),
    ],
)
def test_organizational_domains(domain: str, parent: str) -> None:
    """FACTS: authheaders cuts `my-shop.jp` to `my`."""
    assert organizational_domain(domain) == parent


@pytest.mark.parametrize(
    ("one", "other", "strict", "expected"),
    [
        ("shop.example", "shop.example", True, True),
        ("mail.shop.example", "shop.example", True, False),
        ("mail.shop.example", "shop.example", False, True),
        ("shop.example", "news.shop.example", False, True),
        ("shop.co.jp", "other.co.jp", False, False),
        ("evil-shop.example", "shop.example", False, False),
        ("", "shop.example", False, False),
    ],
)
def test_alignment(one: str, other: str, strict: bool, expected: bool) -> None:
    assert aligned(one, other, strict) is expected


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ({"_dmarc.shop.example": "v=DMARC1; p=reject"}, ("shop.example", "reject")),
        ({"_dmarc.shop.example": "v=DMARC1;p=NONE;sp=reject;pct=0"}, ("shop.example", "none")),
        ({"_dmarc.shop.example": "v=DMARC1; rua=mailto:a@shop.example"}, ("shop.example", "none")),
        ({"_dmarc.shop.example": "v=DMARC1; p=bogus; rua=mailto:a@shop.example"}, ("shop.example", "none")),
        ({"_dmarc.shop.example": "v=DMARC1; p=bogus"}, "none"),
        ({"_dmarc.shop.example": "v=DMARC1; p=reject; p=none"}, "none"),
        ({"_dmarc.shop.example": "v=DMARC2; p=reject"}, "none"),
        ({"_dmarc.shop.example": "p=reject; v=DMARC1"}, "none"),
        ({"_dmarc.shop.example": ["v=DMARC1; p=reject", "v=DMARC1; p=none"]}, "none"),
        ({"_dmarc.shop.example": ["other text", "v=DMARC1; p=reject"]}, ("shop.example", "reject")),
        ({}, "none"),
    ],
)
async def test_records(records: dict[str, str | list[str]], found: tuple[str, str] | str) -> None:
    dns = ZoneDns({name: {"TXT": text} for name, text in records.items()})
    policy = await find_policy(dns, "shop.example")
    assert (policy if isinstance(policy, str) else (policy.found_at, policy.policy)) == found


async def test_a_subdomain_falls_back_to_its_organizational_domain() -> None:
    dns = ZoneDns({"_dmarc.shop.co.jp": {"TXT": "v=DMARC1; p=none; sp=quarantine; adkim=s"}})
    assert await find_policy(dns, "a.b.shop.co.jp") == Policy("shop.co.jp", "quarantine", strict_dkim=True)
    assert [name for name, _ in dns.questions] == ["_dmarc.a.b.shop.co.jp", "_dmarc.shop.co.jp"]


async def test_no_answer_is_temporary() -> None:
    dns = ZoneDns(failing=["_dmarc.shop.example"])
    assert await find_policy(dns, "shop.example") == "temperror"
    assert await find_policy(dns, "mail.shop.example") == "temperror"


@pytest.mark.parametrize(
    ("policy", "passed", "result", "authenticated"),
    [
        (RELAXED, {"spf": "shop.example"}, "pass", True),
        (RELAXED, {"spf": "bounce.shop.example"}, "pass", True),
        (RELAXED, {"dkim": ["other.example", "mail.shop.example"]}, "pass", True),
        (RELAXED, {"spf": "other.example"}, "fail", False),
        (RELAXED, {}, "fail", False),
        (STRICT, {"spf": "bounce.shop.example"}, "fail", False),
        (STRICT, {"dkim": ["mail.shop.example"]}, "fail", False),
        (STRICT, {"dkim": ["shop.example"]}, "pass", True),
        ("none", {"spf": "bounce.shop.example"}, "none", True),
        ("none", {"spf": "other.example"}, "none", False),
        ("temperror", {"spf": "shop.example"}, "temperror", True),
        ("temperror", {"spf": "bounce.shop.example"}, "temperror", None),
        ("temperror", {"spf": "other.example"}, "temperror", False),
        (RELAXED, {"dkim_unsure": ["shop.example"]}, "temperror", None),
        (RELAXED, {"dkim_unsure": ["other.example"]}, "fail", False),
        (RELAXED, {"spf_unsure": "mail.shop.example"}, "temperror", None),
        (STRICT, {"spf_unsure": "mail.shop.example"}, "fail", False),
        (RELAXED, {"spf_unsure": "shop.example", "dkim": ["shop.example"]}, "pass", True),
    ],
)
def test_judgements(policy: Policy | str, passed: dict[str, object], result: str, authenticated: bool | None) -> None:
    found = judge("shop.example", policy, **passed)  # type: ignore[arg-type]
    assert (found.result, found.authenticated) == (result, authenticated)
