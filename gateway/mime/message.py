"""A message as its sender wrote it, parsed on demand, once, and within limits."""

from __future__ import annotations

import re
from functools import cached_property

from gateway.mime import emoji, html, limits, quotes
from gateway.mime.addresses import Mailbox, parse_addresses
from gateway.mime.headers import Headers, parse_headers
from gateway.mime.parts import Part, find_parts

_MESSAGE_ID = re.compile(r"<[^<>\s]*>")


class Message:
    """Raw bytes seen as a message (RFC 5322, MIME). Synchronous; nothing is parsed before it is asked for.

    Everything may raise `MimeLimit` on a message beyond `gateway.mime.limits`, and nothing else.
    """

    def __init__(self, raw: bytes) -> None:
        if b"\r" in raw and b"\n" not in raw:
            raw = raw.replace(b"\r", b"\n")  # line ends of old Mac files
        self.raw = raw
        self._boxes: dict[str, tuple[Mailbox, ...]] = {}

    @cached_property
    def _top(self) -> tuple[Headers, int]:
        return parse_headers(self.raw)

    @property
    def headers(self) -> Headers:
        """The header section."""
        return self._top[0]

    @property
    def body_start(self) -> int:
        """The offset of the body in `raw`."""
        return self._top[1]

    @property
    def subject(self) -> str:
        """The decoded Subject, "" for none."""
        return self.headers.get("subject") or ""

    @property
    def message_id(self) -> str:
        """The Message-ID with its brackets, "" for none (RFC 5322 §3.6.4)."""
        value = self.headers.get("message-id") or ""
        found = _MESSAGE_ID.search(value)
        return found.group() if found else value.strip()

    def addresses(self, name: str) -> tuple[Mailbox, ...]:
        """The mailboxes of every field of this name, in order."""
        found = self._boxes.get(name)
        if found is None:
            carrier = self.headers.carrier
            values = self.headers.raw(name)
            found = self._boxes[name] = tuple(box for value in values for box in parse_addresses(value, carrier))
        return found

    @cached_property
    def heavy(self) -> bool:
        """Whether parsing may take more than a few milliseconds and belongs into a worker thread."""
        raw = self.raw
        if len(raw) <= limits.SMALL_BYTES:
            return False
        return len(raw) > limits.LIGHT_BYTES or raw.count(b"\n--") > limits.LIGHT_DELIMITERS

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        return find_parts(self.raw, self.headers, self.body_start)

    def parts(self) -> tuple[Part, ...]:
        """The leaves in order; a message that is no multipart is one leaf."""
        return self._parts

    def attachments(self) -> tuple[Part, ...]:
        """What is attached, also to attached messages down to `limits.MESSAGES` levels."""
        return self._attachments

    @cached_property
    def _attachments(self) -> tuple[Part, ...]:
        found: list[Part] = []
        waiting = [(part, 0) for part in reversed(self._parts)]
        while waiting:
            part, level = waiting.pop()
            if part.is_attachment:
                found.append(part)
            if part.content_type in ("message/rfc822", "message/global") and level < limits.MESSAGES:
                inner = Message(part.data())
                waiting += [(leaf, level + 1) for leaf in reversed(inner.parts())]
            if len(found) + len(waiting) > limits.PARTS:
                raise limits.beyond("パート", "parts")
        return tuple(found)

    @cached_property
    def _body(self) -> str:
        texts = [_readable(part) for part in _chosen(self._parts)[: limits.TEXTS]]
        return "\n".join(text for text in texts if text.strip()).strip("\n")[: limits.TEXT_BYTES]

    def body(self) -> str:
        """The visible text with LF line ends: text/plain, or text/html converted where there is no other."""
        return self._body

    @cached_property
    def _written(self) -> str:
        return quotes.written(self._body)

    def written(self) -> str:
        """The body without quoted lines and signature: the sender's own words."""
        return self._written


def _readable(part: Part) -> str:
    if part.content_type != "text/html":
        return part.text()
    return emoji.translated(html.to_text(part.text()), part.carrier)  # &#xE63E; as well


def _chosen(parts: tuple[Part, ...]) -> list[Part]:
    """The leaves that a mail program would show as the text, one of each set of alternatives."""
    texts = [part for part in parts if part.content_type.startswith("text/")]
    shown = [p for p in texts if not p.is_attachment] or [p for p in texts if not p.set_apart]
    plain = [p for p in shown if p.content_type == "text/plain" and p.text().strip()]
    answered = {p.alternative for p in plain if p.alternative}
    markup = [p for p in shown if p.content_type == "text/html" and not (p.alternative and p.alternative in answered)]
    outside = bool(plain)
    kept = {id(p) for p in plain}
    kept |= {id(p) for p in markup if p.alternative or not outside}
    if not kept:
        kept = {id(p) for p in shown if p.content_type not in ("text/html", "text/plain", "text/rfc822-headers")}
    return [p for p in shown if id(p) in kept]
