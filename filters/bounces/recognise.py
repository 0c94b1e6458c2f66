"""Deciding whether a message is a non-delivery report, and reading it."""

from __future__ import annotations

import re
from typing import Final

from filters.bounces import phrases
from filters.bounces.bounce import Bounce
from filters.bounces.fallback import detected_addresses
from filters.bounces.notification import read_notification
from filters.bounces.signs import Signs, read_signs
from filters.bounces.status import STATUS, Recipient, is_status, read_status
from gateway.mime.addresses import parse_addresses
from gateway.mime.message import Message
from gateway.mime.parts import Part

_TEXT: Final = 16 * 1024  # characters of a body that are looked at
_STATUS: Final = 64 * 1024  # bytes of a status part
_REASON: Final = 500
_OTHER_REPORTS: Final = frozenset(("message/feedback-report", "message/disposition-notification"))
_COPIES: Final = frozenset(
    ("message/rfc822", "message/global", "text/rfc822-headers", "text/rfc822-header", "text/rfc822")
)


def looks_like_bounce(message: Message, *, null: bool) -> Signs | None:
    """The signs of a report in the header section, or None where there are none; cheap."""
    signs = read_signs(message, null=null)
    return signs if signs.any else None


def recognise(message: Message, signs: Signs) -> Bounce | None:
    """The report that `message` is, or None. Parses the body; may take tens of milliseconds: call it in a thread.

    Raises `MimeLimit`.
    """
    parts = message.parts()
    if any(part.content_type in _OTHER_REPORTS for part in parts):
        return None
    if "x-amz-sns-message-id" in message.headers:
        return read_notification(parts[0].text() if parts else "")
    recipients = [r for part in _with_inner(parts, signs) if is_status(part) for r in read_status(part.data(_STATUS))]
    recipients = recipients or _loose_status(parts, signs)
    failed = [r for r in recipients if r.failed]
    if recipients and not failed:
        return None  # a report of success
    text = _said(message)
    if not _decide(signs, failed, parts, message, text):
        return None
    addresses = _addresses(message, signs, failed, parts, text)
    return Bounce(addresses[0] if addresses else "", addresses, *_why(addresses[0] if addresses else "", failed, text))


def _decide(signs: Signs, failed: list[Recipient], parts: tuple[Part, ...], message: Message, text: str) -> bool:
    """One sign may be chance; a machine-readable status, or two signs of which one is a mail system's, are not.

    Customers write about failed deliveries and returns too, so no words count without a sign of a mail system.
    """
    if any(is_status(part) for part in parts) and (signs.report or failed):
        return signs.any
    if signs.named:
        return True
    told = phrases.FAILED.search(text) is not None
    if failed and told:
        return True
    if signs.system:
        return signs.subject or told or (signs.report and signs.daemon)
    technical = phrases.TECHNICAL.search(text) is not None
    if signs.null:
        copied = any(part.content_type in _COPIES for part in parts) or phrases.COPY.search(message.body()[:_TEXT])
        return (told and (technical or bool(copied))) or (signs.subject and (technical or told))
    return signs.subject and told and technical


def _with_inner(parts: tuple[Part, ...], signs: Signs) -> list[Part]:
    """The parts, and those of a report that a gateway has wrapped into another message."""
    if any(is_status(part) for part in parts) or not signs.any:
        return list(parts)
    found = list(parts)
    for part in parts:
        if part.content_type == "message/rfc822":
            inner = Message(part.data(4 * _STATUS))
            if read_signs(inner, null=False).report:
                found += inner.parts()
    return found


def _loose_status(parts: tuple[Part, ...], signs: Signs) -> list[Recipient]:
    """Status fields that a mail system wrote into its text."""
    found: list[Recipient] = []
    for part in parts[:3]:
        if part.content_type != "text/plain" or not (signs.report or signs.daemon or signs.null):
            continue
        text = part.text()[:_TEXT]
        at = text.lower().find("final-recipient:")
        if at < 0 or not (phrases.FAILED.search(text, 0, at) or signs.subject):
            continue
        lines = text[:at].splitlines()
        start = len(lines)
        while start > 0 and re.match(r"[A-Za-z-]{3,40}:", lines[start - 1].strip()):
            start -= 1
        block = "\n".join(
            [*(line.strip() for line in lines[start:]), *(x.strip() for x in text[at:].splitlines()[:12])]
        )
        found += read_status(block.encode())
    return found


