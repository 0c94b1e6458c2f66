"""The trace headers that go on top of a message (RFC 5321 §4.4, RFC 8601): nothing can be injected through them.

The block starts with `Received` and ends with `X-Sekisho-Id`. Only X-Sekisho fields down to the first X-Sekisho-Id are
ours: what a sender put into the message under these names stays below, as it came, and proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.header import Header
from functools import lru_cache

from gateway.model.address import fold_domain
from gateway.model.envelope import Peer
from gateway.model.exchange import Exchange
from gateway.model.fact import Facts
from gateway.model.verdict import Verdict

WIDTH = 78  # RFC 5322 §2.1.1
LONGEST = 900  # characters of one word, well under the 998 of a line
METHODS = ("spf", "dkim", "dmarc", "arc")
RESULTS = frozenset({"none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror"})

Properties = Mapping[str, Sequence[tuple[str, str]]]  # method → ("header.d", "example.com") …

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9_])?\.?|\[[A-Za-z0-9.:]{2,60}\]")
_ADDRESS = re.compile(r'[^\s<>()\\"\x00-\x1f\x7f]{1,512}')
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+._|~^`{}-]+(?:@[A-Za-z0-9._-]+)?")
_PROPERTY = re.compile(r"(?:smtp|header|body|policy)\.[A-Za-z0-9-]{1,40}")


def trace_headers(
    exchange: Exchange,
    hostname: str,
    *,
    facts: Facts | None = None,
    properties: Properties | None = None,
    verdict: Verdict | None = None,
) -> bytes:
    """The block for the top of the relayed copy, CR LF lines.

    `properties` are the RFC 8601 §2.3 properties to show beside a method's result, such as the DKIM domain.
    """
    lines = [_received(exchange, hostname), _authentication(exchange, hostname, facts or {}, properties or {})]
    if verdict is not None:
        lines.append(f"X-Sekisho-Verdict: {_plain(verdict.action.then.value)}\r\n")
        lines.append(encoded_field("X-Sekisho-Rule", verdict.rule))
        if verdict.action.tags:
            lines.append(encoded_field("X-Sekisho-Tags", ", ".join(verdict.action.tags)))
    lines.append(f"X-Sekisho-Id: {_plain(exchange.id)}\r\n")
    return "".join(lines).encode("utf-8", "replace")


def _received(exchange: Exchange, hostname: str) -> str:
    envelope, peer = exchange.envelope, exchange.envelope.peer
    words = ["from", *_client(peer), "by", _plain(hostname), "with", protocol(peer, envelope.smtputf8)]
    if peer.tls is not None:
        words.append(f"({_plain(peer.tls.version)} {_plain(peer.tls.cipher)} {peer.tls.bits} bits)")
    words += ["id", _plain(exchange.id)]
    if len(envelope.recipients) == 1:  # with several, one would learn of the others
        recipient = envelope.recipients[0]
        if _ADDRESS.fullmatch(recipient) and (recipient.isascii() or envelope.smtputf8):
            words += ["for", f"<{recipient}>"]
    words[-1] += ";"
    return fold("Received", [*words, date(exchange.received_at)])


def _client(peer: Peer) -> tuple[str, ...]:
    literal = f"[IPv6:{_plain(peer.ip)}]" if ":" in peer.ip else f"[{_plain(peer.ip) or 'unknown'}]"
    if _HOST.fullmatch(peer.helo):
        return peer.helo, f"({literal})"
    return (literal,) if not peer.helo else (literal, f"(helo={_plain(peer.helo)})")


def protocol(peer: Peer, smtputf8: bool) -> str:
    """The protocol of a transaction as `with` names it (RFC 3848, RFC 6531 §4.3)."""
    if smtputf8:
        return "UTF8SMTPS" if peer.tls else "UTF8SMTP"
    if peer.tls:
        return "ESMTPS"
    return "ESMTP" if peer.extended else "SMTP"


def date(moment: datetime) -> str:
    """A moment as RFC 5322 §3.3 writes it."""
    zone = "+0000" if moment.tzinfo is UTC else moment.strftime("%z") or "+0000"
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day} {_MONTHS[moment.month - 1]} {moment.year:04} "
        f"{moment.hour:02}:{moment.minute:02}:{moment.second:02} {zone}"
    )


def _authentication(exchange: Exchange, hostname: str, facts: Facts, properties: Properties) -> str:
    found: list[list[str]] = []
    for method in METHODS:
        fact = facts.get(method)
        if fact is None or not fact.known or fact.value not in RESULTS:
            continue
        words = [f"{method}={fact.value}"]
        for name, value in properties.get(method) or _usual(method, exchange):
            shown = _value(value)
            if shown and _PROPERTY.fullmatch(name):
                words.append(f"{name}={shown}")
        found.append(words)
    if not found:
        return f"Authentication-Results: {_plain(hostname)}; none\r\n"
    words = [f"{_plain(hostname)};"]
    for result in found:
        words += result
        words[-1] += ";"
    words[-1] = words[-1][:-1]
    return fold("Authentication-Results", words)


def _usual(method: str, exchange: Exchange) -> Sequence[tuple[str, str]]:
    if method != "spf":
        return ()
    sender = exchange.envelope.mail_from
    return [("smtp.mailfrom", sender)] if sender else [("smtp.helo", exchange.envelope.peer.helo)]


def _value(text: str) -> str:
    """A property's value (RFC 8601 §2.2): bare where it can be, quoted where it must; "" where it cannot be shown."""
    if not text.isascii():
        local, at, domain = text.rpartition("@")
        text = f"{local}{at}{fold_domain(domain)}"
        if not text.isascii():
            return ""
    if len(text) > LONGEST // 2:
        return ""
    if _TOKEN.fullmatch(text):
        return text
    if not text.isprintable():
        return ""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _plain(text: str) -> str:
    """A word that cannot end a field, a comment or a line."""
    return re.sub(r"[^A-Za-z0-9._:+=@/\[\]-]", "?", text)[:255]


def fold(name: str, words: Iterable[str]) -> str:
    """A field of these words, folded at `WIDTH` where a space allows it (RFC 5322 §2.2.3)."""
    lines: list[str] = []
    line = f"{name}:"
    for word in words:
        if len(line) + 1 + len(word) > WIDTH and line.strip():
            lines.append(line)
            line = ""
        line += " " + word[:LONGEST]
    lines.append(line)
    return "\r\n".join(lines) + "\r\n"


@lru_cache(maxsize=1024)
def encoded_field(name: str, text: str) -> str:
    """A field with any text: as it is where it is short printable ASCII, else in encoded-words (RFC 2047)."""
    one_line = " ".join(text.split())
    if one_line.isascii() and one_line.isprintable() and "=?" not in one_line and len(name) + len(one_line) < WIDTH - 2:
        return f"{name}: {one_line}\r\n"
    encoded = Header(one_line.encode("utf-8", "replace").decode(), "utf-8", maxlinelen=WIDTH - 3, header_name=name)
    return f"{name}: {encoded.encode(linesep=chr(13) + chr(10))}\r\n"
