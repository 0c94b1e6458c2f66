"""Which attachments can be shown as pictures: known formats of bounded size, told by their first bytes."""

from __future__ import annotations

import struct
from typing import Final

MOST_PIXELS: Final = 40_000_000
MOST_BYTES: Final = 20 * 1024 * 1024
MOST_SEGMENTS: Final = 500


def picture_suffix(data: bytes) -> str | None:
    """`png`, `jpg`, `gif` or `webp` for a picture that may be shown; None for anything else."""
    if len(data) > MOST_BYTES:
        return None
    try:
        suffix, width, height = _measure(data)
    except (struct.error, IndexError, ValueError):
        return None
    return suffix if 0 < width * height <= MOST_PIXELS else None


def _measure(data: bytes) -> tuple[str, int, int]:
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR":
        return ("png", *struct.unpack(">II", data[16:24]))
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return ("gif", *struct.unpack("<HH", data[6:10]))
    if data[:3] == b"\xff\xd8\xff":
        return ("jpg", *_jpeg(data))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ("webp", *_webp(data))
    raise ValueError("not a picture that we know")


def _jpeg(data: bytes) -> tuple[int, int]:
    at = 2
    for _ in range(MOST_SEGMENTS):
        while data[at] == 0xFF and data[at + 1] == 0xFF:
            at += 1
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    raise ValueError("no frame")


def _webp(data: bytes) -> tuple[int, int]:
    form = data[12:16]
    if form == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if form == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    bits = int.from_bytes(data[21:25], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
