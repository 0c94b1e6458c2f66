"""Where a mail came from: the walk through `Received`, what providers' headers are worth, who else wrote from there."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.api import Seen
from filters.origin import claimed_origin, is_public, origin_of
from filters.received import Hop, parse_received
from filters.sender import SenderFilter
from filters.sender_ip import SHARED_FROM, SenderIpFilter
from gateway.mime.message import Message
from gateway.model.envelope import Envelope, Peer
from gateway.model.fact import Fact
from gateway.model.origin import Origin, Trust
from tests.unit.cases import NOW, FakeDns, FakeRecords, block, case, found

YAHOO = """Received: from nh1.bullet.mail.kks.yahoo.co.jp (nh1.kks.yahoo.co.jp [183.79.57.1]) by mx.yahoo.co.jp
Received: from [183.79.100.141] by nh1.bullet.mail.kks.yahoo.co.jp with NNFMP; 1 Mar 2026 03:00:00 -0000
Received: (qmail 1234 invoked by uid 60001); 1 Mar 2026 03:00:00 -0000
Received: from [121.84.241.7] by web101.mail.kks.yahoo.co.jp via HTTP; Sun, 1 Mar 2026 12:00:00 JST
From: taro@yahoo.co.jp"""
MTA = "nh1.bullet.mail.kks.yahoo.co.jp"


@pytest.mark.parametrize(
    ("value", "ip", "helo"),
    [
        (
            "from mail.example.com (rdns.example.com [192.0.2.7]) by mx (Postfix) with ESMTPS id X; date",
            "192.0.2.7",
            "mail.example.com",
        ),
        ("from mail.example.com (unknown [IPv6:2001:DB8::7]) by mx; date", "2001:db8::7", "mail.example.com"),
        ("from [192.0.2.7] (helo=mail.example.com) by mx with esmtp (Exim 4.96)", "192.0.2.7", "mail.example.com"),
        (
            "from ([194.248.150.25:39348] helo=mta.ez.no)\r\n\tby osu1.php.net (ecelerity) with SMTP",
            "194.248.150.25",
            "mta.ez.no",
        ),
        ("from unknown (HELO mail.example.com) (192.0.2.7) by mx with SMTP", "192.0.2.7", "mail.example.com"),
        ("from foo (foo.example [192.0.2.7] (may be forged)) by mx (8.15.2/8.15.2)", "192.0.2.7", "foo"),
        (
            "from A.PROD.OUTLOOK.COM (2603:1096:101::1) by B.PROD.OUTLOOK.COM (2603:1096:101::2) with HTTPS",
            "2603:1096:101::1",
            "a.prod.outlook.com",
        ),
        ("from nodnsquery(199.67.177.248) by host via csmap", "199.67.177.248", "nodnsquery"),
        ("from [207.237.228.149] by web50704.mail.re2.yahoo.com via HTTP; date", "207.237.228.149", "207.237.228.149"),
        ("by 10.0.0.1 with SMTP id x; date", "", ""),
        ("(qmail 1 invoked by uid 60001); date", "", ""),
        ("", "", ""),
    ],
)
def test_received_as_servers_write_it(value: str, ip: str, helo: str) -> None:
    hop = parse_received(value.encode())
    assert (hop.ip, hop.helo) == (ip, helo)


@pytest.mark.parametrize(
    "value",
    [
        "from [9.9.9.9] (unknown [192.0.2.7]) by mx (Postfix) with SMTP id X; date",
        "from unknown (HELO [9.9.9.9]) (192.0.2.7) by mx with SMTP",
        "from [192.0.2.7] (port=1234 helo=[9.9.9.9]) by mx with esmtp",
        "from x (x [192.0.2.7]) by mx; from y (y [9.9.9.9]) by z",
        "from x (x [192.0.2.7]) from (y [9.9.9.9]) by z",
    ],
)
def test_a_greeting_cannot_lie_about_its_ip(value: str) -> None:
    assert parse_received(value.encode()).ip == "192.0.2.7"


@given(st.binary(max_size=3000))
def test_any_received_is_read(value: bytes) -> None:
    assert isinstance(parse_received(value), Hop)


@pytest.mark.parametrize(
    "value", [b"(" * 100_000, b"from " * 50_000, b"from a (" + b"[" * 100_000, b"from x " + b"a=" * 90_000]
)
def test_received_takes_linear_time(value: bytes) -> None:
    started = time.thread_time()
    parse_received(value)
    assert time.thread_time() - started < 1.0


async def test_without_relays_the_peer_is_the_origin() -> None:
    one = case("Received: from evil (evil [198.51.100.1]) by forged", ip="203.0.113.9")
    got = await found(one, SenderIpFilter())
    assert got["peer_ip"].value == "203.0.113.9"
    assert got["origin_ip"].value == "203.0.113.9"
    assert one.evidence["origin"] == {"ip": "203.0.113.9", "source": "peer", "trust": "peer"}


async def test_the_hop_before_our_relays_is_the_sender() -> None:
    head = """Received: from front2 (front2 [10.0.0.2]) by front1
