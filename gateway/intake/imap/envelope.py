"""The exchange that a mail in a mailbox stands for: its envelope is read from what the provider wrote on top."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from filters.origin import Outside, before_provider
from gateway.errors import MimeLimit
from gateway.mime.message import Message
from gateway.model.address import domain_of, fold_address
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.mailbox import Place
from gateway.model.settings import Imap, Shop

MOST_RECIPIENTS = 20
_RECIPIENT_FIELDS = ("delivered-to", "x-original-to", "envelope-to", "to", "cc")
_TRACE = re.compile(
    rb"(return-path|delivered-to|x-original-to|envelope-to|received(-spf)?|authentication-results|x-sekisho-[a-z-]+"
    rb"|x-spam[a-z-]*|dkim-[a-z-]+|arc-[a-z-]+|x-virus-[a-z-]+)[ \t]*:",
    re.IGNORECASE,
)
_LONGEST_PREFIX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Arrived:
    """A mail as it lies in the mailbox; `headed` is false where its header is too large or broken to read."""

    exchange: Exchange
    message: Message
    headed: bool = True


def arrived(raw: bytes, place: Place, account: Imap, shop: Shop, at: datetime | None) -> Arrived:
    """The exchange with the sender of Return-Path (else From), and the hop before the provider as peer."""
    message = Message(raw)
    now = datetime.now(UTC)
    try:
        outside = before_provider(message, account.trusted_relays)
        mail_from, recipients = return_path(message), _recipients(message, account, shop)
        headed = True
    except MimeLimit:
        outside, mail_from, recipients, headed = Outside("", "", "", 0), "", (_own(account, shop),), False
    envelope = Envelope(mail_from, recipients, Peer(outside.ip, helo=outside.helo))
    received_at = min(at, now) if at is not None else now
    return Arrived(
        Exchange(raw, envelope, received_at=received_at, source="imap", account=place.account), message, headed
    )


def return_path(message: Message) -> str:
    """What the provider noted as envelope sender: the Return-Path above every Received; From where there is none.

    From is the sender's own word: an answer goes there only if the domain proves to be its own.
    """
    for name, value in message.headers.fields:
        if name == "received":
            break
        if name == "return-path":
            text = value.decode("utf-8", "replace").strip()
            return text[1:-1].strip() if text[:1] == "<" and text[-1:] == ">" else text
    boxes = message.addresses("from")
    return boxes[0].address if len(boxes) == 1 else ""


def is_draft(message: Message, flags: frozenset[str]) -> bool:
    """Whether a person is still writing it, or keeps it as a template."""
    try:
        return "\\draft" in flags or "x-mozilla-draft-info" in message.headers
    except MimeLimit:
        return False


def transit_date(message: Message) -> datetime | None:
    """When the provider received it, by the date of the topmost Received; None where that does not tell."""
    try:
        tops = message.headers.raw("received")[:1]
    except MimeLimit:
        return None
    for value in tops:
        text = value[-200:].decode("latin-1").rpartition(";")[2]
        try:
            found = parsedate_to_datetime(" ".join(text.split()))
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    return None


def claimed_ids(raw: bytes) -> tuple[str, ...]:
    """Ids of ours in the header lines on top, at most three: a mail that was through our hands bears one."""
    head = raw[:_LONGEST_PREFIX].partition(b"\r\n\r\n")[0]
    found = re.findall(rb"^x-sekisho-id:[ \t]*([a-z2-7]{16})[ \t]*\r?$", head, re.IGNORECASE | re.MULTILINE)
    return tuple(word.decode("ascii") for word in found[:3])


def only_trace(prefix: bytes) -> bool:
    """Whether `prefix` is nothing but header lines that servers put on top: a copy of ours has no other."""
    if len(prefix) > _LONGEST_PREFIX or (prefix and not prefix.endswith(b"\r\n")):
        return False
    lines = prefix.split(b"\r\n")[:-1]
    return all(
        _TRACE.match(line) or (line[:1] in (b" ", b"\t") and line.strip() and at) for at, line in enumerate(lines)
    )


def _recipients(message: Message, account: Imap, shop: Shop) -> tuple[str, ...]:
    """The shop's own addresses that the header names, else the account's."""
    found: dict[str, str] = {}
    for name in _RECIPIENT_FIELDS:
        for box in message.addresses(name)[:200]:
            folded = fold_address(box.address)
            if folded in shop.addresses or f"@{domain_of(folded)}" in shop.addresses:
                found.setdefault(folded, box.address)
    return tuple(found.values())[:MOST_RECIPIENTS] or (_own(account, shop),)


def _own(account: Imap, shop: Shop) -> str:
    if "@" in account.user:
        return account.user
    return next((address for address in shop.addresses if not address.startswith("@")), shop.contact)
