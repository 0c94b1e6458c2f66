"""Messages that the gateway writes itself, as bytes: ASCII headers, UTF-8 text, no way into a header from outside."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from email.header import Header
from email.utils import format_datetime

from gateway.model.address import domain_of, fold_domain
from gateway.model.settings import Settings

LOOP_MARK = "X-Sekisho-Loop"
_LINE = 76
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}@[!-;=?-~]{1,250}>")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~. -]{1,60}")


def loop_mark(settings: Settings) -> str:
    """The name under which this shop marks what it sends by itself: the domain of its contact address."""
    domain = domain_of(settings.shop.contact)
    return domain if domain.isascii() and domain else "sekisho"


def message_id(identifier: str, settings: Settings) -> str:
    """The Message-ID of a message of ours (RFC 5322 §3.6.4)."""
    return f"<{identifier}@{loop_mark(settings)}>"


def local_time(at: datetime, settings: Settings) -> str:
    """A time as the shop writes it, in its zone and language."""
    local = at.astimezone(settings.shop.timezone)
    if settings.shop.language == "ja":
        return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}"
    return f"{local:%Y-%m-%d %H:%M %Z}"


def message_ids(text: str) -> tuple[str, ...]:
    """The message ids in a header value that a stranger wrote; what is none is left out."""
    return tuple(_MESSAGE_ID.findall(text[:65536]))


def text_field(name: str, value: str) -> bytes:
    """A header of free text: encoded-words where it is not ASCII (RFC 2047), folded, always one header."""
    clean = " ".join(_CONTROL.sub(" ", value).split())
    if clean.isascii() and "=?" not in clean and len(name) + len(clean) < _LINE:
        return f"{name}: {clean}\r\n".encode()
    return f"{name}: {_encoded(clean, name)}\r\n".encode("ascii")


def token_field(name: str, tokens: Iterable[str]) -> bytes:
    """A header of tokens that must not be encoded, such as message ids, folded between them."""
    lines = [f"{name}:"]
    for token in tokens:
        if len(lines[-1]) + 1 + len(token) > _LINE and lines[-1] != f"{name}:":
            lines.append("")
        lines[-1] += " " + _CONTROL.sub("", token)
    return "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n"


def mailbox_field(name: str, address: str, display: str = "") -> bytes:
    """A header with one address and, where given, the name of its owner (RFC 5322 §3.4)."""
    path = f"<{header_address(address)}>"
    if not display.strip():
        return token_field(name, [path])
    shown = f'"{display}"' if _PLAIN_NAME.fullmatch(display) else _encoded(_CONTROL.sub(" ", display)[:200], name)
    return f"{name}: {shown}\r\n {path}\r\n".encode("utf-8", "replace")


def header_address(address: str) -> str:
    """An address as it may stand in a header: no control characters, the domain in ASCII."""
    local, at, domain = _CONTROL.sub("", address).rpartition("@")
    return f"{local}{at}{domain if domain.isascii() else fold_domain(domain)}"


def text_part(text: str) -> bytes:
    """The MIME headers and body of a plain text; base64 unless it is ASCII with short lines (RFC 2045 §6)."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
    crlf = "\r\n".join(lines) + "\r\n"
    head = b'Content-Type: text/plain; charset="utf-8"\r\n'
    if crlf.isascii() and "\x00" not in crlf and max(map(len, lines)) <= 998:
        return head + b"Content-Transfer-Encoding: 7bit\r\n\r\n" + crlf.encode()
    coded = base64.encodebytes(crlf.encode("utf-8", "replace")).replace(b"\n", b"\r\n")
    return head + b"Content-Transfer-Encoding: base64\r\n\r\n" + coded


def machine_fields(
    settings: Settings, *, identifier: str, now: datetime, to: str, subject: str, submitted: str
) -> list[bytes]:
    """The headers of everything that we send: who, when, and that no machine should answer (RFC 3834 §5)."""
    sender = (settings.outgoing.sender if settings.outgoing else "") or settings.shop.contact
    return [
        f"Date: {format_datetime(now.astimezone(settings.shop.timezone))}\r\n".encode(),
        mailbox_field("From", sender, settings.shop.name),
        mailbox_field("To", to),
        text_field("Subject", subject),
        token_field("Message-ID", [message_id(identifier, settings)]),
        f"Auto-Submitted: {submitted}\r\n".encode(),
        b"X-Auto-Response-Suppress: All\r\n",
        token_field(LOOP_MARK, [loop_mark(settings)]),
    ]


def threading_fields(answered: str, references: Sequence[str]) -> list[bytes]:
    """In-Reply-To and References towards the message that is answered (RFC 5322 §3.6.4); none where it has no id."""
    if not answered:
        return []
    earlier = [reference for reference in references if reference != answered]
    kept = [*earlier[:1], *earlier[1:][-8:], answered]  # the thread's root and its newest links
    return [token_field("In-Reply-To", [answered]), token_field("References", kept)]


def assemble(fields: Iterable[bytes], text: str) -> bytes:
    """A whole message of one plain text, CRLF lines."""
    return b"".join([*fields, b"MIME-Version: 1.0\r\n", text_part(text)])


def _encoded(text: str, name: str) -> str:
    clean = text.encode("utf-8", "replace").decode()  # a surrogate cannot be encoded
    return Header(clean, "utf-8", _LINE, name).encode(linesep="\r\n")
