"""ISO-2022-JP and EUC-JP as Japanese mailers write them: with NEC row 13, IBM extensions and half-width kana.

Python's codecs for both know only the plain standards; here every double byte goes through the cp932 table, as in
Microsoft's CP50220, CP50221 and CP51932.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

ESCAPE: Final = re.compile(rb"\x1b(?:\$[@B]|\$\([@BDOPQ]|\([BJIH]|&@)")
# the last is one of SoftBank's emoji, whose SI shifts nothing
_TOKEN: Final = re.compile(
    rb"\x1b(\$[@B]|\$\([@BDOPQ]|\([BJIHA]|&@)|([\x0e\x0f])|(\r?\n)|(\x1b\$[EFGOPQ][!-z]{1,200}\x0f)"
)
_EUC: Final = re.compile(
    rb"(?P<two>(?:[\xa1-\xfe]{2})+)|(?P<kana>(?:\x8e[\xa1-\xdf])+)|(?P<three>(?:\x8f[\xa1-\xfe]{2})+)"
    rb"|(?P<one>[\x00-\x7f]+)|(?P<bad>[\x80-\xff])"
)
_SEVEN_BITS: Final = bytes(n & 0x7F for n in range(256))
_HIGH_BIT: Final = bytes(n | 0x80 for n in range(256))


class _Table(dict[int, str]):
    """Characters by their two bytes as a native 16-bit number; what the table does not hold is U+FFFD."""

    def __missing__(self, key: int) -> str:
        return "\ufffd"


@lru_cache(maxsize=1)
def _table() -> _Table:
    table = _Table()
    for row in range(0x21, 0x7F):
        for cell in range(0x21, 0x7F):
            lead = (row + 1) // 2 + (0x70 if row < 0x5F else 0xB0)
            trail = cell + (0x7E if row % 2 == 0 else 0x1F + (cell >= 0x60))
            try:
                table[int.from_bytes((row, cell), sys.byteorder)] = bytes((lead, trail)).decode("cp932")
            except UnicodeDecodeError:
                continue
    return table


def decode(
    data: bytes,
    eight_bit: Callable[[bytes], str] | None = None,
    cells: Mapping[tuple[int, int], str] | None = None,
) -> str:
    """ISO-2022-JP in all its forms (RFC 1468, CP50220 to CP50222); `eight_bit` decodes bytes above 127 in ASCII text.

    `cells`: characters that take the place of those that two bytes have in the table, such as a carrier's emoji. The
    state returns to ASCII at the end of a line. Never raises.
    """
    out: list[str] = []
    charset, shifted, at = b"(B", False, 0

    def take(piece: bytes) -> None:
        if shifted:
            out.append(_half_width(piece))
        elif charset in (b"(B", b"(J", b"(H", b"(A"):
            if piece.isascii():
                out.append(piece.decode("ascii"))
            else:
                out.append(eight_bit(piece) if eight_bit else piece.decode("cp932", "replace"))
        elif charset == b"(I":
            out.append(_half_width(piece))
        elif charset == b"$(D":
            out.append(_by_codec(piece, "euc_jp", b"\x8f"))
        elif charset in (b"$(O", b"$(Q"):
            out.append(_by_codec(piece, "euc_jis_2004", b""))
        elif charset == b"$(P":
            out.append(_by_codec(piece, "euc_jis_2004", b"\x8f"))
        else:
            out.append(_double(piece, cells))

    for token in _TOKEN.finditer(data):
        if token.start() > at:
            take(data[at : token.start()])
        at = token.end()
        escape, shift, line, web_code = token.groups()
        if escape:
            if escape != b"&@":
                charset, shifted = escape, False
        elif web_code:
            out.append(web_code.decode("ascii"))
        elif shift:
            shifted = shift == b"\x0e"
        else:
            out.append(line.decode("ascii"))
            charset, shifted = b"(B", False
    if at < len(data):
        take(data[at:])
    return "".join(out)


def decode_euc(data: bytes, *, strict: bool) -> str | None:
    """EUC-JP with the cp932 table (CP51932); None where `strict` and the bytes are not EUC-JP."""
    out: list[str] = []
    for run in _EUC.finditer(data):
        kind, piece = run.lastgroup, run.group()
        if kind == "one":
            out.append(piece.decode("ascii"))
        elif kind == "two":
            text = _double(piece.translate(_SEVEN_BITS))
            if strict and "\ufffd" in text:
                return None
            out.append(text)
        elif kind == "kana":
            out.append(piece.replace(b"\x8e", b"").decode("cp932"))
        elif kind == "three":
            out.append(piece.decode("euc_jp", "replace"))
        elif strict:
            return None
        else:
            out.append("\ufffd")
    return "".join(out)


def _double(piece: bytes, cells: Mapping[tuple[int, int], str] | None = None) -> str:
    table = _table()
    if not cells and len(piece) % 2 == 0 and not _LOOSE.search(piece):
        return "".join([table[pair] for pair in memoryview(piece).cast("H")])
    # Blanks and stray bytes between double bytes: keep the blanks, keep the pairs in step.
    out: list[str] = []
    at = 0
    while at < len(piece):
        first = piece[at] & 0x7F
        if first <= 0x20 or first == 0x7F:
            out.append(chr(first) if first < 0x7F else "")
            at += 1
        elif at + 1 < len(piece):
            pair = first, piece[at + 1] & 0x7F
            out.append((cells or {}).get(pair) or table[int.from_bytes(pair, sys.byteorder)])
            at += 2
        else:
            out.append("\ufffd")
            at += 1
    return "".join(out)


_LOOSE: Final = re.compile(rb"[\x00-\x20\x7f-\xff]")


def _half_width(piece: bytes) -> str:
    return "".join(chr(0xFF61 + (n & 0x7F) - 0x21) if 0x21 <= n & 0x7F <= 0x5F else chr(n & 0x7F) for n in piece)


def _by_codec(piece: bytes, codec: str, prefix: bytes) -> str:
    pairs = piece.translate(_HIGH_BIT)
    return b"".join(prefix + pairs[i : i + 2] for i in range(0, len(pairs), 2)).decode(codec, "replace")
