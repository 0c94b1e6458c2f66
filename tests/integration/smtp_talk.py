"""A server of ours with a recorder behind it, and a client that speaks line by line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.intake.smtp import SmtpServer
from gateway.model.exchange import Exchange
from gateway.model.settings import Listen, Settings, Shop, Smtp, SmtpLimits
from gateway.model.smtp_reply import SmtpReply, accepted

OPEN = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<shop@shop.example>\r\nDATA\r\n"


class Log:
    """A structlog logger that remembers."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **values: self.said.append((level, event, values))

    def events(self) -> list[str]:
        return [event for _, event, _ in self.said]


@dataclass
class House:
    """The server, what it received, and what it logged. `gate` holds every commit back while it is clear."""

    server: SmtpServer
    log: Log
    came: list[Exchange] = field(default_factory=list)
    begun: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    fail: BaseException | None = None

    @property
    def port(self) -> int:
        return self.server.addresses[0].port

    async def receive(self, exchange: Exchange) -> SmtpReply:
        self.begun += 1
        await self.gate.wait()
        if self.fail is not None:
            raise self.fail
        self.came.append(exchange)
        return accepted(exchange.id)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def line(self, timeout: float = 5.0) -> str:
        async with asyncio.timeout(timeout):
            return (await self.reader.readline()).decode().rstrip()

    async def say(self, data: bytes, timeout: float = 5.0) -> str:
        """Send, and give the last line of one reply."""
        self.send(data)
        while (line := await self.line(timeout))[3:4] == "-":
            pass
        return line

    async def begin(self) -> Client:
        """Everything up to 354."""
        assert (await self.line()).startswith("220")
        assert (await self.say(b"HELO a\r\n")).startswith("250")
        for command in OPEN.splitlines(keepends=True):
            last = await self.say(command)
        assert last.startswith("354")
        return self

    async def closed(self, timeout: float = 5.0) -> bool:
        async with asyncio.timeout(timeout):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                return True


async def connect(port: int) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", port))


@asynccontextmanager
async def house(**limits: Any) -> AsyncIterator[House]:
    """A running server; `smtp` may give other parts of its settings."""
    more = limits.pop("smtp", {})
    smtp = Smtp(**{
        "listen": (Listen("127.0.0.1", 0),), "hostname": "mx.shop.example", "limits": SmtpLimits(**limits), **more
    })  # fmt: skip
    log = Log()
    here: list[House] = []
    server = SmtpServer(settings_of(smtp), lambda exchange: here[0].receive(exchange), log=log)
    here.append(House(server, log))
    here[0].gate.set()
    await server.start()
    try:
        yield here[0]
    finally:
        here[0].gate.set()
        await server.stop(1.0)


def settings_of(smtp: Smtp, *addresses: str) -> Settings:
    return Settings(shop=Shop(addresses=addresses or ("shop@shop.example",)), smtp=smtp)


async def until(what: Any, timeout: float = 5.0) -> None:
    """Wait until `what()` holds."""
    async with asyncio.timeout(timeout):
        while not what():
            await asyncio.sleep(0.01)
