"""Real programs hand us mail: Postfix over STARTTLS, smtp-source, Python's smtplib. The bytes arrive as sent."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gateway.intake.smtp import SmtpServer
from gateway.model.exchange import Exchange
from gateway.model.settings import Listen, Settings, Shop, Smtp, TlsFiles
from gateway.model.smtp_reply import ACCEPTED, SmtpReply
from tests.servers.sink import smtp_source

if TYPE_CHECKING:
    from tests.servers.postfix import Postfix
    from tests.servers.trust import Trust

BODY = (
    b"\x1b$BCmJ8$K$D$$$F\x1b(B\r\n.\x1b$B@hF,$NE@\x1b(B\r\n..two dots\r\n\ttab, trailing blank \r\n\r\n"
    + bytes(range(0x80, 0x100))
    + b"\r\n"
    + b"x" * 990
    + b"\r\n"
)
HEADERS = (
    b"From: yamada@mail.example\r\nTo: shop@shop.example\r\nSubject: =?iso-2022-jp?B?GyRCQ21KOBsoQg==?=\r\n"
    b"Message-ID: <1@mail.example>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0900\r\n"
)
MAIL = HEADERS + b"\r\n" + BODY


@dataclass
class Arrivals:
    """An SMTP server of ours that keeps what it receives in memory."""

    port: int = 0
    exchanges: list[Exchange] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, exchange: Exchange) -> SmtpReply:
        self.exchanges.append(exchange)
        self.changed.set()
        return ACCEPTED

    async def wait_for(self, count: int, timeout: float = 20.0) -> list[Exchange]:
        async with asyncio.timeout(timeout):
            while len(self.exchanges) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.exchanges


@pytest.fixture
async def arrivals(trust: Trust) -> AsyncIterator[Arrivals]:
    here = Arrivals()
    smtp = Smtp(
        listen=(Listen("127.0.0.1", 0),), tls=TlsFiles(trust.certificate, trust.key), hostname="mx.shop.example"
    )
    server = SmtpServer(Settings(shop=Shop(addresses=("shop@shop.example",)), smtp=smtp), here.receive)
    await server.start()
    here.port = server.addresses[0].port
    yield here
    await server.stop(1.0)


def in_thread(work: Callable[[], object]) -> Awaitable[object]:
    return asyncio.get_running_loop().run_in_executor(None, work)


async def test_postfix_relays_to_us_over_starttls_with_a_verified_certificate(
    arrivals: Arrivals, postfix_relaying_to: Callable[..., Postfix]
) -> None:
    def send() -> Postfix:
        postfix = postfix_relaying_to(arrivals.port, "verify")
        with smtplib.SMTP("127.0.0.1", postfix.port) as client:
            client.sendmail("yamada@mail.example", ["shop@shop.example"], MAIL, ["BODY=8BITMIME"])
        return postfix

    await in_thread(send)
    (exchange,) = await arrivals.wait_for(1)
    assert exchange.raw.startswith(b"Received: from ")
    assert exchange.raw.endswith(MAIL)
    assert exchange.envelope.mail_from == "yamada@mail.example"
    assert exchange.envelope.recipients == ("shop@shop.example",)
    assert exchange.envelope.peer.helo == "postfix.test"
    tls = exchange.envelope.peer.tls
    assert tls is not None
    assert tls.version == "TLSv1.3"


async def test_postfix_keeps_its_mail_while_we_answer_4xx(
    postfix_relaying_to: Callable[..., Postfix],
) -> None:
    answers = [SmtpReply(451, "4.3.0", "Later"), SmtpReply(451, "4.3.0", "Later"), ACCEPTED]
    seen: list[int] = []

    async def receive(exchange: Exchange) -> SmtpReply:
        seen.append(answers[len(seen)].code)
        return answers[len(seen) - 1]

    smtp = Smtp(listen=(Listen("127.0.0.1", 0),), hostname="mx.shop.example")
    server = SmtpServer(Settings(shop=Shop(addresses=("shop@shop.example",)), smtp=smtp), receive)
    await server.start()
    try:

        def send() -> None:
            postfix = postfix_relaying_to(server.addresses[0].port)
            smtp_source(postfix.port, 1, sessions=1)
            postfix.wait_until_empty(timeout=40)

        await in_thread(send)
        assert seen == [451, 451, 250]
    finally:
        await server.stop(1.0)


@pytest.mark.parametrize("reuse", [False, True], ids=["a connection each", "connections reused"])
async def test_smtp_source_sends_two_hundred_messages_over_twenty_sessions(arrivals: Arrivals, reuse: bool) -> None:
    await in_thread(lambda: smtp_source(arrivals.port, 200, sessions=20, reuse=reuse))
    exchanges = await arrivals.wait_for(200)
    assert len(exchanges) == 200
    assert len({exchange.raw.partition(b"Message-Id: ")[2].partition(b"\r\n")[0] for exchange in exchanges}) == 200
    assert all(exchange.raw.endswith(b"X\r\n") for exchange in exchanges)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "STARTTLS"])
async def test_smtplib_sends_byte_for_byte(arrivals: Arrivals, trust: Trust, tls: bool) -> None:
    def send() -> None:
        with smtplib.SMTP("localhost", arrivals.port) as client:
            if tls:
                client.starttls(context=trust.client_context())
            assert client.sendmail("yamada@mail.example", ["shop@shop.example"], MAIL) == {}

    await in_thread(send)
    (exchange,) = await arrivals.wait_for(1)
    assert exchange.raw == MAIL
    assert (exchange.envelope.peer.tls is not None) == tls