def _said(message: Message) -> str:
    """What the mail system says itself, up to the copy of the message that came back."""
    text = message.body()[:_TEXT]
    copy = phrases.COPY.search(text)
    return text[: copy.start()] if copy and copy.start() > 20 else text


def _addresses(
    message: Message, signs: Signs, failed: list[Recipient], parts: tuple[Part, ...], text: str
) -> tuple[str, ...]:
    machine = [r.address for r in failed if "@" in r.address]
    if machine:
        return _unique(machine)
    if signs.named:
        return _unique(signs.named)
    own = {box.address.lower() for name in ("to", "delivered-to", "from", "sender") for box in message.addresses(name)}
    pointed = _pointed(text, own)
    if pointed:
        return pointed
    sent_to = _sent_to(message, parts)
    if len(sent_to) == 1:
        return sent_to
    detected = detected_addresses(message.raw)
    if detected:
        return _unique(detected)
    return sent_to or _pointed(text, set())


def _pointed(text: str, own: set[str]) -> tuple[str, ...]:
    told = phrases.FAILED.search(text)
    from_there = max(0, text.rfind("\n", 0, told.start())) if told else 0
    for part in (text[from_there:], text):
        for form in phrases.POINTING:
            found = [m[1].strip(".'`<>*") for m in form.finditer(part)]
            found = [a for a in found if phrases.ADDRESS.fullmatch(a) and _somebody(a, own)]
            if found:
                return _unique(found)
        found = [a for a in phrases.ADDRESS.findall(part) if _somebody(a, own)]
        if found:
            return (found[0].strip("."),)
    return ()


def _somebody(address: str, own: set[str]) -> bool:
    return address.lower() not in own and not phrases.NOBODY.match(address)


def _sent_to(message: Message, parts: tuple[Part, ...]) -> tuple[str, ...]:
    """The recipients of the message that came back."""
    for part in parts:
        if part.content_type in _COPIES:
            inner = Message(part.data(64 * 1024).lstrip())
            return _unique([box.address for box in inner.addresses("to")])
    body = message.body()[: 2 * _TEXT]
    copy = phrases.COPY.search(body)
    if copy is not None:
        to = re.search(r"^[ \t>]*to:[ \t]*(.{3,500})$", body[copy.start() :], re.IGNORECASE | re.MULTILINE)
        if to is not None:
            return _unique([box.address for box in parse_addresses(to[1].encode())])
    return ()


def _why(address: str, failed: list[Recipient], text: str) -> tuple[str, str]:
    """Status and reason: the report's fields, else the server's reply, else the words beside the address."""
    status = failed[0].status if failed else ""
    reason = failed[0].reason if failed else ""
    if not reason:
        reply = phrases.REPLY_LINE.search(text)
        reason = reply[1] if reply else _beside(address, text)
    if not reason and not failed:
        because = phrases.BECAUSE.search(text)
        told = phrases.FAILED.search(text)
        if because is not None:
            reason = because[1]
        elif told is not None:
            reason = text[text.rfind("\n", 0, told.start()) + 1 :].split("\n", 1)[0]
    if not status:
        exact = STATUS.search(reason) or STATUS.search(text)
        status = exact[1] if exact else ""
    return status, " ".join(reason.split())[:_REASON]


def _beside(address: str, text: str) -> str:
    """What stands behind the address, or on the lines right below it."""
    at = text.find(address) if address else -1
    if at < 0:
        return ""
    rest = text[at + len(address) : at + len(address) + 1000].split("\n\n", 1)[0]
    reason = rest.lstrip(">)]:;,.*\"' \t\n-")
    return reason if len(reason) > 8 and not phrases.ADDRESS.fullmatch(reason.strip("<>")) else ""


def _unique(addresses: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address for address in addresses if address))
