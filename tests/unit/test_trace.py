"""The trace headers: well-formed, folded, and no way in for what a sender wrote."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.trace import encoded_field, trace_headers
from gateway.model.envelope import Envelope, Peer, Tls
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact, unknown
from gateway.model.verdict import Action, Outcome, Verdict
from gateway.text import plain

WHEN = datetime(2026, 7, 5, 1, 2, 3, tzinfo=UTC)
PEER = Peer("192.0.2.1", 4321, "mail.customer.example")
EXCHANGE = Exchange(b"", Envelope("a@customer.example", ("shop@shop.example",), PEER), "abcdefghij234567", WHEN)


def envelope(**changes: object) -> Exchange:
    return replace(EXCHANGE, envelope=replace(EXCHANGE.envelope, **changes))  # type: ignore[arg-type]


def peer(**changes: object) -> Exchange:
    return envelope(peer=replace(PEER, **changes))  # type: ignore[arg-type]


def fields(block: bytes) -> dict[str, str]:
    parsed = email.message_from_bytes(block + b"\r\n", policy=email.policy.compat32)
    assert not parsed.defects
    return {name: re.sub(r"\r?\n[ \t]", " ", value) for name, value in parsed.items()}


def test_a_whole_block() -> None:
    verdict = Verdict(Action(Outcome.DELIVER, tags=("vip",)), "always", "rules.yaml:3", "0" * 64)
    facts = {"spf": Fact("pass"), "dkim": Fact("none"), "dmarc": Fact("fail"), "arc": unknown(plain("off"))}
    more = {"dmarc": [("header.from", "customer.example")]}
    block = trace_headers(EXCHANGE, "mx.shop.example", facts=facts, properties=more, verdict=verdict)
    assert block.decode() == (
        "Received: from mail.customer.example ([192.0.2.1]) by mx.shop.example with\r\n"
        " ESMTP id abcdefghij234567 for <shop@shop.example>;\r\n"
        " Sun, 5 Jul 2026 01:02:03 +0000\r\n"
        "Authentication-Results: mx.shop.example; spf=pass\r\n"
        " smtp.mailfrom=a@customer.example; dkim=none; dmarc=fail\r\n"
        " header.from=customer.example\r\n"
        "X-Sekisho-Verdict: deliver\r\n"
        "X-Sekisho-Rule: always\r\n"
        "X-Sekisho-Tags: vip\r\n"
        "X-Sekisho-Id: abcdefghij234567\r\n"
    )


def test_the_block_begins_and_ends_with_known_fields() -> None:
    names = list(fields(trace_headers(EXCHANGE, "mx")))
    assert names == ["Received", "Authentication-Results", "X-Sekisho-Id"]
    assert fields(trace_headers(EXCHANGE, "mx"))["Authentication-Results"] == "mx; none"


def test_tls_ipv6_and_the_protocol_of_received() -> None:
    secure = peer(ip="2001:db8::1", tls=Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256))
    received = fields(trace_headers(secure, "mx"))["Received"]
    assert "([IPv6:2001:db8::1])" in received
    assert "with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384 256 bits)" in received
    assert "with SMTP id" in fields(trace_headers(peer(extended=False), "mx"))["Received"]
    utf8 = envelope(smtputf8=True, recipients=("注文@shop.example",))
    assert "with UTF8SMTP id\r\n abcdefghij234567 for <注文@shop.example>;" in trace_headers(utf8, "mx").decode()


def test_several_recipients_are_not_told_of_each_other() -> None:
    assert b" for " not in trace_headers(envelope(recipients=("a@shop.example", "b@shop.example")), "mx")
    assert b" for " not in trace_headers(envelope(recipients=("注文@shop.example",)), "mx")


@pytest.mark.parametrize("helo", ["evil) by x; y", "a\r\nX-Evil: 1", "日本", "[", "-x", "a b", "", "x" * 300])
def test_a_strange_helo_is_not_repeated_as_a_host(helo: str) -> None:
    received = fields(trace_headers(peer(helo=helo), "mx"))["Received"]
    assert received.startswith("from [192.0.2.1] ")
    assert received.count(";") == 1


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        ("a@b.example", "smtp.mailfrom=a@b.example"),
        ("", "smtp.helo=mail.customer.example"),
        ('"a; dkim=pass"@b.example', r'smtp.mailfrom="\"a; dkim=pass\"@b.example"'),
        ("a(b@b.example", 'smtp.mailfrom="a(b@b.example"'),
        ("a@例え.jp", "smtp.mailfrom=a@xn--r8jz45g.jp"),
        ("花子@b.example", ""),
        ("a\r\nX: y@b.example", ""),
    ],
)
def test_authentication_results_quote_what_must_be_quoted(sender: str, shown: str) -> None:
    block = trace_headers(envelope(mail_from=sender), "mx", facts={"spf": Fact("fail")})
    assert fields(block)["Authentication-Results"] == f"mx; spf=fail {shown}".rstrip()


def test_only_known_results_of_known_methods_are_shown() -> None:
    facts = {"spf": Fact("pass; dkim=pass"), "dkim": Fact(None), "dmarc": Fact(True), "iprev": Fact("pass")}
    assert fields(trace_headers(EXCHANGE, "mx", facts=facts))["Authentication-Results"] == "mx; none"
    block = trace_headers(
        EXCHANGE, "mx", facts={"dkim": Fact("pass")}, properties={"dkim": [("x\r\ny", "z"), ("header.d", "d.example")]}
    )
    assert fields(block)["Authentication-Results"] == "mx; dkim=pass header.d=d.example"


@pytest.mark.parametrize(
    "text", ["取引先は必ず通す", "脅迫, 返金" * 40, "plain", "x" * 300, "a\r\nX-Evil: 1", "=?utf-8?b?eA==?=", "a\x00b"]
)
def test_rule_names_come_back_as_they_are(text: str) -> None:
    field = encoded_field("X-Sekisho-Rule", text)
    assert all(len(line) <= 78 for line in field.split("\r\n"))
    value = fields(field.encode("ascii"))["X-Sekisho-Rule"]
    assert str(make_header(decode_header(value))) == " ".join(text.split())


TEXT = st.text(max_size=400)


@given(TEXT, TEXT, TEXT, TEXT, TEXT, st.booleans())
def test_nothing_can_be_injected(helo: str, sender: str, recipient: str, rule: str, tag: str, utf8: bool) -> None:
    exchange = envelope(
        mail_from=sender, recipients=(recipient,), smtputf8=utf8, peer=Peer(helo[:20], helo=helo, tls=Tls(tag, rule, 1))
    )
    verdict = Verdict(Action(Outcome.QUARANTINE, tags=(tag, rule)), rule, "x:1", "0")
    facts = {"spf": Fact("fail"), "dkim": Fact("pass")}
    properties = {"dkim": [("header.d", sender), (helo, tag)]}
    block = trace_headers(exchange, "mx.shop.example", facts=facts, properties=properties, verdict=verdict)
    assert re.fullmatch(rb"(?:[!-9;-~]+: ?[^\r\n\0]*(?:\r\n [^\r\n\0]+)*\r\n)+", block)
    names = re.findall(rb"^([!-9;-~]+):", block, re.MULTILINE)
    assert names == [
        b"Received",
        b"Authentication-Results",
        b"X-Sekisho-Verdict",
        b"X-Sekisho-Rule",
        b"X-Sekisho-Tags",
        b"X-Sekisho-Id",
    ]
    assert max(map(len, block.split(b"\r\n"))) <= 998


def test_the_date_keeps_its_zone() -> None:
    there = replace(EXCHANGE, received_at=WHEN.astimezone(timezone(timedelta(hours=9))))
    assert "; Sun, 5 Jul 2026 10:02:03 +0900" in fields(trace_headers(there, "mx"))["Received"]
