"""Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3) and quoted strings (§4.3)."""

from __future__ import annotations

import base64


def encode_name(name: str) -> str:
    """A mailbox name in modified UTF-7: `保留` becomes `&T911WQ-`."""
    found: list[str] = []
    wide = ""
    for char in name:
        if " " <= char <= "~":
            found += [_encode(wide), "&-" if char == "&" else char]
            wide = ""
        else:
            wide += char
    return "".join([*found, _encode(wide)])


def decode_name(name: str) -> str:
    """The name that modified UTF-7 stands for; what is not well-formed stays as it is."""
    pieces = name.split("&")
    found = [pieces[0]]
    for piece in pieces[1:]:
        coded, dash, rest = piece.partition("-")
        found.append((_decode(coded) if coded else "&") + rest if dash else "&" + piece)
    return "".join(found)


def quoted(text: str) -> str:
    """A quoted string. Raises `ValueError` for CR, LF and NUL, which would end or split the command."""
    if any(char in text for char in "\r\n\0"):
        raise ValueError("a control character in an argument")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def mailbox(name: str) -> str:
    """A mailbox name as an argument; INBOX is the same in any case (RFC 3501 §5.1)."""
    return quoted("INBOX" if name.upper() == "INBOX" else encode_name(name))


def _encode(wide: str) -> str:
    if not wide:
        return ""
    coded = base64.b64encode(wide.encode("utf-16-be", "surrogatepass")).decode("ascii")
    return "&" + coded.rstrip("=").replace("/", ",") + "-"


def _decode(coded: str) -> str:
    try:
        raw = base64.b64decode(coded.replace(",", "/") + "=" * (-len(coded) % 4), validate=True)
        return raw.decode("utf-16-be")
    except ValueError:  # no base64, no UTF-16, or not ASCII
        return f"&{coded}-"
