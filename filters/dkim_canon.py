"""Canonical forms of header and body in linear time and bounded memory (RFC 6376 §3.4)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

_BLANKS = re.compile(rb"[ \t]+")
_B_TAG = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_BLOCK = 64 * 1024

Field = tuple[str, bytes]  # lower-case name, and the field as sent: name, colon, value, CRLF


def split_fields(raw: bytes) -> tuple[tuple[Field, ...], int] | None:
    """The header fields as sent and where the body starts; None where the header has line ends other than CRLF."""
    if raw.startswith(b"\r\n"):
        return (), 2
    end = raw.find(b"\r\n\r\n")
    header, body = (raw[:end], end + 4) if end >= 0 else (raw.removesuffix(b"\r\n"), len(raw))
    rows = header.split(b"\r\n")
    if header.count(b"\n") >= len(rows):
        return None
    fields: list[Field] = []
    lines: list[bytes] = []
    for line in rows:
        if lines and not line.startswith((b" ", b"\t")):
            fields.append(_field(lines))
            lines = []
        lines.append(line)
    fields.append(_field(lines))
    return tuple(fields), body


def _field(lines: list[bytes]) -> Field:
    name, _, _ = lines[0].partition(b":")
    return name.strip().lower().decode("latin-1"), b"\r\n".join(lines) + b"\r\n"


def value_of(field: Field) -> bytes:
    """What stands behind the colon."""
    return field[1].partition(b":")[2]


def canonical_field(field: Field, relaxed: bool) -> bytes:
    """The field in canonical form, CRLF included."""
    if not relaxed:
        return field[1]
    value = _BLANKS.sub(b" ", value_of(field).replace(b"\r\n", b"")).strip(b" ")
    return b"%s:%s\r\n" % (field[0].encode("latin-1"), value)


def without_signature(field: Field) -> Field:
    """The signature field with its b= emptied (RFC 6376 §3.5)."""
    name, colon, value = field[1].partition(b":")
    return field[0], name + colon + _B_TAG.sub(rb"\1", value, count=1)


def select(fields: Sequence[Field], names: Sequence[str]) -> list[Field]:
    """The fields that `names` sign, each name taking the next one from the bottom (RFC 6376 §5.4.2)."""
    stacks: dict[str, list[Field]] = {}
    for field in fields:
        stacks.setdefault(field[0], []).append(field)
    return [stacks[name].pop() for name in names if stacks.get(name)]


def header_bytes(fields: Sequence[Field], names: Sequence[str], signature: Field, relaxed: bool) -> bytes:
    """What a signature over these fields signs (RFC 6376 §3.7)."""
    last = canonical_field(without_signature(signature), relaxed).removesuffix(b"\r\n")
    return b"".join([*(canonical_field(f, relaxed) for f in select(fields, names)), last])


def body_hash(raw: bytes, start: int, relaxed: bool) -> bytes:
    """SHA-256 of the canonical body that begins at `start`.

    Blocks are hashed one by one: the library that the field uses needs quadratic time on runs of blanks.
    """
    hasher = hashlib.sha256()
    end = _content_end(raw, start, b" \t\r\n" if relaxed else b"\r\n")
    if not relaxed:
        hasher.update(memoryview(raw)[start:end])
        hasher.update(b"\r\n")
        return hasher.digest()
    position = start
    while position < end:
        stop = raw.find(b"\n", min(position + _BLOCK, end), end) + 1 or end
        block = raw[position:stop]
        if b"\t" in block or b"  " in block:
            block = _BLANKS.sub(b" ", block)
        hasher.update(block.replace(b" \r\n", b"\r\n"))
        position = stop
    if end > start:
        hasher.update(b"\r\n")
    return hasher.digest()


def _content_end(raw: bytes, start: int, blank: bytes) -> int:
    """Where the body ends once the `blank` bytes at its end are left off, found without copying the whole."""
    end = len(raw)
    while end > start:
        begin = max(start, end - _BLOCK)
        kept = len(raw[begin:end].rstrip(blank))
        if kept:
            return begin + kept
        end = begin
    return start
