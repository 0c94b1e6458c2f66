"""The SMTP envelope and the peer that handed it over (RFC 5321 §2.3.1)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS session a message came in over, as the peer negotiated it."""

    version: str
    cipher: str
    bits: int = 0


@dataclass(frozen=True, slots=True)
class Peer:
    """Who connected: IP in text form, port, and the TLS session if any.

    `ip` is the client that a PROXY header from a trusted network names, otherwise the socket's peer; then `proxy` is
    the socket's peer. IPv4-mapped IPv6 addresses are written as IPv4.
    """

    ip: str
    port: int = 0
    helo: str = ""
    extended: bool = True  # greeted with EHLO
    tls: Tls | None = None
    proxy: str = ""
    local: str = ""  # our end, "ip:port"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The envelope as received; "" is the null reverse-path. `dialogue` is the session's commands and replies."""

    mail_from: str
    recipients: tuple[str, ...]
    peer: Peer
    smtputf8: bool = False
    dialogue: tuple[str, ...] = field(default=(), compare=False)
