"""Machine-readable delivery status (RFC 3464), tolerant of what mail systems make of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.mime import charset
from gateway.mime.headers import Headers, parse_headers
from gateway.mime.parts import Part

STATUS: Final = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_FIELDS: Final = 64 * 1024  # bytes of a status part that are read
_RECIPIENTS: Final = 500
_TYPED: Final = re.compile(r"^\s*(?:(?:rfc822|smtp|dns|utf-8|system|unknown|x-\w+|local)\s*[;:]\s*)+", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"(?<![^\s<>()\[\],;:\"'])[^\s<>()\[\],;:\"']+@[^\s<>()\[\],;:\"']+")
_FAILED: Final = ("failed", "failure", "delayed", "fail", "error", "expired", "undeliverable")


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient of a report: address, action and status in lower case, and the diagnosis as the server wrote it."""

    address: str
    action: str
    status: str
    reason: str

    @property
    def failed(self) -> bool:
        """Whether delivery failed, or is late."""
        if self.action:
            return self.action.startswith(_FAILED)
        return not self.status.startswith("2")


def is_status(part: Part) -> bool:
    """Whether a part holds delivery status fields."""
    return part.content_type in ("message/delivery-status", "message/global-delivery-status")


def read_status(data: bytes) -> tuple[Recipient, ...]:
    """The recipients of a delivery status part, in order."""
    data = data[:_FIELDS].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    found: list[Recipient] = []
    block: list[bytes] = []
    for line in [*data.split(b"\n"), b""]:
        if line.strip():
            block.append(line)
            continue
        if not block:
            continue
        headers, _ = parse_headers(b"\n".join(block))
        block = []
        recipient = _recipient(headers)
        if recipient is not None:
            found.append(recipient)
        if len(found) >= _RECIPIENTS:
            break
    return tuple(found)


def _recipient(headers: Headers) -> Recipient | None:
    address = ""
    for name in (
        "original-recipient",
        "final-recipient",
        "x-actual-recipient",
        "original-rcpt-to",
        "x-original-recipient",
    ):
        address = address_in(_value(headers, name))
        if address:
            break
    action = _value(headers, "action").strip().lower().split(None, 1)
    status = STATUS.search(_value(headers, "status"))
    reason = _TYPED.sub("", _value(headers, "diagnostic-code") or _value(headers, "x-supplementary-info")).strip()
    if not address and not action and not status:
        return None
    named = status[1] if status else ""
    exact = STATUS.search(reason)
    if exact and (not named or named.endswith(".0.0")) and (not named or exact[1][0] == named[0]):
        named = exact[1]
    return Recipient(address, action[0].strip("() ") if action else "", named, reason)


def _value(headers: Headers, name: str) -> str:
    values = headers.raw(name)
    return " ".join(charset.guess(values[0]).split()) if values else ""


def address_in(value: str) -> str:
    """The address in a typed field value such as `rfc822; <a@b>`, "" for none (RFC 3464 §2.3.1)."""
    found = _ADDRESS.search(_TYPED.sub("", value[:1000]))
    return found.group().strip(".'`") if found else ""
