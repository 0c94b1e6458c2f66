"""An exchange: one message on its way through the gateway, from the wire to the transaction."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from gateway.model.envelope import Envelope

# base32 digits whose order is also that of their characters
_IN_ORDER = bytes.maketrans(b"0123456789ABCDEFGHIJKLMNOPQRSTUV", b"234567abcdefghijklmnopqrstuvwxyz")


def new_id() -> str:
    """A fresh exchange or queue id: 16 characters out of a-z2-7; later ids sort after earlier ones.

    44 bits are the time in milliseconds, 36 are random: rows that are written together stand together in every index.
    """
    number = (time.time_ns() // 1_000_000 & (1 << 44) - 1) << 36 | int.from_bytes(os.urandom(5), "big") >> 4
    return base64.b32hexencode(number.to_bytes(10, "big")).translate(_IN_ORDER).decode("ascii")


@dataclass(frozen=True)
class Exchange:
    """A message as received: the raw bytes (CRLF lines, never re-serialised), its envelope, and when it came (UTC)."""

    raw: bytes
    envelope: Envelope
    id: str = field(default_factory=new_id)
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    source: str = "smtp"  # smtp | imap | explain
    account: str = ""  # imap: the name of the mailbox it lies in

    @cached_property
    def sha256(self) -> bytes:
        """SHA-256 of the raw bytes."""
        return hashlib.sha256(self.raw).digest()

    @property
    def size(self) -> int:
        """Size of the raw bytes."""
        return len(self.raw)
