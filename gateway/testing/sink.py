"""An SMTP server that keeps what it is given: the outside world of demo and tests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Taken:
    """One message that the sink took."""

    mail_from: str
    recipients: tuple[str, ...]
    raw: bytes


@dataclass
class SmtpSink:
    """Listens on loopback while it is used as an async context manager; `taken` holds the messages in order.

    `refuse` maps a recipient to the reply it gets at RCPT.
    """

    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> SmtpSink:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="sink.example", enable_SMTPUTF8=True, loop=loop), "127.0.0.1", self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse whom `refuse` names."""
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the message."""
        content: Any = envelope.original_content or envelope.content or b""
        sender = "" if envelope.mail_from in (None, "<>") else str(envelope.mail_from)
        self.taken.append(Taken(sender, tuple(envelope.rcpt_tos), bytes(content)))
        return "250 2.0.0 Ok: kept"
