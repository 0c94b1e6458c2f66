"""A mail in a mailbox: its envelope, the hop before the provider, and what is believed of what stands in its header."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from filters.api import Case, Lookups
from filters.authentication import AuthenticationFilter
from filters.authentication_results import provider_spf
from filters.offline import InLine, NoRecords
from filters.origin import before_provider
from filters.sender_ip import SenderIpFilter
from gateway.intake.imap.envelope import arrived, claimed_ids, is_draft, only_trace, return_path, transit_date
from gateway.mime.message import Message
from gateway.model.mailbox import Place
from gateway.model.network import Network, parse_network
from gateway.model.rule import RuleSet
from gateway.model.settings import Imap, Settings, Shop, Target
from gateway.model.verdict import Action, Outcome
from gateway.testing.dns import Zone, ZoneDns
from gateway.testing.mail import DkimKey, letter

OUTSIDE = "from mail.customer.example (mail.customer.example [203.0.113.10]) by mx.provider.example with ESMTPS"
LMTP = "from mx.provider.example by store.provider.example with LMTP id 1"
GMAIL = "by 2002:a05:6a10:1 with SMTP id x1csp1; Sat, 21 Nov 2026 09:15:00 -0800 (PST)"
FILTER = "from localhost (localhost [127.0.0.1]) by mx.provider.example (amavisd-new, port 10024) with ESMTP"
INSIDE = "from edge.provider.example (edge.provider.example [10.1.2.3]) by mx2.provider.example with ESMTP"
FORGED = "from trusted.bank.example (trusted.bank.example [198.51.100.99]) by mx.provider.example with ESMTPS"
SHOP = Shop()
PLACE = Place("shop", "INBOX", 1, 1)


def account(**more: object) -> Imap:
    return Imap("shop", Target("imaps", "imap.provider.example", 993), "shop", "pw", **more)  # type: ignore[arg-type]


def filed(*tops: str, sender: str = "hanako@customer.example", raw: bytes = b"") -> bytes:
    return "".join(f"{line}\r\n" for line in tops).encode() + (raw or letter(sender))


def received(*hops: str) -> list[str]:
    return [f"Received: {hop}" for hop in hops]


@pytest.mark.parametrize(
    ("hops", "ip", "below"),
    [
        ([OUTSIDE], "203.0.113.10", 1),
        ([OUTSIDE, FORGED], "203.0.113.10", 1),
        ([LMTP, OUTSIDE, FORGED], "203.0.113.10", 2),
        ([GMAIL, OUTSIDE, FORGED], "203.0.113.10", 2),
        ([LMTP, FILTER, OUTSIDE, FORGED], "203.0.113.10", 3),
        ([INSIDE, OUTSIDE], "10.1.2.3", 1),  # a private hop is not skipped unless the config names it: it may be NAT
        (["from helo.example by mx.provider.example with ESMTP", FORGED], "", 0),  # no IP: nothing below can be told
        ([], "", 0),
    ],
)
def test_the_hop_before_the_provider(hops: list[str], ip: str, below: int) -> None:
    found = before_provider(Message(filed(*received(*hops))), ())
    assert (found.ip, found.below) == (ip, below)


def test_the_providers_own_networks_are_named_in_the_config() -> None:
    network = parse_network("10.0.0.0/8")
    assert isinstance(network, Network)
    found = before_provider(Message(filed(*received(INSIDE, OUTSIDE, FORGED))), (network,))
    assert (found.ip, found.helo, found.source) == ("203.0.113.10", "mail.customer.example", "received[2]")


def test_the_envelope_sender_is_what_the_provider_noted_on_top() -> None:
    top = "Return-Path: <bounce+1@list.example>"
    assert return_path(Message(filed(top, *received(OUTSIDE)))) == "bounce+1@list.example"
    assert return_path(Message(filed("Return-Path: <>", *received(OUTSIDE)))) == ""
    # below the provider's Received it is the sender's word: then From is no worse
    assert return_path(Message(filed(*received(OUTSIDE), "Return-Path: <ceo@bank.example>"))) == (
        "hanako@customer.example"
    )


def test_recipients_are_the_shops_own_that_the_header_names() -> None:
    raw = filed("Delivered-To: shop@shop.example", "Cc: x@elsewhere.example, a@order.shop.example")
    made = arrived(raw, PLACE, account(), SHOP, None)
    assert made.exchange.envelope.recipients == ("shop@shop.example", "a@order.shop.example")
    bcc = letter(to="undisclosed@list.example")
    assert arrived(bcc, PLACE, account(), SHOP, None).exchange.envelope.recipients == ("shop@shop.example",)


def test_it_never_came_later_than_now() -> None:
    ahead = datetime.now(UTC) + timedelta(days=3)
    assert arrived(letter(), PLACE, account(), SHOP, ahead).exchange.received_at <= datetime.now(UTC)


def test_the_providers_date_tells_when_it_came() -> None:
    raw = filed(f"Received: {OUTSIDE}; Sat, 21 Nov 2026 18:15:00 +0900", *received(FORGED + "; Mon, 1 Jan 1990 0:0:0"))
    assert transit_date(Message(raw)) == datetime(2026, 11, 21, 9, 15, tzinfo=UTC)
    assert transit_date(Message(filed(f"Received: {OUTSIDE}; nonsense"))) is None
    assert transit_date(Message(letter())) is None


def test_a_draft_is_told_by_flag_or_header() -> None:
    assert is_draft(Message(letter()), frozenset({"\\draft"}))
    assert is_draft(Message(letter(headers={"X-Mozilla-Draft-Info": "x"})), frozenset())
    assert not is_draft(Message(letter()), frozenset({"\\seen"}))


def test_only_lines_that_servers_write_make_a_copy_of_ours() -> None:
    assert only_trace(b"Return-Path: <a@b.example>\r\nReceived: from x\r\n\tby y\r\nX-Sekisho-Id: abc\r\n")
    assert only_trace(b"")
    for hostile in (
        b"Subject: evil\r\n",
        b"Received: x\r\n\r\nevil text\r\n",
        b" folded first\r\n",
        b"From: a@b.example\r\n",
        b"Received: x",
        b"Content-Type: text/html\r\n",
    ):
        assert not only_trace(hostile)
    assert claimed_ids(b"X-Sekisho-Id: abcdefgh234567ab\r\n\r\nX-Sekisho-Id: bbbbbbbbbbbbbbbb\r\n") == (
        "abcdefgh234567ab",
    )


RESULTS = (
    "Authentication-Results: mx.provider.example;\r\n"
    " spf=pass (ok; [x]) smtp.mailfrom=hanako@customer.example;\r\n dkim=pass"
)


@pytest.mark.parametrize(
    ("fields", "below", "result"),
    [
        ([RESULTS, f"Received: {OUTSIDE}"], 1, "pass"),
        ([f"Received: {OUTSIDE}", RESULTS], 1, "pass"),
        ([f"Received: {OUTSIDE}", f"Received: {FORGED}", RESULTS], 1, None),  # below a stranger's hop
        ([RESULTS.replace("mx.provider", "mx.other"), f"Received: {OUTSIDE}"], 1, None),
        ([RESULTS.replace("pass (ok", "fail (ok"), RESULTS, f"Received: {OUTSIDE}"], 1, "fail"),  # the topmost counts
        (["Authentication-Results: mx.provider.example; none"], 1, None),
        (["Authentication-Results: mx.provider.example; spf=wonderful smtp.mailfrom=x@y.example"], 1, None),
        (['Authentication-Results: "MX.Provider.example" 1; spf=softfail smtp.helo=h.example'], 1, "softfail"),
    ],
)
def test_whose_authentication_results_are_believed(fields: list[str], below: int, result: str | None) -> None:
    found = provider_spf(Message(filed(*fields)), "mx.provider.example", below)
    assert (found.result if found else None) == result


ZONE = {
    "customer.example": {"TXT": "v=spf1 ip4:203.0.113.10 -all"},
    "mail.customer.example": {"A": "203.0.113.10"},
}


def asked(raw: bytes, zone: Zone, watched: Imap) -> Case:
    made = arrived(raw, PLACE, watched, SHOP, None)
    empty = RuleSet("", (), Action(Outcome.DELIVER), "")
    return Case(
        exchange=made.exchange,
        message=made.message,
        settings=Settings(smtp=None, imap=(watched,), base=Path()),
        ruleset=empty,
        lookups=Lookups(NoRecords(), ZoneDns(zone), InLine()),
        wanted=frozenset({"spf", "dkim", "dmarc", "arc", "authenticated", "peer_ip", "origin_ip"}),
        now=datetime.now(UTC),
    )


async def test_spf_is_judged_by_the_hop_before_the_provider() -> None:
    raw = filed("Return-Path: <hanako@customer.example>", *received(LMTP, OUTSIDE, FORGED))
    found = await AuthenticationFilter().find(asked(raw, ZONE, account()))
    assert (found["spf"].value, found["authenticated"].value) == ("pass", True)
    origin = await SenderIpFilter().find(asked(raw, ZONE, account()))
    assert origin["peer_ip"].value == "203.0.113.10"
    assert origin["origin_ip"].note is not None
    assert "received[2]" in origin["origin_ip"].note.in_("en")


async def test_what_a_sender_writes_about_itself_proves_nothing() -> None:
    elsewhere = OUTSIDE.replace("203.0.113.10", "192.0.2.66")
    said = "Authentication-Results: mx.provider.example; spf=pass smtp.mailfrom=hanako@customer.example"
    claims = [said, "Received-SPF: pass"]
    raw = filed("Return-Path: <hanako@customer.example>", *received(elsewhere), *claims, *received(OUTSIDE))
    found = await AuthenticationFilter().find(asked(raw, ZONE, account()))
    assert (found["spf"].value, found["authenticated"].value) == ("fail", False)


async def test_the_named_providers_result_counts_in_place_of_our_own() -> None:
    inside = OUTSIDE.replace("203.0.113.10", "10.9.9.9")  # by which we could not judge
    result = "Authentication-Results: mx.provider.example; spf=pass smtp.mailfrom=hanako@customer.example"
    raw = filed("Return-Path: <hanako@customer.example>", result, *received(inside))
    named = account(authentication_results_from="mx.provider.example")
    found = await AuthenticationFilter().find(asked(raw, {}, named))
    assert (found["spf"].value, found["authenticated"].value) == ("pass", True)
    unnamed = await AuthenticationFilter().find(asked(raw, {}, account()))
    assert unnamed["spf"].value == "none"
    other = filed("Return-Path: <other@customer2.example>", result, *received(inside))
    assert (await AuthenticationFilter().find(asked(other, {}, named)))["spf"].value == "none"


async def test_dkim_is_checked_by_ourselves_whatever_the_header_says() -> None:
    key = DkimKey.make("customer.example")
    signed = key.sign(letter("hanako@customer.example"))
    good = filed("Return-Path: <hanako@customer.example>", *received(LMTP), raw=signed)
    found = await AuthenticationFilter().find(asked(good, key.zone, account()))
    assert (found["dkim"].value, found["authenticated"].value) == ("pass", True)
    lie = "Authentication-Results: mx.provider.example; dkim=pass header.d=customer.example"
    forged = filed("Return-Path: <hanako@customer.example>", lie, *received(LMTP))
    named = account(authentication_results_from="mx.provider.example")
    found = await AuthenticationFilter().find(asked(forged, key.zone, named))
    assert (found["dkim"].value, found["authenticated"].value) == ("none", False)
