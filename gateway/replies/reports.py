"""Non-delivery reports to the sender of a mail that could not be handed on (RFC 3464, RFC 6522)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from gateway.errors import MimeLimit
from gateway.mime.message import Message
from gateway.model.acceptance import Draft
from gateway.model.exchange import new_id
from gateway.model.fact import Facts
from gateway.model.settings import Settings
from gateway.replies.compose import header_address, machine_fields, message_ids, text_part, threading_fields
from gateway.replies.guard import refusals
from gateway.text import Text

MOST_HEADER = 32 * 1024  # bytes of the original's header section
_STATUS = re.compile(r"(?:^|\s)([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")
_FIELD = re.compile(rb"[!-9;-~]+:")
# What the original said to the gateway alone, or what tells of the inside of the shop.
_INTERNAL = re.compile(rb"(?:x-sekisho-[!-9;-~]*|authentication-results|delivered-to|bcc)$", re.IGNORECASE)

SUBJECT = Text("メールをお届けできませんでした", "Your message could not be delivered")
BODY = Text(
    """お送りいただいた次のメールは、{shop}のメールボックスへお届けできませんでした。
お手数ですが、時間をおいて送り直していただくか、別の方法でご連絡ください。

件名：{subject}
宛先：{recipients}

このメールは自動でお送りしています。
""",
    """The message below could not be delivered to the mailbox of {shop}.
Please send it again later, or reach us in another way. We are sorry for the trouble.

Subject: {subject}
To:      {recipients}

This message was sent automatically.
""",
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A recipient that was given up on; `code` 0 where no server answered. `expired`: tried for as long as allowed."""

    recipient: str
    code: int
    text: str
    expired: bool = False

    @property
    def status(self) -> str:
        """The enhanced status code (RFC 3463)."""
        if self.expired:
            return "4.4.7"
        found = _STATUS.search(self.text)
        if found and found[1].startswith("5"):
            return found[1]
        return "5.0.0"


def report(
    raw: bytes,
    *,
    mail_from: str,
    failures: Sequence[Failure],
    facts: Facts,
    received_at: datetime,
    settings: Settings,
    now: datetime,
) -> Draft | None:
    """The report for the sender of `raw`; None where none may be sent: to null, automatic or unproven senders."""
    message = Message(raw)
    try:
        if not failures or any(refusals(facts, message, mail_from, settings, named=False)):
            return None
        answered = next(iter(message_ids(message.message_id)), "")
        subject = " ".join(message.subject.split())[:150]
    except MimeLimit:
        return None
    identifier = new_id()
    language = settings.shop.language
    boundary = f"report-{identifier}"
    title = SUBJECT.in_(language)
    fields = [
        *machine_fields(
            settings, identifier=identifier, now=now, to=mail_from, subject=title, submitted="auto-replied"
        ),
        *threading_fields(answered, ()),
        b"MIME-Version: 1.0\r\n",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"\r\n\r\n'.encode(),
    ]
    recipients = ", ".join(header_address(failure.recipient) for failure in failures)
    body = BODY.with_(shop=settings.shop.name, subject=subject or "-", recipients=recipients).in_(language)
    parts = [
        text_part(body),
        b"Content-Type: message/delivery-status\r\n\r\n" + _status(failures, received_at, settings),
        b"Content-Type: text/rfc822-headers\r\n\r\n" + _headers(raw),
    ]
    opening = f"--{boundary}\r\n".encode()
    whole = b"".join([*fields, *(opening + part + b"\r\n" for part in parts), f"--{boundary}--\r\n".encode()])
    return_path = settings.outgoing.return_path if settings.outgoing else ""
    return Draft("report", whole, return_path, (mail_from,), title, identifier)


def _status(failures: Sequence[Failure], received_at: datetime, settings: Settings) -> bytes:
    """The machine-readable part (RFC 3464 §2). What our own servers said stays inside; the status code tells enough."""
    name = (settings.smtp.hostname if settings.smtp else "") or settings.shop.contact.rpartition("@")[2]
    lines = [f"Reporting-MTA: dns; {name}", f"Arrival-Date: {format_datetime(received_at.astimezone(UTC))}"]
    for failure in failures:
        address = header_address(failure.recipient)
        kind = "rfc822" if address.isascii() else "utf-8"
        lines += ["", f"Final-Recipient: {kind}; {address}", "Action: failed", f"Status: {failure.status}"]
    return ("\r\n".join(lines) + "\r\n").encode("utf-8", "replace")


def _headers(raw: bytes) -> bytes:
    """The header section of the message as it came, bounded, without what is ours alone."""
    kept: list[bytes] = []
    size, inside = 0, False
    for line in raw[: 4 * MOST_HEADER].split(b"\n"):
        line = line.rstrip(b"\r")
        if not line:
            break
        if line[:1] not in (b" ", b"\t"):
            if not _FIELD.match(line):
                break
            inside = bool(_INTERNAL.match(line.partition(b":")[0]))
        size += len(line) + 2
        if size > MOST_HEADER:
            break
        if not inside:
            kept.append(line[:990])
    return b"".join(line + b"\r\n" for line in kept)
