"""Runs the dialogues of this folder, each against a real SMTP server on loopback, in every event loop we support.

A dialogue reads from top to bottom, one thing a line:

    # a comment; the first one says what the dialogue shows
    @ limits max_size=1000 errors=3     the server's limits
    @ shop order@shop.example @b.example   the shop's addresses (shop@shop.example without it)
    @ tls | implicit_tls                with a certificate | with TLS from the first byte
    @ proxy 127.0.0.0/8                 networks that must speak PROXY
    @ receive 550 5.7.1 Text            what each message is answered | fail: it raises | slow 0.3: seconds
    @ not_ready 452 4.3.1 Text          what each MAIL is answered
    c: TEXT      the client sends a line, CR LF added
    c! BYTES     the client sends exactly this; \\r \\n \\0 \\xNN are escapes, {N*TEXT} repeats
    s: PATTERN   the server says this line; * stands for anything
    s: (closed)  the server closes the connection in good order
    s: (gone)    the connection ends, be it by a reset
    (pause 0.2) (close) (reset) (half-close) (tls) (again)    again: a new connection
    = received 1                        so many messages came through; then, of the last one:
    = from a@b.example   = to a@b.example c@d.example   = raw BYTES   = ip 192.0.2.1   = tls yes|no   = utf8 yes|no
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.intake.smtp import SmtpServer
from gateway.model.exchange import Exchange
from gateway.model.network import parse_network
from gateway.model.settings import Listen, Settings, Shop, Smtp, SmtpLimits, TlsFiles
from gateway.model.smtp_reply import SmtpReply, accepted
from tests.servers.trust import Trust

FILES = sorted(Path(__file__).parent.glob("*.txt"))
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
try:
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop
except ImportError:  # an optional dependency
    pass


def unescape(text: str) -> bytes:
    text = re.sub(r"\{(\d+)\*([^}]*)\}", lambda m: int(m[1]) * m[2], text)
    return re.sub(rb"\\(r|n|0|\\|x[0-9a-f]{2})", _escape, text.encode())


def _escape(match: re.Match[bytes]) -> bytes:
    named = {b"r": b"\r", b"n": b"\n", b"0": b"\0", b"\\": b"\\"}
    return named.get(match[1]) or bytes.fromhex(match[1][1:].decode())


def fits(line: str, pattern: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), line, re.DOTALL) is not None


def a_reply(text: str) -> SmtpReply:
    code, enhanced, said = text.split(" ", 2)
    return SmtpReply(int(code), enhanced, said)


class Play:
    """One dialogue being played."""

    def __init__(self, lines: list[str], trust: Trust) -> None:
        self.lines = lines
        self.trust = trust
        self.came: list[Exchange] = []
        self.answer = ""
        self.not_ready: SmtpReply | None = None
        self.tls_first = False
        self.settings = self._settings()

    def _settings(self) -> Settings:
        smtp = Smtp(listen=(), hostname="mx.shop.example")
        shop: tuple[str, ...] = ("shop@shop.example",)
        limits: dict[str, float] = {}
        for line in self.lines:
            kind, _, value = line.removeprefix("@ ").partition(" ")
            if not line.startswith("@ "):
                continue
            if kind == "limits":
                for word in value.split():
                    name, _, number = word.partition("=")
                    limits[name] = type(getattr(SmtpLimits(), name))(number)
            elif kind == "shop":
                shop = tuple(value.split())
            elif kind in ("tls", "implicit_tls"):
                smtp = replace(smtp, tls=TlsFiles(self.trust.certificate, self.trust.key))
                self.tls_first = kind == "implicit_tls"
            elif kind == "proxy":
                network = parse_network(value)
                assert network is not None
                smtp = replace(smtp, proxy_protocol_from=(network,))
            elif kind == "receive":
                self.answer = value
            elif kind == "not_ready":
                self.not_ready = a_reply(value)
            else:
                raise AssertionError(line)
        listen = (Listen("127.0.0.1", 0, self.tls_first),)
        return Settings(shop=Shop(addresses=shop), smtp=replace(smtp, listen=listen, limits=SmtpLimits(**limits)))  # type: ignore[arg-type]

    async def receive(self, exchange: Exchange) -> SmtpReply:
        if self.answer.startswith("slow"):
            await asyncio.sleep(float(self.answer.split()[1]))
        self.came.append(exchange)
        if self.answer == "fail":
            raise RuntimeError("the secret database at 10.0.0.1 is down")
        if self.answer and self.answer[0].isdigit():
            return a_reply(self.answer)
        return accepted(exchange.id)

    async def play(self) -> None:
        server = SmtpServer(self.settings, self.receive, ready_to_accept=lambda: self.not_ready)
        await server.start()
        self.port = server.addresses[0].port
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for number, line in enumerate(self.lines, 1):
                try:
                    async with asyncio.timeout(10):
                        await self.step(line)
                except (AssertionError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                    raise AssertionError(f"line {number}: {line}\n{type(error).__name__} {error}") from error
        finally:
            self.writer.close()
            await server.stop(1.0)
        left = server.numbers()
        assert (left["sessions"], left["memory"]) == (0, 0)

    async def step(self, line: str) -> None:
        if line.startswith("c: "):
            self.writer.write(line[3:].encode() + b"\r\n")
        elif line.startswith("c! "):
            self.writer.write(unescape(line[3:]))
        elif line == "s: (closed)":
            assert await self.reader.read() == b""
        elif line == "s: (gone)":
            with suppress(ConnectionResetError):
                assert await self.reader.read() == b""
        elif line.startswith("s: "):
            said = (await self.reader.readuntil(b"\r\n")).decode()[:-2]
            assert fits(said, line[3:]), f"said: {said}"
        elif line.startswith("("):
            await self.direct(line[1:-1])
        elif line.startswith("= "):
            await self.check(*line[2:].partition(" ")[::2])
        else:
            assert not line or line[0] in "#@", "not a line of a dialogue"

    async def direct(self, what: str) -> None:
        if what.startswith("pause"):
            await asyncio.sleep(float(what.split()[1]))
        elif what == "half-close":
            self.writer.write_eof()
        elif what == "close":
            self.writer.close()
        elif what == "reset":
            sock: socket.socket = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        elif what == "again":
            self.writer.close()
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        elif what == "tls":
            context = ssl.create_default_context(cafile=str(self.trust.ca))
            await self.writer.start_tls(context, server_hostname="localhost")
        else:
            raise AssertionError(what)

    async def check(self, what: str, value: str) -> None:
        if what == "received":
            for _ in range(100):
                if len(self.came) >= int(value):
                    break
                await asyncio.sleep(0.02)
            assert len(self.came) == int(value), f"{len(self.came)} came"
            return
        last = self.came[-1]
        found: dict[str, object] = {
            "from": last.envelope.mail_from,
            "to": " ".join(last.envelope.recipients),
            "raw": last.raw,
            "ip": last.envelope.peer.ip,
            "proxy": last.envelope.peer.proxy,
            "helo": last.envelope.peer.helo,
            "tls": "yes" if last.envelope.peer.tls else "no",
            "utf8": "yes" if last.envelope.smtputf8 else "no",
            "dialogue": "\n".join(last.envelope.dialogue),
        }
        if what == "dialogue":
            assert fits(str(found[what]), value), found[what]
        else:
            assert found[what] == (unescape(value) if what == "raw" else value), f"was {found[what]!r}"


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_dialogue(file: Path, loop: str, trust: Trust) -> None:
    lines = file.read_text("utf-8").splitlines()
    assert any(line.startswith(("s: ", "= ")) for line in lines), "a dialogue that checks nothing"
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(Play(lines, trust).play())
