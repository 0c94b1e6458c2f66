"""The PROXY header (v1 and v2) that a front server in a configured network puts before the SMTP session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiosmtpd.proxy_protocol import V2_CMD, V2_SIGNATURE, get_proxy

from gateway.model.network import canonical_ip

V1_SIGNATURE = b"PROXY "
V1_LONGEST = 107
V2_LONGEST = 16 + 2048  # addresses and TLVs; more is no sane front server
SHORTEST = 15  # "PROXY UNKNOWN\r\n"


@dataclass(frozen=True, slots=True)
class Client:
    """The client that the header names; `ip` is "" where the front server speaks for itself (LOCAL, UNKNOWN)."""

    ip: str
    port: int


class ProxyGate(asyncio.BufferedProtocol):
    """Reads exactly the PROXY header and not a byte more, so that TLS can follow it; then calls `done(header)`.

    `header` is None where the first bytes are none, or the connection is lost before its end.
    """

    def __init__(self, done: Callable[[bytes | None], None]) -> None:
        self._done = done
        self._header = bytearray()
        self._wanted = SHORTEST
        self._buffer = bytearray(V2_LONGEST)
        self._over = False

    def get_buffer(self, sizehint: int) -> memoryview:
        """Room for as many bytes as are certainly part of the header."""
        return memoryview(self._buffer)[: self._wanted - len(self._header)]

    def buffer_updated(self, nbytes: int) -> None:
        """Take `nbytes` more of the header."""
        self._header += self._buffer[:nbytes]
        start = bytes(self._header[:12])
        if not (V2_SIGNATURE.startswith(start) or V1_SIGNATURE.startswith(start[:6])):
            return self._finish(None)
        while len(self._header) >= self._wanted:
            more = _missing(self._header)
            if more <= 0:
                return self._finish(bytes(self._header) if more == 0 else None)
            self._wanted = len(self._header) + more
        return None

    def eof_received(self) -> None:
        """The peer is gone."""
        self._finish(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer is gone."""
        self._finish(None)

    def _finish(self, header: bytes | None) -> None:
        if not self._over:
            self._over = True
            self._done(header)


def _missing(header: bytearray) -> int:
    """How many bytes more belong to the header for certain; 0 when it is whole, -1 when it is none."""
    if header.startswith(V1_SIGNATURE):
        if header.endswith(b"\r\n"):
            return 0
        return 1 if len(header) < V1_LONGEST else -1
    if len(header) < 16:
        return 16 - len(header)
    whole = 16 + int.from_bytes(header[14:16], "big")
    return whole - len(header) if whole <= V2_LONGEST else -1


class _Whole:
    """A header that has been read, in the form in which the parser wants to read it."""

    def __init__(self, header: bytes) -> None:
        self._left = header

    async def read(self, n: int = -1) -> bytes:
        taken, self._left = self._left[:n], self._left[n:]
        return taken

    async def readexactly(self, n: int) -> bytes:
        return await self.read(n)

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        return await self.read(len(self._left))


async def parse_proxy(header: bytes) -> Client | None:
    """The client named in a whole header; None where the header is malformed."""
    found = await get_proxy(_Whole(header))
    if not found.valid or (found.version == 2 and found.protocol == 2):
        return None
    if found.src_addr is None or isinstance(found.src_addr, bytes | bytearray) or found.command == V2_CMD.LOCAL:
        return Client("", 0)
    return Client(canonical_ip(str(found.src_addr)), int(found.src_port or 0))
