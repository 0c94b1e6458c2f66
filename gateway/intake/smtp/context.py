"""What all sessions of one server share: the policy of the moment, limits, numbers, and where messages go."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gateway.intake.smtp.limits import Connections, Memory
from gateway.intake.smtp.phase import OpenSession
from gateway.intake.smtp.recipients import Recipients
from gateway.model.exchange import Exchange
from gateway.model.network import Network
from gateway.model.settings import Settings, Smtp, SmtpLimits
from gateway.model.smtp_reply import SmtpReply

if TYPE_CHECKING:
    from gateway.intake.smtp.tls import Certificates

Receive = Callable[[Exchange], Awaitable[SmtpReply]]


@lru_cache(maxsize=1)
def machine_name() -> str:
    """The machine's own name, without asking DNS."""
    return socket.gethostname() or "localhost"


def host_name(settings: Settings) -> str:
    """The name in the banner, in trace headers and as authserv-id (RFC 8601 §2.2)."""
    return (settings.smtp.hostname if settings.smtp else "") or machine_name()


@dataclass(frozen=True)
class Policy:
    """The part of the settings that sessions ask, ready for use; replaced as a whole on a reload."""

    hostname: str
    limits: SmtpLimits
    recipients: Recipients
    proxies: tuple[Network, ...]
    relays: tuple[Network, ...]
    greeting: bytes
    helo: bytes
    ehlo: bytes
    ehlo_starttls: bytes

    @classmethod
    def of(cls, settings: Settings, smtp: Smtp) -> Policy:
        """The policy that these settings say."""
        name = host_name(settings)
        offers = ["PIPELINING", f"SIZE {smtp.limits.max_size}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "HELP"]
        return cls(
            hostname=name,
            limits=smtp.limits,
            recipients=Recipients(settings.shop.addresses),
            proxies=smtp.proxy_protocol_from,
            relays=smtp.trusted_relays,
            greeting=f"220 {name} ESMTP\r\n".encode(),
            helo=f"250 {name}\r\n".encode(),
            ehlo=_listing([name, *offers]),
            ehlo_starttls=_listing([name, "STARTTLS", *offers]),
        )


def _listing(lines: list[str]) -> bytes:
    told = [f"250-{line}\r\n" for line in lines[:-1]]
    return "".join([*told, f"250 {lines[-1]}\r\n"]).encode()


@dataclass
class Numbers:
    """What happened since the start."""

    connections: int = 0
    connections_refused: int = 0
    tls_sessions: int = 0
    tls_failed: int = 0
    messages: int = 0  # answered 2xx at the end of data
    messages_refused: int = 0  # answered 4xx or 5xx at the end of data
    recipients_refused: int = 0
    bytes: int = 0  # of the messages answered 2xx
    lost_in_data: int = 0
    left_before_reply: int = 0
    timeouts: int = 0
    failures: int = 0  # exceptions of our own


@dataclass
class Context:
    """Shared by all sessions; `log` is a structlog logger or one like it."""

    loop: asyncio.AbstractEventLoop
    policy: Policy
    receive: Receive
    ready_to_accept: Callable[[], SmtpReply | None]
    connections: Connections
    memory: Memory
    log: Any
    certificates: Certificates | None = None
    numbers: Numbers = field(default_factory=Numbers)
    sessions: set[OpenSession] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    stopping: bool = False
