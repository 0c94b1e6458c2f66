"""Replies, notices and reports as messages: what other mail programs read out of them, and what cannot get in."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError, Fault
from gateway.mime.message import Message
from gateway.model.acceptance import Draft, ReplyPlan
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact
from gateway.model.settings import Outgoing, Settings, Shop, Target
from gateway.model.verdict import Action, Outcome, ReplyOrder, Verdict
from gateway.replies import notices
from gateway.replies.compose import mailbox_field, message_ids, text_field, text_part, threading_fields, token_field
from gateway.replies.guard import plan
from gateway.replies.reports import Failure, report
from gateway.replies.templates import Templates
from gateway.text import Text

SETTINGS = Settings(
    shop=Shop(name="和み工房", addresses=("shop@shop.example", "@order.shop.example")),
    outgoing=Outgoing(Target("smtp", "smtp.shop.example", 587)),
)
FACTS = {"authenticated": Fact(True), "automatic": Fact("no"), "spf": Fact("none"), "order": Fact(("#1001", "1002"))}
NOW = datetime(2026, 7, 1, 3, 4, 5, tzinfo=UTC)
LONG_ID = "<" + "x" * 200 + "@mail.example.com>"


def parsed(draft: Draft) -> EmailMessage:
    assert re.fullmatch(rb"(?:[^\r\n]*\r\n)*", draft.raw), "CRLF lines throughout"
    assert max(map(len, draft.raw.split(b"\r\n"))) <= 998
    head = draft.raw.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    return cast("EmailMessage", email.message_from_bytes(draft.raw, policy=email.policy.default))


def customer(*headers: str, subject: str = "=?utf-8?B?5rOo5paH?=", body: str = "本文です。") -> Exchange:
    fields = ["From: =?utf-8?B?5bGx55Sw?= <taro@example.com>", "To: shop@shop.example", f"Subject: {subject}", *headers]
    raw = "\r\n".join([*fields, "Content-Type: text/plain; charset=utf-8", "", body, ""]).encode()
    return Exchange(raw, Envelope("taro@example.com", ("shop@shop.example",), Peer("192.0.2.1")), received_at=NOW)


def reply(exchange: Exchange, settings: Settings = SETTINGS) -> Draft:
    verdict = Verdict(Action(Outcome.DELIVER, reply=ReplyOrder("received")), "r", "x:1", "h")
    templates = Templates(Path("/nonexistent"), settings)
    made = plan(FACTS, verdict, Message(exchange.raw), exchange, settings, templates, NOW)
    assert made is not None
    assert made.draft is not None, str(made.why)
    return made.draft


def test_a_reply_says_what_it_is() -> None:
    made = reply(customer(f"Message-ID: {LONG_ID}", "References: <a@x.example> <b@x.example>"))
    message = parsed(made)
    assert message["From"].addresses[0].display_name == "和み工房"
    assert message["From"].addresses[0].addr_spec == "support@shop.example"
    assert message["To"].addresses[0].addr_spec == "taro@example.com"
    assert message["Subject"] == made.subject == "【和み工房】お問い合わせを受け付けました"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["X-Sekisho-Loop"] == "shop.example"
    assert message["Message-ID"] == f"<{made.id}@shop.example>"
    assert message["Date"].datetime == NOW
    assert message["In-Reply-To"] == LONG_ID
    assert f"References: <a@x.example> <b@x.example>\r\n {LONG_ID}\r\n".encode() in made.raw
    body = message.get_content()
    assert "山田 様" in body
    assert "2026年7月1日 12:04" in body
    assert "1001" in body
    assert made.mail_from == ""


def test_a_reply_in_english_and_by_a_smarthost_that_refuses_the_null_sender() -> None:
    settings = replace(
        SETTINGS,
        shop=replace(SETTINGS.shop, language="en", name="Nagomi"),
        outgoing=Outgoing(Target("smtp", "s", 25), return_path="bounces@shop.example", sender="Hello@shop.example"),
    )
    made = reply(customer(), settings)
    message = parsed(made)
    assert made.mail_from == "bounces@shop.example"
    assert message["From"] == "Nagomi <Hello@shop.example>"
    assert message["Subject"].startswith("We have received")
    assert "In-Reply-To" not in message


def test_our_own_reply_is_never_answered() -> None:
    made = reply(customer())
    verdict = Verdict(Action(Outcome.DELIVER, reply=ReplyOrder("received")), "r", "x:1", "h")
    back = Exchange(made.raw, Envelope("support@shop.example", ("shop@shop.example",), Peer("")))
    templates = Templates(Path("/nonexistent"), SETTINGS)
    again = plan(FACTS, verdict, Message(back.raw), back, SETTINGS, templates, NOW)
    assert again is not None
    assert not again.would_send
    for words in ("X-Sekisho-Loop", "Auto-Submitted", "X-Auto-Response-Suppress", "own"):
        assert words in str(again.why)


@given(st.text(), st.text())
def test_no_text_from_outside_makes_a_second_header(subject: str, name: str) -> None:
    for line in (text_field("Subject", subject), mailbox_field("From", "a@b.example", name)):
        assert line.isascii()
        assert line.endswith(b"\r\n")
        read = email.message_from_bytes(line + b"\r\n", policy=email.policy.default)
        assert len(read.keys()) == 1
        assert re.fullmatch(rb"[A-Z][a-z]+: ?(?:[^\r\n]|\r\n[ \t])*\r\n", line)


def test_subjects_are_read_back_as_written() -> None:
    for subject in ("plain", "日本語の件名" * 10, "mixed 日本 text", "=?looks?encoded?=", "x" * 200, "", "絵文字😡"):
        line = text_field("Subject", subject)
        assert email.message_from_bytes(line + b"\r\n", policy=email.policy.default)["Subject"] == subject
        assert max(map(len, line.split(b"\r\n"))) <= 78 or " " not in subject


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_bodies_are_read_back_as_written(text: str) -> None:
    part = email.message_from_bytes(b"MIME-Version: 1.0\r\n" + text_part(text), policy=email.policy.default)
    got = part.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert got.replace("\r\n", "\n") == text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"


def test_message_ids_out_of_a_strangers_header_are_tokens() -> None:
    assert message_ids("<a@b> junk <c\r\nX: y@d> <e@f> <é@g> <" + "x" * 300 + "@y>") == ("<a@b>", "<e@f>")
    fields = threading_fields("<new@x>", [f"<{n}@x>" for n in range(100)])
    assert b"".join(fields) == (
        b"In-Reply-To: <new@x>\r\n"
        b"References: <0@x> <92@x> <93@x> <94@x> <95@x> <96@x> <97@x> <98@x> <99@x>\r\n <new@x>\r\n"
    )
    assert token_field("X", ["a\r\nY: b"]) == b"X: aY: b\r\n"


def verdict(**more: object) -> Verdict:
    action = Action(Outcome.QUARANTINE, tags=("脅迫",), notify=("owner",))
    return Verdict(replace(action, **more), "脅迫", "rules.yaml:3", "h")  # type: ignore[arg-type]


def test_a_notice_quotes_bounded_excerpts_as_data() -> None:
    body = "一行目\x1b[31m\u202e\n" + "\n".join(f"行 {n}" for n in range(100)) + "\n" + "x" * 5000
    exchange = customer(subject="{rule} {0} %s =?utf-8?B?5rOo5paH?=", body=body)
    (made,) = notices.of_verdict(
        exchange, Message(exchange.raw), verdict(), {**FACTS, "origin_ip": Fact("192.0.2.9")}, SETTINGS
    )
    message = parsed(made)
    text = message.get_content().replace("\r\n", "\n")
    assert made.recipients == ("owner@shop.example",)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Sekisho-Loop"]
    assert message["Subject"] == "【Sekisho】ルール「脅迫」に該当：{rule} {0} %s 注文"
    assert "> 一行目[31m\n" in text
    assert len([line for line in text.split("\n") if line.startswith("> ")]) == 15
    assert len(text) < 2000
    assert "192.0.2.9" in text
    assert f"sekisho log show {exchange.id}" in text
    assert f"sekisho quarantine show {exchange.id}" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_notices_go_to_each_who_is_named_and_never_about_our_own_mail() -> None:
    exchange = customer()
    said = verdict(notify=("owner", "lawyer@law.example", "owner"))
    made = notices.of_verdict(exchange, Message(exchange.raw), said, FACTS, SETTINGS)
    assert [draft.recipients for draft in made] == [("owner@shop.example",), ("lawyer@law.example",)]
    assert {draft.target for draft in made} == {"outgoing"}
    assert notices.of_verdict(exchange, Message(exchange.raw), verdict(notify=()), FACTS, SETTINGS) == ()
    own = replace(exchange, raw=made[0].raw)
    assert notices.of_verdict(own, Message(own.raw), said, FACTS, SETTINGS) == ()


def test_without_a_smarthost_notices_lie_in_the_mailbox() -> None:
    exchange = customer()
    settings = replace(SETTINGS, outgoing=None)
    (made,) = notices.of_verdict(exchange, Message(exchange.raw), verdict(), FACTS, settings)
    assert (made.target, made.recipients, made.mail_from) == ("mailbox", ("shop@shop.example",), "")
    assert parsed(made)["To"].addresses[0].addr_spec == "owner@shop.example"


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_other_notice_can_be_read(language: str) -> None:
    settings = replace(SETTINGS, shop=replace(SETTINGS.shop, language=language))
    exchange = customer()
    broken = ReplyPlan("received", "", False, Text("x", "x"), fault=Text("壊れています {x}", "broken {x}"))
    fault = ConfigError([Fault("rules.yaml", 3, 1, Text("誤り", "wrong"))] * 50)
    made = [
        *notices.of_reply_fault(exchange, broken, settings),
        *notices.rules_fault(fault, settings),
        notices.delivery_failed(
            entry="e1", about="x1", subject="件\r\n名", results=[("a@b.example", "550 no\r\nX: y")], host="h",
            reported=True, settings=settings, target="mailbox", now=NOW,
        ),
        notices.more_failed(7, settings, target="", now=NOW),
        notices.destination_down("lmtp://127.0.0.1:24", NOW, "refused", settings, target="outgoing", now=NOW),
        notices.set_aside("e1", "件名", settings, NOW),
    ]  # fmt: skip
    for draft in made:
        message = parsed(draft)
        assert message["Subject"].startswith("【Sekisho】" if language == "ja" else "[Sekisho]")
        assert "sekisho " in message.get_content()
        assert "{" not in message.get_content().replace("{x}", "")
        assert draft.kind == "notice"
    assert made[2].target == "mailbox"
    assert notices.of_reply_fault(exchange, None, settings) == ()


def test_a_report_is_one_by_rfc_3464_with_the_headers_alone() -> None:
    exchange = customer("Message-ID: <1@example.com>", "Bcc: secret@example.com", "X-Sekisho-Verdict: deliver")
    made = report(
        exchange.raw,
        mail_from="taro@example.com",
        failures=[
            Failure("shop@shop.example", 550, "5.1.1 unknown at inner.host.internal"),
            Failure("a..b@order.shop.example", 0, "timeout", expired=True),
        ],
        facts=FACTS,
        received_at=NOW,
        settings=SETTINGS,
        now=NOW,
    )
    assert made is not None
    message = parsed(made)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["In-Reply-To"] == "<1@example.com>"
    assert (made.mail_from, made.recipients, made.kind) == ("", ("taro@example.com",), "report")
    text, status, headers = message.iter_parts()
    assert "注文" in text.get_content()
    blocks = cast("list[EmailMessage]", status.get_payload())
    assert [dict(block.items()) for block in blocks] == [
        {"Reporting-MTA": "dns; shop.example", "Arrival-Date": "Wed, 01 Jul 2026 03:04:05 +0000"},
        {"Final-Recipient": "rfc822; shop@shop.example", "Action": "failed", "Status": "5.1.1"},
        {"Final-Recipient": "rfc822; a..b@order.shop.example", "Action": "failed", "Status": "4.4.7"},
    ]
    assert headers.get_content_type() == "text/rfc822-headers"
    shown = headers.get_content()
    assert "taro@example.com" in shown
    assert "secret" not in shown
    assert b"inner.host.internal" not in made.raw
    assert b"X-Sekisho-Verdict" not in made.raw
    assert "本文" not in shown


@pytest.mark.parametrize(
    ("mail_from", "facts", "headers"),
    [
        ("", FACTS, ()),
        ("taro@example.com", {**FACTS, "authenticated": Fact(False)}, ()),
        ("taro@example.com", {**FACTS, "automatic": Fact("auto_reply")}, ()),
        ("taro@example.com", {}, ()),
        ("victim@example.org", FACTS, ()),
        ("mailer-daemon@example.com", FACTS, ()),
        ("shop@shop.example", FACTS, ()),
        ("taro@example.com", FACTS, ("X-Sekisho-Loop: shop.example",)),
        ("taro@example.com", FACTS, ("Auto-Submitted: auto-generated",)),
    ],
)
def test_no_report_where_none_may_go(mail_from: str, facts: dict[str, Fact], headers: tuple[str, ...]) -> None:
    made = report(
        customer(*headers).raw, mail_from=mail_from, failures=[Failure("shop@shop.example", 550, "no")], facts=facts,
        received_at=NOW, settings=SETTINGS, now=NOW,
    )  # fmt: skip
    assert made is None


def test_a_report_goes_also_where_the_shop_was_in_bcc() -> None:
    raw = customer().raw.replace(b"To: shop@shop.example", b"To: other@example.org")
    made = report(
        raw, mail_from="taro@example.com", failures=[Failure("shop@shop.example", 550, "no")], facts=FACTS,
        received_at=NOW, settings=SETTINGS, now=NOW,
    )  # fmt: skip
    assert made is not None
