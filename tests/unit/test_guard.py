"""Whether an automatic reply may go: each condition by itself, and all that fail are named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from filters.authentication_texts import SPF_EVERYBODY
from gateway.mime.message import Message
from gateway.model.acceptance import ReplyPlan
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.fact import UNKNOWN, Fact
from gateway.model.settings import Outgoing, Replies, Settings, Shop, Target
from gateway.model.verdict import Action, Outcome, ReplyOrder, Verdict
from gateway.replies.guard import plan
from gateway.replies.templates import Templates

SETTINGS = Settings(
    shop=Shop(name="和み工房", addresses=("shop@shop.example", "@order.shop.example")),
    outgoing=Outgoing(Target("smtp", "smtp.shop.example", 587), sender="reply@shop.example"),
    replies=Replies(per_day=100, per_address=2),
)
TEMPLATES = Templates(Path("/nonexistent"), SETTINGS)
FACTS = {
    "authenticated": Fact(True),
    "automatic": Fact("no"),
    "spf": Fact("none"),
}
NOW = datetime(2026, 7, 1, 3, 4, 5, tzinfo=UTC)


def ask(
    *headers: str,
    sender: str = "taro@example.com",
    mail_from: str | None = None,
    to: str = "shop@shop.example",
    settings: Settings = SETTINGS,
    only_if: str = "authenticated",
    template: str = "received",
    templates: Templates = TEMPLATES,
    **facts: Fact,
) -> ReplyPlan:
    fields = [f"From: {sender}", f"To: {to}", "Subject: x", "Message-ID: <1@example.com>", *headers]
    raw = "\r\n".join([*fields, "", "hello", ""]).encode("utf-8", "surrogateescape")
    envelope = Envelope(sender if mail_from is None else mail_from, ("shop@shop.example",), Peer("192.0.2.1"))
    exchange = Exchange(raw, envelope, received_at=NOW)
    action = Action(Outcome.DELIVER, reply=ReplyOrder(template, 3600, only_if))
    made = plan({**FACTS, **facts}, Verdict(action, "r", "x:1", "h"), Message(raw), exchange, settings, templates, NOW)
    assert made is not None
    return made


def test_a_reply_goes_where_everything_holds() -> None:
    made = ask()
    assert made.would_send
    assert made.draft is not None
    assert made.draft.recipients == ("taro@example.com",)
    assert made.draft.mail_from == ""
    assert made.draft.target == "outgoing"
    assert (made.to, made.once_per, made.per_address, made.per_day) == ("taro@example.com", 3600, 2, 100)
    assert str(made.why) == "Every condition for a reply holds."


def test_no_plan_where_the_rule_orders_no_reply() -> None:
    exchange = Exchange(b"\r\n", Envelope("a@b.example", (), Peer("")))
    verdict = Verdict(Action(Outcome.DELIVER), "r", "x:1", "h")
    assert plan(FACTS, verdict, Message(b"\r\n"), exchange, SETTINGS, TEMPLATES, NOW) is None


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated (by cron)",
        "Auto-Submitted: auto-forwarded",
        "Auto-Submitted: auto-notified; owner-email=x",
        "List-Id: <l.example.com>",
        "List-Unsubscribe: <mailto:x@y.example>",
        "Precedence: bulk",
        "Precedence: LIST",
        "Precedence: junk",
        "Precedence: auto_reply",
        "X-Auto-Response-Suppress: All",
        "X-Auto-Response-Suppress: DR, AutoReply",
        "X-Auto-Response-Suppress: OOF",
        "X-Autoreply: yes",
        "X-Sekisho-Loop: other-shop.example",
    ],
)
def test_headers_of_machines_get_no_answer(header: str) -> None:
    made = ask(header)
    assert not made.would_send
    assert made.draft is None
    assert header.split(":")[0] in str(made.why)


@pytest.mark.parametrize("header", ["Auto-Submitted: no", "Auto-Submitted: No (human)", "Precedence: first-class"])
def test_headers_of_people_do(header: str) -> None:
    assert ask(header).would_send


@pytest.mark.parametrize(
    "address",
    [
        "MAILER-DAEMON@example.com", "postmaster@example.com", "no-reply@example.com", "noreply@example.com",
        "do_not_reply@example.com", "donotreply@example.com", "order.no-reply@example.com", "noreply-123@example.com",
        "owner-list@example.com", "list-owner@example.com", "list-request@example.com", "list-bounces@example.com",
        "bounce+abc=def.example@example.com", "bounces@example.com", "root@example.com",
    ],
)  # fmt: skip
def test_addresses_of_programs_get_no_answer(address: str) -> None:
    made = ask(sender=address)
    assert not made.would_send
    assert "address of a program" in str(made.why)


@pytest.mark.parametrize(
    "address", ["norely@example.com", "domino@example.com", "bounty@example.com", "a..b@docomo.ne.jp"]
)
def test_people_with_names_like_that_do(address: str) -> None:
    assert ask(sender=address).would_send


def test_null_sender_gets_no_answer() -> None:
    made = ask(mail_from="")
    assert not made.would_send
    assert "null" in str(made.why)


@pytest.mark.parametrize(
    "address",
    ["shop@shop.example", "ＳＨＯＰ@shop.example", "x@order.shop.example", "support@shop.example", "owner@shop.example",
     "reply@shop.example"],
)  # fmt: skip
def test_the_shop_does_not_answer_itself(address: str) -> None:
    made = ask(sender=address)
    assert not made.would_send
    assert "the shop's own" in str(made.why)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"authenticated": Fact(False)}, "Neither SPF nor DKIM"),
        ({"authenticated": Fact(UNKNOWN)}, "could not be found out whether it comes"),
        ({"automatic": Fact("bounce")}, "No person wrote it (bounce)"),
        ({"automatic": Fact(UNKNOWN)}, "could not be found out whether a person"),
    ],
)
def test_facts_that_forbid(facts: dict[str, Fact], words: str) -> None:
    made = ask(**facts)
    assert not made.would_send
    assert words in str(made.why)


def test_only_if_any_answers_unauthenticated_mail_and_nothing_else() -> None:
    assert ask(only_if="any", authenticated=Fact(False)).would_send
    assert not ask("List-Id: x", only_if="any", authenticated=Fact(False)).would_send
    assert not ask(only_if="any", authenticated=Fact(False), mail_from="victim@example.org").would_send


def test_backscatter_by_an_envelope_sender_beside_an_authenticated_from_is_refused() -> None:
    """DKIM proves From alone: a reply to a forged MAIL FROM, also at the same provider, would hit a stranger."""
    for victim in ("victim@example.org", "victim@example.com"):
        made = ask(sender="attacker@example.com", mail_from=victim)
        assert not made.would_send
        assert f"Nothing shows that the envelope sender {victim}" in str(made.why)


def test_an_envelope_sender_proved_by_spf_is_answered() -> None:
    made = ask(mail_from="SRS0=ab=cd=example.com=taro@forwarder.example", spf=Fact("pass"))
    assert made.would_send
    assert made.draft is not None
    assert made.draft.recipients == ("SRS0=ab=cd=example.com=taro@forwarder.example",)
    assert made.to == "taro@example.com"  # counted under who is behind it


def test_spf_of_a_domain_that_lets_everybody_pass_proves_nothing() -> None:
    note = SPF_EVERYBODY.with_(domain="forwarder.example", mechanism="+all")
    assert not ask(mail_from="x@forwarder.example", spf=Fact("pass", note)).would_send


def test_batv_is_answered_in_full_and_counted_without() -> None:
    made = ask(mail_from="prvs=1234abcdef=taro@example.com")
    assert made.would_send
    assert made.draft is not None
    assert made.draft.recipients == ("prvs=1234abcdef=taro@example.com",)
    assert made.to == "taro@example.com"


def test_the_shop_must_be_named() -> None:
    assert not ask(to="someone@example.com").would_send
    assert "not named" in str(ask(to="undisclosed-recipients:;").why)
    assert ask("Cc: 注文 <abc@order.shop.example>", to="someone@example.com").would_send


def test_exactly_one_from() -> None:
    assert "exactly one" in str(ask(sender="a@example.com, b@example.com", mail_from="a@example.com").why)
    assert "exactly one" in str(ask("From: b@example.com").why)
    assert not ask(sender="nobody here", mail_from="a@example.com").would_send


@pytest.mark.parametrize(
    "address",
    ["taro", "taro@localhost", "taro@[192.0.2.1]", "taro@-x.example", "a" * 65 + "@example.com", "a@b..example"],
)
def test_addresses_that_cannot_be(address: str) -> None:
    made = ask(sender=address)
    assert not made.would_send
    assert "no address that mail can go to" in str(made.why)


def test_all_reasons_are_listed() -> None:
    made = ask(
        "Auto-Submitted: auto-replied", mail_from="", to="x@y.example", authenticated=Fact(False),
        settings=replace(SETTINGS, outgoing=None), template="nothing",
    )  # fmt: skip
    for words in ("outgoing", "null", "Auto-Submitted", "Neither SPF", "not named", "`nothing`"):
        assert words in str(made.why)
    assert "。" in made.why.in_("ja")


def test_a_template_that_breaks_withholds_the_reply_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "heavy.ja.txt").write_text(
        "x\n{% for a in sender_name %}{% for b in range(300) %}{% endfor %}{% endfor %}"
    )
    templates = Templates(tmp_path, SETTINGS)
    assert ask(template="heavy", templates=templates).would_send
    long = ask(
        sender="a very long name <taro@example.com>",
        mail_from="taro@example.com",
        template="heavy",
        templates=templates,
    )
    assert not long.would_send
    assert long.draft is None
    assert long.fault is not None
    assert "takes too long" in str(long.why)


def test_a_header_too_large_to_read_withholds_the_reply() -> None:
    made = ask(*(f"X-{n}: y" for n in range(20_000)))
    assert not made.would_send
    assert made.draft is None