Received: from mail.example.com (mail.example.com [198.51.100.7]) by front2
Received: from forged (forged [192.0.2.66]) by mail.example.com"""
    one = case(head, ip="10.0.0.1", relays=("10.0.0.0/8",))
    got = await found(one, SenderIpFilter())
    assert got["peer_ip"].value == "198.51.100.7"
    assert got["peer_ip"].note is not None
    assert one.evidence["origin"] == {"ip": "198.51.100.7", "source": "received[2]", "trust": "peer"}


async def test_our_relays_without_a_hop_outside_name_nobody() -> None:
    got = await found(
        case("Received: from a (a [10.0.0.2]) by b", ip="10.0.0.1", relays=("10.0.0.0/8",)), SenderIpFilter()
    )
    assert got["peer_ip"].value is None
    assert got["origin_ip"].value is None


async def test_a_relay_that_notes_no_ip_ends_the_walk() -> None:
    head = "Received: from a by front\nReceived: from b (b [198.51.100.7]) by a"
    got = await found(case(head, ip="10.0.0.1", relays=("10.0.0.0/8",)), SenderIpFilter())
    assert got["origin_ip"].value is None


@pytest.mark.parametrize(
    "ip",
    [
        "10.1.2.3",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.1.1",
        "100.64.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "224.0.0.1",
        "",
        "x",
    ],
)
async def test_private_ips_are_never_origins(ip: str) -> None:
    assert not is_public(ip)
    got = await found(case(ip=ip), SenderIpFilter())
    assert got["origin_ip"].value is None


async def test_yahoo_japan_names_the_writer_of_webmail() -> None:
    dns = FakeDns({MTA: ["183.79.57.9"]})
    one = case(YAHOO, mail_from="taro@yahoo.co.jp", ip="183.79.57.9", helo=MTA, dns=dns)
    got = await found(one, SenderIpFilter())
    assert got["peer_ip"].value == "183.79.57.9"
    assert got["origin_ip"].value == "121.84.241.7"
    assert one.evidence["origin"] == {"ip": "121.84.241.7", "source": "received[4] via HTTP", "trust": "provider"}


async def test_who_only_greets_as_yahoo_is_not_believed() -> None:
    one = case(YAHOO, mail_from="taro@yahoo.co.jp", ip="203.0.113.9", helo=MTA, dns=FakeDns({MTA: ["183.79.57.9"]}))
    await found(one, SenderIpFilter())
    assert one.evidence["origin"] == {"ip": "203.0.113.9", "source": "peer", "trust": "shared"}


async def test_a_mail_that_yahoo_forwards_names_nobody() -> None:
    head = "Received: from evil.example (evil.example [198.51.100.6]) by mta1.mail.yahoo.co.jp with SMTP\n" + YAHOO
    one = case(head, mail_from="taro@yahoo.co.jp", ip="183.79.57.9", helo=MTA, dns=FakeDns({MTA: ["183.79.57.9"]}))
    await found(one, SenderIpFilter())
    assert one.evidence["origin"] == {"ip": "183.79.57.9", "source": "peer", "trust": "shared"}


async def test_other_peoples_mail_from_yahoo_names_nobody() -> None:
    one = case(YAHOO, mail_from="x@example.com", ip="183.79.57.9", helo=MTA, dns=FakeDns({MTA: ["183.79.57.9"]}))
    await found(one, SenderIpFilter())
    assert one.evidence["origin"]["trust"] == "shared"  # type: ignore[index]


async def test_failed_spf_and_dkim_take_the_header_its_worth() -> None:
    failed = {"spf": Fact("fail"), "dkim": Fact("none")}
    dns = FakeDns({MTA: ["183.79.57.9"]})
    one = case(YAHOO, mail_from="taro@yahoo.co.jp", ip="183.79.57.9", helo=MTA, dns=dns, facts=failed)
    await found(one, SenderIpFilter())
    assert one.evidence["origin"]["trust"] == "shared"  # type: ignore[index]


async def test_nifty_names_the_ip_in_its_own_header() -> None:
    mta = "conuserg-07.nifty.com"
    head = "X-Nifty-SrcIP: [121.84.241.8]\nFrom: taro@nifty.com"
    one = case(head, mail_from="taro@nifty.com", ip="210.131.2.74", helo=mta, dns=FakeDns({mta: ["210.131.2.74"]}))
    await found(one, SenderIpFilter())
    assert one.evidence["origin"] == {"ip": "121.84.241.8", "source": "x-nifty-srcip", "trust": "provider"}


@pytest.mark.parametrize("header", ["X-Nifty-SrcIP: [121.84.241.8]", "X-Originating-IP: 121.84.241.8"])
async def test_a_header_of_somebody_else_is_no_origin_and_costs_no_look_up(header: str) -> None:
    dns = FakeDns({})
    one = case(header, dns=dns)
    got = await found(one, SenderIpFilter())
    assert got["origin_ip"].value == "203.0.113.9"
    assert dns.asked == []


async def test_a_private_x_originating_ip_is_no_origin() -> None:
    """FACTS: Exchange: `X-Originating-IP`, often private."""
    mta = "mail-x.outbound.protection.outlook.com"
    one = case(
        "X-Originating-IP: [10.1.2.3]",
        mail_from="a@outlook.jp",
        ip="40.107.1.1",
        helo=mta,
        dns=FakeDns({mta: ["40.107.1.1"]}),
    )
    await found(one, SenderIpFilter())
    assert one.evidence["origin"] == {"ip": "40.107.1.1", "source": "peer", "trust": "shared"}


@pytest.mark.parametrize(
    "helo", ["mail-lf1-f53.google.com", "mail.docomo.ne.jp", "omgw.ezweb.ne.jp", "x.softbank.ne.jp."]
)
async def test_an_mta_of_thousands_is_shared(helo: str) -> None:
    """FACTS: the MTA's address of docomo, au, SoftBank, Gmail web names thousands of people."""
    one = case(helo=helo)
    await found(one, SenderIpFilter())
    assert one.evidence["origin"]["trust"] == "shared"  # type: ignore[index]


