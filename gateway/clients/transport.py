"""How a message is handed on: one protocol for every target, with an outcome for each recipient."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.model.acceptance import Leased

MAX_TEXT = 500


class Status(StrEnum):
    """What became of one recipient in one attempt."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """The outcome for one recipient: the server's reply code and text; code 0 where no server answered."""

    recipient: str
    status: Status
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class SendResult:
    """The outcome of one attempt, a result for every recipient of the entry.

    `uncertain`: the connection broke after the message was handed over and before it was answered, so that the deferred
    recipients may have it. `down`: the destination itself cannot be used now, whatever is sent.
    """

    results: tuple[RecipientResult, ...]
    host: str
    uncertain: bool = False
    down: bool = False


class Transport(Protocol):
    """A way to one target; keeps connections open between messages."""

    async def send(self, leased: Leased) -> SendResult:
        """Hand over one message; never raises but on cancellation."""

    async def close(self) -> None:
        """Say goodbye and close every connection; bounded in time."""


def same_for_all(recipients: Iterable[str], status: Status, code: int, text: str) -> tuple[RecipientResult, ...]:
    """The same outcome for all of the recipients, the text made safe to keep."""
    kept = safe(text)
    return tuple(RecipientResult(recipient, status, code, kept) for recipient in recipients)


def status_of(code: int) -> Status:
    """The status that a reply code stands for (RFC 5321 §4.2.1); what is no reply code at all is temporary."""
    if 200 <= code < 300:
        return Status.DELIVERED
    return Status.FAILED if 500 <= code < 600 else Status.DEFERRED


def safe(text: str) -> str:
    """Reply text of a stranger's server as one bounded line of printable characters."""
    if text.isprintable() and len(text) <= MAX_TEXT:
        return text
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * MAX_TEXT]).split())[:MAX_TEXT]
