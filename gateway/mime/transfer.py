"""Content transfer encodings, decoded as far as broken input allows (RFC 2045 §6)."""

from __future__ import annotations

import binascii
import re
from typing import Final

_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64: Final = bytes(n for n in range(256) if n not in _BASE64 and n != ord("="))
_UU_BEGIN: Final = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} [^\n]*\n", re.MULTILINE)


def decode_transfer(data: bytes, encoding: str) -> bytes:
    """`data` without its Content-Transfer-Encoding; an unknown one leaves it as it is. Never raises."""
    if encoding == "base64":
        return decode_base64(data)
    if encoding == "quoted-printable":
        return decode_quoted(data)
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return _uudecode(data)
    return data


def decode_base64(data: bytes) -> bytes:
    """Base64 without regard to stray characters, missing padding, or padding in the middle."""
    kept = data.translate(None, _NOT_BASE64)
    if b"=" in kept.rstrip(b"="):
        return b"".join(_base64_run(run) for run in kept.split(b"=") if run)
    return _base64_run(kept.rstrip(b"="))


def _base64_run(run: bytes) -> bytes:
    rest = len(run) % 4
    if rest == 1:  # six bits too many, or cut off
        run = run[:-1]
        rest = 0
    return binascii.a2b_base64(run + b"=" * (-rest % 4))


def decode_quoted(data: bytes) -> bytes:
    """Quoted-printable; an equals sign that begins no escape stands for itself."""
    return binascii.a2b_qp(data)


def _uudecode(data: bytes) -> bytes:
    begin = _UU_BEGIN.search(data)
    out: list[bytes] = []
    left = len(data)  # lines may claim more than they hold, and are then filled up with zeros
    for line in data[begin.end() if begin else 0 :].splitlines():
        if line.rstrip() in (b"end", b"`", b"") or left <= 0:
            break
        try:
            piece = binascii.a2b_uu(line)
        except binascii.Error:
            length = (((line[0] - 32) & 63) * 4 + 5) // 3  # trailing characters that some encoders add
            try:
                piece = binascii.a2b_uu(line[:length])
            except binascii.Error:
                continue
        out.append(piece[:left])
        left -= len(piece)
    return b"".join(out)
