"""What one incoming message leaves behind: everything that a single transaction writes before the peer gets its 250."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.model.exchange import Exchange, new_id
from gateway.model.fact import Fact
from gateway.model.origin import Origin
from gateway.model.verdict import Verdict
from gateway.text import Text


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that the gateway itself wrote: a reply, a notice, a delivery report. `raw` has CRLF lines."""

    kind: str  # reply | notice | report
    raw: bytes
    mail_from: str
    recipients: tuple[str, ...]
    subject: str
    id: str = field(default_factory=new_id)
    target: str = "outgoing"  # mailbox | outgoing


@dataclass(frozen=True, slots=True)
class ReplyPlan:
    """What the guard found before the transaction: would a reply go, to whom, and why (not).

    `draft` is None where it would not. The transaction counts earlier replies under its lock (`once_per` seconds for
    this template, `per_address` and `per_day` a day) and may still withhold it.
    """

    template: str
    to: str  # folded address
    would_send: bool
    why: Text
    draft: Draft | None = None
    once_per: int = 86400
    per_address: int = 3
    per_day: int = 500
    fault: Text | None = None  # the template could not be filled in: the owner is told


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One entry of the queue: send message `message` to `recipients` by `target`."""

    kind: str  # deliver | forward | reply | notice | report
    target: str  # mailbox | outgoing
    message: str  # id
    mail_from: str
    recipients: tuple[str, ...]
    id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One screened message, ready to be remembered."""

    exchange: Exchange
    sender: str  # folded key under which the sender is recorded
    origin: Origin | None
    facts: Mapping[str, Fact]
    verdict: Verdict
    trace: bytes  # header lines for the top of the relayed copy, CRLF
    subject: str = ""
    from_header: str = ""
    message_id: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)  # JSON for the record
    reply: ReplyPlan | None = None
    dispatches: tuple[Dispatch, ...] = ()  # deliveries and forwards of the message itself
    notices: tuple[Draft, ...] = ()
    language: str = "ja"  # the language that notes are kept in
    state: str = ""  # of the message; "" where it follows from the verdict


@dataclass(frozen=True, slots=True)
class Leased:
    """A queue entry in the hands of this node: what to send, where to, and how often it was tried."""

    id: str
    kind: str
    target: str
    message: str
    mail_from: str
    recipients: tuple[str, ...]
    raw: bytes  # the relayed copy: trace headers and message
    created_at: datetime
    attempts: int = 0
    crashes: int = 0
    about: str = ""  # the exchange that gave rise to it


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the transaction did: the log's sequence number, the reply as finally decided, the work leased to us."""

    seq: int
    reply_sent: bool
    reply_why: Text | None
    leased: tuple[Leased, ...]
