"""Text from outside, made safe to show: it cannot steer a terminal, nor hide in a line what is not there."""

from __future__ import annotations

import re

# all that Python does not call printable, line feed, tab and the ideographic space left out
_KEPT = "\n\t\u3000"


def printable(text: str) -> str:
    """Control and formatting characters other than line feed and tab are shown as their code."""
    if text.isprintable():
        return text
    return "".join(c if c in _KEPT or c.isprintable() else _code(c) for c in text)


def one_line(text: str, limit: int = 0) -> str:
    """The same on one line, and cut after `limit` characters where that is not 0."""
    said = " ".join(printable(text).split())
    return said if not limit or len(said) <= limit else said[: limit - 1] + "…"


def json_safe(text: str) -> str:
    """JSON text whose characters that are not printable are written as escapes, which it may hold in strings alone."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _code(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escape(character: str) -> str:
    return re.sub(r"....", r"\\u\g<0>", character.encode("utf-16-be", "surrogatepass").hex())