async def test_without_a_peer_the_headers_are_only_claims() -> None:
    one = case("Received: from b (b [198.51.100.7]) by a\nReceived: from c (c [192.168.0.2]) by b", ip="")
    got = await found(one, SenderIpFilter())
    assert got["peer_ip"].value is None
    assert one.evidence["origin"] == {"ip": "198.51.100.7", "source": "received[1]", "trust": "claimed"}
    assert claimed_origin(Message(b"\r\n")) is None


RECORDS = {("bad@example.com", "203.0.113.9"): Seen(NOW - timedelta(days=9), NOW, 3)}


async def seen_with(records: FakeRecords, **more: object) -> Fact:
    one = case(
        "From: new@gmail.com", mail_from="new@gmail.com", records=records, wanted=("ip_seen_with_blocked",), **more
    )  # type: ignore[arg-type]
    return (await found(one, SenderFilter(), SenderIpFilter()))["ip_seen_with_blocked"]


async def test_the_same_ip_as_a_blocked_person() -> None:
    got = await seen_with(FakeRecords(block("bad@example.com"), RECORDS))
    assert got.value is True
    assert got.note is not None
    assert "bad@example.com" in got.note.in_("ja")


async def test_nobody_blocked_wrote_from_there() -> None:
    assert (await seen_with(FakeRecords({}, RECORDS))).value is False


async def test_a_watched_person_is_not_blocked() -> None:
    assert (await seen_with(FakeRecords(block("bad@example.com", watched=True), RECORDS))).value is False


async def test_a_shared_relay_never_counts() -> None:
    records = FakeRecords(block("bad@example.com"), RECORDS)
    got = await seen_with(records, helo="mail-lf1-f53.google.com")
    assert got.value is False
    assert records.asked == []


async def test_an_ip_of_many_senders_is_a_shared_relay() -> None:
    assert (await seen_with(FakeRecords(block("bad@example.com"), RECORDS, others=SHARED_FROM - 1))).value is True
    assert (await seen_with(FakeRecords(block("bad@example.com"), RECORDS, others=SHARED_FROM))).value is False


async def test_a_claimed_origin_never_counts() -> None:
    one = case(
        "Received: from b (b [203.0.113.9]) by a",
        ip="",
        records=FakeRecords(block("bad@example.com"), RECORDS),
        wanted=("ip_seen_with_blocked",),
    )
    assert (await found(one, SenderIpFilter()))["ip_seen_with_blocked"].value is False


async def test_days_since_the_sender_was_first_seen_there() -> None:
    records = FakeRecords({}, RECORDS)
    old = case("From: bad@example.com", records=records, wanted=("ip_seen_days",))
    assert (await found(old, SenderFilter(), SenderIpFilter()))["ip_seen_days"].value == 9
    new = case("From: new@example.com", records=records, wanted=("ip_seen_days",))
    assert (await found(new, SenderFilter(), SenderIpFilter()))["ip_seen_days"].value is None


def test_the_origin_to_record() -> None:
    envelope = Envelope("a@example.com", (), Peer("203.0.113.9", helo="h.example"))
    message = Message(b"\r\n")
    kept = {"origin": {"ip": "121.84.241.8", "source": "x", "trust": "provider"}}
    assert origin_of(envelope, message, (), kept) == Origin("121.84.241.8", "x", Trust.PROVIDER)
    assert origin_of(envelope, message, (), {"origin": None}) is None
    assert origin_of(envelope, message, (), {}) == Origin("203.0.113.9", "peer", Trust.PEER)
    assert origin_of(envelope, message, ()) == Origin("203.0.113.9", "peer", Trust.PEER)
