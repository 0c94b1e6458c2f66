"""An exchange: one message on its way through the gateway, from the wire to the transaction."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from gateway.model.envelope import Envelope


def new_id() -> str:
    """A fresh exchange or queue id: 16 characters out of a-z2-7, 80 random bits."""
    return base64.b32encode(os.urandom(10)).decode("ascii").lower()


@dataclass(frozen=True)
class Exchange:
    """A message as received: the raw bytes (CRLF lines, never re-serialised), its envelope, and when it came (UTC)."""

    raw: bytes
    envelope: Envelope
    id: str = field(default_factory=new_id)
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    source: str = "smtp"  # smtp | imap | explain

    @cached_property
    def sha256(self) -> bytes:
        """SHA-256 of the raw bytes."""
        return hashlib.sha256(self.raw).digest()

    @property
    def size(self) -> int:
        """Size of the raw bytes."""
        return len(self.raw)
