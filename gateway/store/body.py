"""The raw bytes of messages as they are kept: Zstandard frames that know their size."""

from __future__ import annotations

import asyncio

import zstandard

from gateway.errors import StoreError
from gateway.text import Text

LEVEL = 3
IN_THREAD = 128 * 1024  # bytes from which compression would hold the event loop for more than about a millisecond

_compressor = zstandard.ZstdCompressor(level=LEVEL)  # used by the event loop's thread alone


async def pack(raw: bytes) -> bytes:
    """`raw` compressed; large messages in a worker thread."""
    return await asyncio.to_thread(_pack_apart, raw) if len(raw) > IN_THREAD else _compressor.compress(raw)


def pack_now(raw: bytes) -> bytes:
    """`raw` compressed at once, for what the gateway wrote itself."""
    return _pack_apart(raw)


def unpack(packed: bytes, size: int) -> bytes:
    """The raw bytes, which are `size` long as the message's record says; `StoreError` where they cannot be."""
    try:
        raw = zstandard.ZstdDecompressor().decompress(packed, max_output_size=max(size, 1))
    except zstandard.ZstdError as error:
        raise _damaged() from error
    if len(raw) != size:
        raise _damaged()
    return raw


def _pack_apart(raw: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=LEVEL).compress(raw)


def _damaged() -> StoreError:
    return StoreError(
        Text("保存されたメールの本体が壊れています。", "The stored bytes of a message are damaged."),
        Text("`sekisho verify` で確認してください。", "Run `sekisho verify`."),
    )
