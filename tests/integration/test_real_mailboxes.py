"""The gateway as a process hands mail to real mailboxes: the body arrives byte for byte under our trace headers."""

from __future__ import annotations

import smtplib
import time
from typing import TYPE_CHECKING

import pytest

from tests.servers.gateway import run_gateway
from tests.servers.process import tail
from tests.servers.sink import smtp_source

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.dovecot import Dovecot
    from tests.servers.gateway import Gateway
    from tests.servers.sink import Sink

MAIL = (
    b"From: yamada@mail.example\r\nTo: shop@shop.example\r\nMessage-ID: <1@mail.example>\r\n"
    b"Subject: =?iso-2022-jp?B?GyRCQ21KOBsoQg==?=\r\nDate: Sat, 21 Nov 2026 12:00:00 +0900\r\n\r\n"
    b"\x1b$BCmJ8$K$D$$$F\x1b(B\r\n.\x1b$B@hF,$NE@\x1b(B\r\n..two dots\r\n\ttab, trailing blank \r\n\r\n"
    + bytes(range(0x80, 0x100))
    + b"\r\n"
    + b"x" * 990
    + b"\r\n"
)


def send(gateway: Gateway, recipient: str = "shop@shop.example") -> None:
    with smtplib.SMTP("127.0.0.1", gateway.port) as client:
        assert client.sendmail("yamada@mail.example", [recipient], MAIL, ["BODY=8BITMIME"]) == {}


def trace_headers(received: bytes) -> bytes:
    """What stands above the message, which itself must be as it was sent."""
    assert received.endswith(MAIL)
    top = received.removesuffix(MAIL)
    assert top.endswith(b"\r\n")
    return top


def test_dovecot_gets_the_mail_by_lmtp(dovecot: Dovecot) -> None:
    with run_gateway(f"lmtp://127.0.0.1:{dovecot.lmtp_port}") as gateway:
        send(gateway, "lmtp@shop.example")
        (received,) = dovecot.wait_for("lmtp@shop.example")
    top = trace_headers(received)
    assert b"\r\nAuthentication-Results: " in top
    assert b"\r\nX-Sekisho-" in top


def test_smtp_sink_gets_the_mail_by_smtp(smtp_sink: Sink) -> None:
    with run_gateway(f"smtp://127.0.0.1:{smtp_sink.port}") as gateway:
        send(gateway)
        smtp_sink.wait_for(1)
    (received,) = smtp_sink.messages()
    assert trace_headers(received).startswith(b"Received: from ")


def test_a_maildir_gets_the_mail(tmp_path: Path) -> None:
    box = tmp_path / "box"
    with run_gateway(f"maildir:{box}") as gateway:
        send(gateway)
        end = time.monotonic() + 20
        while not (found := list(box.glob("new/*"))):
            assert time.monotonic() < end, tail(gateway.log)
            time.sleep(0.05)
    (received,) = [path.read_bytes() for path in found]
    trace_headers(received.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("reuse", [False, True], ids=["a connection each", "connections reused"])
def test_what_smtp_source_hands_over_arrives_once_each(smtp_sink: Sink, reuse: bool) -> None:
    with run_gateway(f"smtp://127.0.0.1:{smtp_sink.port}") as gateway:
        smtp_source(gateway.port, 300, sessions=20, reuse=reuse)
        smtp_sink.wait_for(300)
        time.sleep(1)  # a second copy would come now
        assert smtp_sink.count == 300
        ids = {message.partition(b"\r\nMessage-Id: ")[2].partition(b"\r\n")[0] for message in smtp_sink.messages()}
        assert len(ids) == 300
