"""ClamAV's daemon: a message is streamed to it (INSTREAM of clamd(8)) and judged by its signatures."""

from __future__ import annotations

import asyncio
import struct

from gateway.clients.service import CHUNK, Unusable, connected
from gateway.model.lookup import Scan
from gateway.model.settings import Endpoint
from gateway.text import Text

_LONGEST = 4096  # bytes of an answer
_LARGE = Text(
    "メールが ClamAV の上限（StreamMaxLength）を超えています。", "larger than ClamAV takes (its StreamMaxLength)"
)
_SAID = Text("応答: {said}", "it said: {said}")


async def scan(endpoint: Endpoint, raw: bytes) -> Scan:
    """Which signature fits the message, if any. Raises `Unusable`."""
    async with connected(endpoint) as (reader, writer):
        sending = asyncio.create_task(_send(writer, raw))
        try:
            # it answers, and closes, before the end of what is too large for it
            said = await reader.read(_LONGEST)
            while said and b"\0" not in said and len(said) < _LONGEST:
                more = await reader.read(_LONGEST - len(said))
                if not more:
                    break
                said += more
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    return _read(said.partition(b"\0")[0].decode("utf-8", "replace").strip())


async def _send(writer: asyncio.StreamWriter, raw: bytes) -> None:
    writer.write(b"zINSTREAM\0")
    view = memoryview(raw)
    for start in range(0, len(view), CHUNK):
        piece = view[start : start + CHUNK]
        writer.write(struct.pack("!I", len(piece)))
        writer.write(bytes(piece))
        await writer.drain()
    writer.write(struct.pack("!I", 0))
    await writer.drain()


def _read(said: str) -> Scan:
    words = said.removeprefix("stream:").strip()
    if words == "OK":
        return Scan(True)
    if words.endswith(" FOUND"):
        name = words.removesuffix(" FOUND").strip()[:200]
        if name:
            return Scan(True, found=name, evidence=(("name", name),))
    if "size limit exceeded" in words:
        return Scan(False, note=_LARGE)
    raise Unusable(_SAID.with_(said=said[:200] or "-"))
