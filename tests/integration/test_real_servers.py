"""The suite's own servers: what they take arrives byte for byte, so that a test may blame us and not them."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.servers.process import WANT, want
from tests.servers.sink import run_sink, smtp_source

if TYPE_CHECKING:
    from tests.servers.dovecot import Dovecot
    from tests.servers.postfix import Postfix
    from tests.servers.rspamd import Rspamd
    from tests.servers.sink import Sink

MAIL = (
    b"From: =?iso-2022-jp?B?GyRCOzNFRBsoQg==?= <yamada@mail.example>\r\nTo: shop@shop.example\r\n"
    b"Subject: =?iso-2022-jp?B?GyRCQ21KOBsoQg==?=\r\n\r\n"
    b"\x1b$BCmJ8\x1b(B\r\n..two dots\r\n. and a dot\r\n\ttab and trailing space \r\n\r\n" + b"x" * 900 + b"\r\n"
)


def test_dovecot_keeps_what_lmtp_brings(dovecot: Dovecot) -> None:
    with smtplib.LMTP("127.0.0.1", dovecot.lmtp_port) as client:
        assert client.sendmail("yamada@mail.example", ["kept@shop.example"], MAIL) == {}
    (found,) = dovecot.wait_for("kept@shop.example")
    assert found.endswith(MAIL)


def test_sink_keeps_what_it_takes(smtp_sink: Sink) -> None:
    with smtplib.SMTP("127.0.0.1", smtp_sink.port) as client:
        client.sendmail("yamada@mail.example", ["shop@shop.example"], MAIL)
    smtp_sink.wait_for(1)
    assert smtp_sink.messages() == [MAIL]


def test_sink_refuses_what_a_test_wants_refused() -> None:
    with run_sink(options=("-r", "RCPT")) as sink, smtplib.SMTP("127.0.0.1", sink.port) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            client.sendmail("yamada@mail.example", ["shop@shop.example"], MAIL)
        assert next(iter(refused.value.recipients.values()))[0] == 450


@pytest.mark.parametrize("reuse", [False, True], ids=["a connection each", "connections reused"])
def test_postfix_relays_what_smtp_source_sends(
    postfix_relaying_to: Callable[..., Postfix], smtp_sink: Sink, reuse: bool
) -> None:
    postfix = postfix_relaying_to(smtp_sink.port)
    smtp_source(postfix.port, 30, sessions=5, length=4096, reuse=reuse)
    smtp_sink.wait_for(30)
    postfix.wait_until_empty()
    messages = smtp_sink.messages()
    assert len(messages) == 30
    assert all(message.startswith(b"Received: from") and b"XXXXXXXX" in message for message in messages)


def test_rspamd_sees_mail_as_a_milter(rspamd: Rspamd, smtp_sink: Sink) -> None:
    from tests.servers.postfix import run_postfix

    gtube = b"Subject: spam\r\n\r\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
    with run_postfix(smtp_sink.port, {"smtpd_milters": rspamd.milter, "milter_default_action": "tempfail"}) as postfix:
        with smtplib.SMTP("127.0.0.1", postfix.port) as client:
            with pytest.raises(smtplib.SMTPDataError) as refused:
                client.sendmail("spam@mail.example", ["shop@shop.example"], gtube)
            assert refused.value.smtp_code == 554
            client.sendmail("yamada@mail.example", ["shop@shop.example"], MAIL)
        smtp_sink.wait_for(1)
    assert [message.endswith(MAIL.partition(b"\r\n\r\n")[2]) for message in smtp_sink.messages()] == [True]


def test_want_skips_at_home_and_fails_where_servers_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("SEKISHO_REQUIRE_SERVERS", raising=False)
    with pytest.raises(pytest.skip.Exception) as skipped:
        want("dovecot", "package dovecot-imapd")
    assert str(skipped.value) == f"{WANT}dovecot (package dovecot-imapd)"
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no server: dovecot"):
        want("dovecot", "package dovecot-imapd")
