"""The copy of a message that is passed on: our trace headers on top, the bytes below as they came (RFC 8601 §5)."""

from __future__ import annotations

import re
from typing import Final

from gateway.model.address import fold_domain

_NAME: Final = re.compile(rb"authentication-results[ \t]*:", re.IGNORECASE)
_IDENTIFIER: Final = re.compile(rb'"((?:[^"\\]|\\.)*+)"|([^\s;()"]+)', re.DOTALL)


def relay_copy(raw: bytes, trace: bytes, authserv_id: str) -> tuple[bytes, tuple[bytes, ...]]:
    """`trace` and `raw` without the Authentication-Results fields that claim `authserv_id`; and these fields, raw.

    `trace` is whole lines with CRLF. Names are compared as RFC 8601 §5 asks: without regard to case, as A-labels.
    """
    wanted = fold_domain(authserv_id)
    kept: list[bytes] = [trace]
    removed: list[bytes] = []
    kept_to = 0
    for start, end in _fields(raw):
        name = _NAME.match(raw, start, end)
        if name is not None and _identifier(raw[name.end() : end]) == wanted:
            kept.append(raw[kept_to:start])
            removed.append(raw[start:end])
            kept_to = end
    kept.append(raw[kept_to:])
    return b"".join(kept), tuple(removed)


def _fields(raw: bytes) -> list[tuple[int, int]]:
    """Where each line of the header section with its continuations begins and ends, up to the first empty line."""
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(raw):
        newline = raw.find(b"\n", at)
        end = len(raw) if newline < 0 else newline + 1
        if raw[at] in b"\r\n" and not raw[at:end].strip(b"\r\n"):
            break
        if raw[at] in b" \t" and found:
            found[-1] = (found[-1][0], end)
        else:
            found.append((at, end))
        at = end
    return found


def _identifier(value: bytes) -> str:
    """The authserv-id that a field value begins with, folded, "" for none, comments skipped (RFC 8601 §2.2)."""
    at, depth = 0, 0
    while at < len(value):
        byte = value[at]
        if depth:
            depth += (byte == 0x28) - (byte == 0x29)
            at += 2 if byte == 0x5C else 1
        elif byte == 0x28:
            depth, at = 1, at + 1
        elif byte in b" \t\r\n":
            at += 1
        else:
            break
    found = _IDENTIFIER.match(value, at)
    if found is None:
        return ""
    quoted, token = found.groups()
    text = re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL) if quoted is not None else token
    return fold_domain(text.decode("utf-8", "replace"))
