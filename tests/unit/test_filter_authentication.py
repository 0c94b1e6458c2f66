"""The authentication filter: facts, notes and evidence, with DNS out of a dict."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from filters.api import Case, Dns, DnsAnswer, Lookups
from filters.authentication import AuthenticationFilter
from filters.offline import InLine, NoRecords
from gateway.mime.message import Message
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact
from gateway.model.network import parse_network
from gateway.model.rule import RuleSet
from gateway.model.settings import Dns as DnsSettings
from gateway.model.settings import Settings, Smtp
from gateway.model.verdict import Action, Outcome
from gateway.testing.dns import Zone, ZoneDns
from gateway.testing.mail import DkimKey, letter

KEY = DkimKey.make("customer.example")
OTHER = DkimKey.make("mailer.example")
ALL = frozenset({"spf", "dkim", "dmarc", "arc", "authenticated"})
ZONE: Zone = {
    "customer.example": {"TXT": "v=spf1 ip4:192.0.2.0/24 -all"},
    "_dmarc.customer.example": {"TXT": "v=DMARC1; p=reject"},
    "mailer.example": {"TXT": "v=spf1 ip4:198.51.100.0/24 -all"},
    "everybody.example": {"TXT": "v=spf1 +all"},
    "neutral.example": {"TXT": "v=spf1 ?all"},
    "_dmarc.strict.example": {"TXT": "v=DMARC1; p=reject; adkim=s; aspf=s"},
    "mail.strict.example": {"TXT": "v=spf1 ip4:192.0.2.0/24 -all"},
    "mail.customer.example": {"TXT": "v=spf1 ip4:192.0.2.25 -all"},
    **KEY.zone,
    **OTHER.zone,
}
FROM = "hanako@customer.example"


def case(
    raw: bytes,
    *,
    ip: str = "192.0.2.25",
    mail_from: str = FROM,
    helo: str = "mail.customer.example",
    dns: Dns | None = None,
    settings: Settings | None = None,
    wanted: frozenset[str] = ALL,
) -> Case:
    exchange = Exchange(raw, Envelope(mail_from, ("shop@shop.example",), Peer(ip, helo=helo)))
    rules = RuleSet("0", (), Action(Outcome.DELIVER), "rules.yaml:1")
    lookups = Lookups(NoRecords(), dns or ZoneDns(ZONE), InLine())
    return Case(exchange, Message(raw), settings or Settings(), rules, lookups, wanted, datetime.now(UTC))


async def facts(given: Case) -> dict[str, Fact]:
    return dict(await AuthenticationFilter().find(given))


async def values(given: Case) -> dict[str, object]:
    return {name: fact.value if fact.known else "unknown" for name, fact in (await facts(given)).items()}


async def test_a_mail_from_its_own_domain_is_authenticated() -> None:
    given = case(KEY.sign(letter(FROM)))
    found = await facts(given)
    assert {n: f.value for n, f in found.items()} == {
        "spf": "pass",
        "dkim": "pass",
        "dmarc": "pass",
        "arc": "none",
        "authenticated": True,
    }
    notes = {name: (fact.note.in_("ja"), fact.note.in_("en")) for name, fact in found.items() if fact.note}
    assert notes["dkim"][1] == "customer.example s=test: pass"
    assert "MAIL FROM customer.example, client 192.0.2.25" in notes["spf"][1]
    assert "reject" in notes["dmarc"][0]
    assert notes["authenticated"][0] == "customer.example からのメールと確認できました。"
    assert given.evidence["dkim_keys"] == [
        {
            "domain": "customer.example",
            "selector": "test",
            "name": "test._domainkey.customer.example",
            "record": KEY.record,
            "result": "pass",
        }
    ]
    assert json.loads(json.dumps(given.evidence))["authentication"]["dmarc"]["aligned"] == "customer.example"


async def test_a_forged_from_with_spf_pass_on_another_domain_is_not() -> None:
    given = case(OTHER.sign(letter(FROM)), ip="198.51.100.9", mail_from="news@mailer.example")
    assert await values(given) == {
        "spf": "pass",
        "dkim": "pass",
        "dmarc": "fail",
        "arc": "none",
        "authenticated": False,
    }


async def test_a_mail_sent_on_by_a_forwarder_is_known_by_its_signature() -> None:
    found = await values(case(KEY.sign(letter(FROM)), ip="203.0.113.5"))
    assert (found["spf"], found["dkim"], found["dmarc"], found["authenticated"]) == ("fail", "pass", "pass", True)


async def test_japanese_subject_in_jis_signed() -> None:
    raw = letter(FROM, "注文について", "商品が届きません。\n", charset="iso-2022-jp", name="山田花子")
    assert (await values(case(KEY.sign(raw), ip="203.0.113.5")))["authenticated"] is True


async def test_without_a_policy_a_relaxed_pass_counts() -> None:
    dns = ZoneDns({k: v for k, v in ZONE.items() if not k.startswith("_dmarc")})
    found = await values(case(letter(FROM), mail_from="bounce@mail.customer.example", dns=dns))
    assert (found["spf"], found["dmarc"], found["authenticated"]) == ("pass", "none", True)


async def test_a_strict_policy_wants_the_same_domain() -> None:
    found = await values(case(letter("a@strict.example"), mail_from="a@mail.strict.example"))
    assert (found["spf"], found["dmarc"], found["authenticated"]) == ("pass", "fail", False)


async def test_the_null_sender_is_judged_by_helo() -> None:
    found = await facts(case(letter(FROM), mail_from=""))
    assert found["spf"].value == "pass"
    assert found["spf"].note is not None
    assert "HELO mail.customer.example" in found["spf"].note.in_("en")
    assert found["authenticated"].value is True


@pytest.mark.parametrize(
    "headers",
    [
        [("From", "boss@customer.example")],
        [("From", "a@other.example, b@customer.example")],
    ],
)
async def test_two_from_headers_are_never_authenticated(headers: list[tuple[str, str]]) -> None:
    found = await values(case(KEY.sign(letter(FROM, headers=headers))))
    assert (found["dmarc"], found["authenticated"]) == ("permerror", False)


async def test_one_from_field_with_two_domains_or_none_is_not_judged() -> None:
    signed = letter(FROM).replace(b"From: hanako@customer.example", b"From: a@customer.example, b@other.example")
    assert (await values(case(signed)))["dmarc"] == "permerror"
    assert (await values(case(letter(FROM).replace(b"From: ", b"X-From: "))))["dmarc"] == "permerror"
    same = letter(FROM).replace(b"From: hanako@customer.example", b"From: a@customer.example, b@CUSTOMER.example")
    assert (await values(case(same)))["authenticated"] is True


async def test_partial_and_outdated_signatures_do_not_count() -> None:
    """FACTS: the library accepts rsa-sha1 and `l=`: both are downgraded."""
    old = DkimKey.make("customer.example", "old", "rsa-sha1")
    dns = ZoneDns({**ZONE, **old.zone})
    for raw, word in ((old.sign(letter(FROM)), "rsa-sha1"), (KEY.sign(letter(FROM), length=True), "l=")):
        found = await facts(case(raw, ip="203.0.113.5", dns=dns))
        assert (found["dkim"].value, found["authenticated"].value) == ("none", False)
        assert found["dkim"].note is not None
        assert word in found["dkim"].note.in_("ja")


async def test_a_pass_that_everybody_gets_proves_nothing() -> None:
    found = await facts(case(letter("a@everybody.example"), mail_from="a@everybody.example"))
    assert (found["spf"].value, found["authenticated"].value) == ("pass", False)


async def test_neutral_is_told_as_none() -> None:
    found = await facts(case(letter("a@neutral.example"), mail_from="a@neutral.example"))
    assert found["spf"].value == "none"
    assert found["spf"].note is not None
    assert "neutral" in found["spf"].note.in_("ja")


async def test_a_header_that_ends_twice_is_not_judged() -> None:
    """Mail programs end the header at a line that is no field; what is signed below would not be what they show."""
    signed = KEY.sign(letter(FROM))
    forged = b"From: boss@customer.example\r\nSubject: pay\r\nno field at all\r\n" + signed
    found = await values(case(forged, ip="203.0.113.5"))
    assert found["authenticated"] is False


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.1.2.3", "::1", "fe80::1", ""])
async def test_local_clients_cost_no_question(ip: str) -> None:
    dns = ZoneDns(ZONE)
    found = await values(case(letter(FROM), ip=ip, dns=dns))
    assert found == {"spf": "none", "dkim": "none", "dmarc": "none", "arc": "none", "authenticated": False}
    assert dns.questions == []


async def test_a_signature_counts_for_local_clients_too() -> None:
    found = await values(case(KEY.sign(letter(FROM)), ip="127.0.0.1"))
    assert (found["spf"], found["dkim"], found["dmarc"], found["authenticated"]) == ("none", "pass", "pass", True)


async def test_the_hop_before_our_relays_is_the_client() -> None:
    network = parse_network("203.0.113.0/28")
    assert network is not None
    settings = replace(Settings(), smtp=Smtp(trusted_relays=(network,)))
    received = "from mail.customer.example (mail.customer.example [192.0.2.25]) by mx.shop.example; Mon, 1 Jan 2024"
    raw = letter(FROM, headers={"Received": received})
    found = await facts(case(raw, ip="203.0.113.5", settings=settings))
    assert found["spf"].value == "pass"
    assert (await values(case(raw, ip="203.0.113.5")))["spf"] == "fail"


@pytest.mark.parametrize(
    ("failing", "mail", "expected"),
    [
        # what failed might have authenticated the mail: nobody knows
        (["customer.example"], letter(FROM), {"spf": "temperror", "dmarc": "temperror", "authenticated": "unknown"}),
        (["test._domainkey.customer.example"], KEY.sign(letter(FROM)), {"dkim": "temperror", "authenticated": True}),
        (["*"], KEY.sign(letter(FROM)), {"dkim": "temperror", "dmarc": "temperror", "authenticated": "unknown"}),
        # the policy is not known, but the same domain is aligned under any policy
        (["_dmarc.customer.example"], letter(FROM), {"spf": "pass", "dmarc": "temperror", "authenticated": True}),
    ],
)
async def test_no_answer_leaves_unknown_what_it_could_have_changed(
    failing: list[str], mail: bytes, expected: dict[str, object]
) -> None:
    found = await values(case(mail, dns=ZoneDns(ZONE, failing=failing)))
    assert {name: found[name] for name in expected} == expected


async def test_a_failed_look_up_for_another_domain_changes_nothing() -> None:
    given = case(letter(FROM), mail_from="news@mailer.example", dns=ZoneDns(ZONE, failing=["mailer.example"]))
    found = await values(given)
    assert (found["spf"], found["dmarc"], found["authenticated"]) == ("temperror", "fail", False)


class HangingDns:
    """DNS that never answers and never gives up."""

    async def query(self, name: str, record_type: str) -> DnsAnswer:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError


async def test_the_budget_bounds_everything() -> None:
    settings = replace(Settings(), dns=DnsSettings(budget=0.2))
    started = time.monotonic()
    found = await values(case(KEY.sign(letter(FROM)), dns=HangingDns(), settings=settings))
    assert time.monotonic() - started < 15.0  # it would wait for ever
    assert found == {
        "spf": "temperror",
        "dkim": "temperror",
        "dmarc": "temperror",
        "arc": "none",
        "authenticated": "unknown",
    }


async def test_the_number_of_signatures_looked_at_is_bounded() -> None:
    signed = KEY.sign(letter(FROM))
    for number in range(40):
        signed = b"DKIM-Signature: v=1; a=rsa-sha256; d=d%d.example; s=s; h=from; bh=QQ==; b=QQ==\r\n" % number + signed
    dns = ZoneDns(ZONE)
    found = await facts(case(signed, dns=dns))
    assert sum("_domainkey" in name for name, _ in dns.questions) == 8
    assert found["dkim"].note is not None
    assert "33" in found["dkim"].note.in_("en")


async def test_malformed_signatures_are_permanent_errors() -> None:
    raw = b"DKIM-Signature: complete nonsense\r\n" + letter(FROM)
    found = await values(case(raw))
    assert (found["dkim"], found["authenticated"]) == ("permerror", True)


async def test_every_note_reads_in_both_languages() -> None:
    for raw in (KEY.sign(letter(FROM)), letter(FROM), OTHER.sign(letter(FROM), length=True)):
        for fact in (await facts(case(raw, dns=ZoneDns(ZONE, failing=["_dmarc.customer.example"])))).values():
            assert fact.note is not None
            assert "{" not in fact.note.in_("ja") + fact.note.in_("en")
