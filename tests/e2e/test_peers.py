"""Mail goes all the way: from Postfix, smtp-source and smtplib through the daemon to Dovecot, smtp-sink and Maildir."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.e2e.client import exchange_id, send
from tests.e2e.gateway import Gateway, below_trace, by_id, running
from tests.servers.process import wait_until
from tests.servers.sink import run_sink, smtp_source

if TYPE_CHECKING:
    from tests.servers.dovecot import Dovecot
    from tests.servers.postfix import Postfix
    from tests.servers.trust import Trust

NewGateway = Callable[..., Gateway]

# What servers and libraries are tempted to change: dots, blanks at line ends, raw JIS, all of 0x80-0xff, long lines.
BODY = (
    b"\x1b$BCmJ8$K$D$$$F\x1b(B\r\n.one dot\r\n..two dots\r\n.\x1b$B@hF,$NE@\x1b(B\r\n\ttab, trailing blanks  \r\n\r\n"
    + bytes(range(0x80, 0x100))
    + b"\r\n"
    + b"x" * 990
    + b"\r\nFrom the beginning of a line\r\n\r\n\r\n"
)
MAIL = (
    b"From: =?iso-2022-jp?B?GyRCOzNFRBsoQg==?= <yamada@mail.example>\r\nTo: shop@shop.example\r\n"
    b"Subject: =?iso-2022-jp?B?GyRCQ21KOBsoQg==?=\r\nX-Odd:  \tblanks  \r\n folded \r\nMessage-ID: <1@mail.example>\r\n"
    b"Date: Sat, 21 Nov 2026 12:00:00 +0900\r\nMime-Version: 1.0\r\nContent-Type: text/plain; charset=x-unknown\r\n\r\n"
) + BODY


def test_postfix_over_starttls_to_dovecot_by_lmtp(
    new_gateway: NewGateway, postfix_relaying_to: Callable[..., Postfix], dovecot: Dovecot, trust: Trust
) -> None:
    tls = {"certificate": str(trust.certificate), "key": str(trust.key)}
    gateway = new_gateway(smtp={"tls": tls}, mailbox=f"lmtp://127.0.0.1:{dovecot.lmtp_port}")
    user = "postfix@order.shop.example"
    with running(gateway):
        postfix = postfix_relaying_to(gateway.port, "verify")
        with smtplib.SMTP("127.0.0.1", postfix.port) as client:
            assert client.sendmail("yamada@mail.example", [user], MAIL, ["BODY=8BITMIME"]) == {}
        (found,) = dovecot.wait_for(user)
        postfix.wait_until_empty()
        gateway.wait_drained()
        (row,) = gateway.messages()
        record = gateway.records("mail.in")[0]
    # Dovecot puts its own lines on top, Postfix its Received below our block
    ours = found[found.index(b"Received: from postfix.test") :]
    assert below_trace(ours).startswith(b"Received: from ")
    assert below_trace(ours).endswith(MAIL)
    assert below_trace(ours) == gateway.stored(row.id)
    assert b"with ESMTPS\r\n (TLSv1.3 " in ours
    assert record["peer"]["tls"]["version"] == "TLSv1.3"
    assert row.state == "delivered"


def test_smtp_source_through_postfix_to_smtp_sink(
    new_gateway: NewGateway, postfix_relaying_to: Callable[..., Postfix]
) -> None:
    with run_sink() as sink:
        gateway = new_gateway(mailbox=f"smtp://127.0.0.1:{sink.port}")
        with running(gateway):
            postfix = postfix_relaying_to(gateway.port)
            smtp_source(postfix.port, 40, sessions=8, reuse=True)
            smtp_source(gateway.port, 60, sessions=20)
            sink.wait_for(100)
            postfix.wait_until_empty()
            gateway.wait_drained()
            rows = gateway.messages()
            arrived = by_id(sink.messages())
            assert len(rows) == 100
            assert sorted(arrived) == sorted(row.id for row in rows)
            for row in rows[:10] + rows[-10:]:
                (relayed,) = arrived[row.id]
                assert below_trace(relayed) == gateway.stored(row.id)
                assert relayed.endswith(b"X\r\n")
            assert gateway.verify().fault is None


@pytest.mark.parametrize("target", ["maildir", "lmtp", "smtp"])
def test_smtplib_to_every_kind_of_mailbox_byte_for_byte(new_gateway: NewGateway, dovecot: Dovecot, target: str) -> None:
    user = f"{target}@order.shop.example"
    with run_sink() as sink:
        mailbox = {
            "maildir": "maildir:maildir",
            "lmtp": f"lmtp://127.0.0.1:{dovecot.lmtp_port}",
            "smtp": f"smtp://127.0.0.1:{sink.port}",
        }[target]
        gateway = new_gateway(mailbox=mailbox)
        with running(gateway):
            code, said = send(gateway.port, MAIL, "yamada@mail.example", user)
            assert code == 250, said
            gateway.wait_drained()
            delivered: Callable[[], list[bytes]] = {
                "maildir": lambda: [raw for found in gateway.delivered().values() for raw in found],
                "lmtp": lambda: dovecot.wait_for(user),
                "smtp": lambda: sink.messages(),
            }[target]
            wait_until(lambda: len(delivered()) == 1, "the message in the mailbox")
        (found,) = delivered()
    ours = found[found.index(b"Received: from mail.customer.example") :]
    assert below_trace(ours) == MAIL
    assert gateway.stored(exchange_id(said)) == MAIL


def test_several_recipients_are_one_message_on_record_and_reach_each_of_them(
    new_gateway: NewGateway, dovecot: Dovecot
) -> None:
    gateway = new_gateway(mailbox=f"lmtp://127.0.0.1:{dovecot.lmtp_port}")
    users = [f"several{number}@order.shop.example" for number in range(3)]
    with running(gateway):
        with smtplib.SMTP("127.0.0.1", gateway.port) as client:
            assert client.sendmail("yamada@mail.example", users, MAIL, ["BODY=8BITMIME"]) == {}
        for user in users:
            (found,) = dovecot.wait_for(user)
            assert found.endswith(MAIL)
            assert not any(other.encode() in found.partition(MAIL)[0] for other in users if other != user)
        gateway.wait_drained()
        assert len(gateway.messages()) == 1
        (delivery,) = gateway.records("delivery")
    assert [result["recipient"] for result in delivery["results"]] == users
