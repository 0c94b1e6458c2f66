"""What stands in the raw bytes of a mail under Base64, quoted-printable or encoded words, for whoever looks for a name.

Written for completeness, not for reading: bytes that only look coded are decoded as well, and no harm comes of it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

_BLOCK = re.compile(rb"^(?:[A-Za-z0-9+/]+={0,2}[ \t]{0,8}(?:\r?\n|\Z))+", re.MULTILINE)
_SHORTEST = 8  # characters: no address has fewer
_WORD = re.compile(rb"=\?[^?\s]{1,60}\?([bBqQ])\?([^?\s]{0,2000})\?=")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


def coded_text(raw: bytes) -> Iterator[bytes]:
    """Everything that is coded in a mail, decoded."""
    lower = raw.lower()
    if b"quoted-printable" in lower:
        yield binascii.a2b_qp(raw)
    if b"base64" in lower:
        for block in _BLOCK.finditer(raw):
            if len(block[0]) >= _SHORTEST:
                yield _from_base64(block[0])
    words = b"".join(_word(found[1], found[2]) for found in _WORD.finditer(raw))  # one may end amid an address
    if words:
        yield words


def _word(way: bytes, text: bytes) -> bytes:
    return _from_base64(text) if way in b"bB" else binascii.a2b_qp(text, header=True)


def _from_base64(text: bytes) -> bytes:
    """The bytes, whatever stands between and whether or not it is padded."""
    plain = _NO_BASE64.sub(b"", text)
    return binascii.a2b_base64(plain[: len(plain) // 4 * 4] + _rest(plain))


def _rest(plain: bytes) -> bytes:
    left = plain[len(plain) // 4 * 4 :]
    return left + b"=" * (4 - len(left)) if len(left) > 1 else b""
